"""Replicas of a model under `tf.distribute`."""

from __future__ import annotations

import tensorflow as tf


def replicas() -> int:
    """Number of replicas that share a batch."""
    return tf.distribute.get_strategy().num_replicas_in_sync
