"""Runs a SavedModel, which TensorFlow alone can do."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np


def run_saved_model(path: Path, samples: Iterable[np.ndarray]) -> list[list[np.ndarray]]:
    """Returns the outputs of a model of one input for every sample, in the order of their names.

    TensorFlow need not be the backend, but has to be installed.
    """
    from keras_gcnn.backend.tensorflow import saved_model

    return saved_model.run(path, samples)
