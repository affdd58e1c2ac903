"""Files of the autoencoder and of its two parts."""

import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_gcnn import zoo
from keras_gcnn.layers import UnitDirection
from tests.zoo.autoencoders import outputs, small
from tests.zoo.networks import images


@pytest.mark.thorough("jax")
def test_files_of_version_0_1():
    """Their orientation is a stock layer, whose gradient is NaN for a blank image."""
    model = small(orientation=True)
    config = model.get_config()
    (layer,) = (
        one for one in config["encoder"]["config"]["layers"] if one["name"] == "orientation"
    )
    stock = keras.layers.UnitNormalization(name="orientation", dtype="float32")
    layer.update(keras.saving.serialize_keras_object(stock))
    loaded = zoo.VariationalAutoencoder.from_config(config)
    loaded.set_weights(model.get_weights())
    assert isinstance(loaded.encoder.get_layer("orientation"), UnitDirection)
    assert layer["class_name"] == "UnitNormalization"  # the given configuration stays as it is
    x = images((28, 28, 1))
    expected = outputs(model, x)
    for name, found in outputs(loaded, x).items():
        np.testing.assert_array_equal(found, expected[name])


@pytest.mark.thorough  # with the package run as a program, test_cli.py has it in `make test`
def test_it_loads_where_the_package_was_only_imported(tmp_path, autoencoder):
    path = tmp_path / "model.keras"
    autoencoder.save(path)
    program = "import sys, keras, keras_gcnn; print(type(keras.saving.load_model(sys.argv[1])))"
    run = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=False
    )
    assert "VariationalAutoencoder" in run.stdout, run.stderr[-2000:]


def test_its_parts_are_ordinary_models(tmp_path, autoencoder):
    model = autoencoder
    x = images((28, 28, 1))
    for part in (model.encoder, model.decoder):
        part.save(tmp_path / "part.keras")
        loaded = keras.saving.load_model(tmp_path / "part.keras")
        assert loaded.count_params() == part.count_params()
    features = keras.Model(model.encoder.input, model.encoder.get_layer("head").output)
    assert features(x).shape == (4, 64)


def test_export(tmp_path, autoencoder):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("Keras writes a SavedModel from TensorFlow, and from JAX by way of it")
    import tensorflow as tf

    model = autoencoder
    x = images((28, 28, 1))
    model.export(tmp_path / "model", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "model")  # whose variables go with it
    served = loaded.serve(x)
    np.testing.assert_allclose(served["mean"].numpy(), model.embed(x), atol=1e-5)
    assert set(served) == {"logits", "mean", "concentration"}
