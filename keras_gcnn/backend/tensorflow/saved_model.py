"""Runs a SavedModel, TensorFlow's own format."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import tensorflow as tf


def run(path: Path, samples: Iterable[np.ndarray]) -> list[list[np.ndarray]]:
    """Returns the outputs of a model of one input for every sample, in the order of their names."""
    loaded = tf.saved_model.load(str(path))
    call = loaded.signatures["serving_default"]
    (name,) = call.structured_input_signature[1]
    by_name = [call(**{name: tf.convert_to_tensor(sample)}) for sample in samples]
    return [[outputs[key].numpy() for key in sorted(outputs)] for outputs in by_name]
