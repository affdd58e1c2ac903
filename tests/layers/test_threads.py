"""Threads that build, load and predict at the same time leave global settings unchanged."""

import os
import warnings
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest

from keras_gcnn import zoo
from keras_gcnn.backend.initial_weights import drawn_once

THREADS = 8


def settings():
    """What belongs to the whole process."""
    config = keras.config
    found = {
        "dtype policy": config.dtype_policy().name,
        "floatx": config.floatx(),
        "epsilon": config.epsilon(),
        "data format": config.image_data_format(),
        "warnings": list(warnings.filters),
        "environment": dict(os.environ),
    }
    match keras.backend.backend():
        case "jax":
            import jax

            found["jax"] = dict(jax.config.values)
        case "torch":
            import torch

            found["torch"] = (
                torch.get_default_dtype(),
                torch.is_grad_enabled(),
                torch.get_num_threads(),
                torch.are_deterministic_algorithms_enabled(),
            )
        case "tensorflow":
            import tensorflow as tf

            found["tensorflow"] = (
                tf.config.functions_run_eagerly(),
                tf.config.optimizer.get_jit(),
                tf.config.threading.get_intra_op_parallelism_threads(),
            )
    return found


def test_eight_threads_leave_no_setting_changed(tmp_path):
    arguments = {"group": "p4", "widths": (1, 2), "input_shape": (14, 14, 1)}
    images = np.random.default_rng(0).random((2, 14, 14, 1), dtype="float32")
    reference = zoo.lenet(**arguments)
    reference.save(tmp_path / "model.keras")
    reference.save_weights(tmp_path / "model.weights.h5")
    expected = reference.predict(images, verbose=0)
    before = settings()

    def work(number):
        built = zoo.lenet(**arguments, weights=tmp_path / "model.weights.h5", name=f"net{number}")
        loaded = keras.saving.load_model(tmp_path / "model.keras")
        return built.predict(images, verbose=0), loaded.get_weights()

    with ThreadPoolExecutor(THREADS) as pool:
        results = list(pool.map(work, range(THREADS)))
    for outputs, weights in results:
        np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-6)
        for found, saved in zip(weights, reference.get_weights(), strict=True):
            np.testing.assert_array_equal(found, saved)
    assert settings() == before


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="JAX alone compiles what is drawn")
@pytest.mark.parametrize("name", ["he_normal", "glorot_uniform", "orthogonal", "truncated_normal"])
def test_what_is_drawn_quickly_are_the_same_numbers(name):
    import jax

    initializer = keras.initializers.get(name)
    quick = drawn_once(initializer)
    assert quick is not initializer
    expected = np.asarray(initializer((5, 3, 4), dtype="float32"))
    np.testing.assert_allclose(quick((5, 3, 4), dtype="float32"), expected, rtol=1e-5, atol=1e-6)
    inside = jax.jit(lambda: quick((5, 3, 4), dtype="float32"))()
    np.testing.assert_allclose(inside, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("initializer", [None, keras.initializers.Zeros(), np.zeros])
def test_what_draws_nothing_stays_as_it_is(initializer):
    assert drawn_once(initializer) is initializer
