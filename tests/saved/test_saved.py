"""Files saved by earlier releases load, and predict the same as then."""

import json
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from packaging.version import Version

from keras_gcnn import zoo
from tests.helpers.levels import COMPILING, thoroughly
from tests.saved.write import IMAGE, NETWORKS, predictions

ARCHIVES = sorted(Path(__file__).parent.glob("*.zip"))


def names(archive, ending):
    with zipfile.ZipFile(archive) as file:
        return [name.removesuffix(ending) for name in file.namelist() if name.endswith(ending)]


def every(ending):
    pairs = [(archive, name) for archive in ARCHIVES for name in names(archive, ending)]
    ids = [f"{archive.stem}-{name}" for archive, name in pairs]
    rows = [pairs[0], *thoroughly(*pairs[1:], on=COMPILING)]
    return pytest.mark.parametrize(("archive", "name"), rows, ids=ids)


def extracted(archive, name, folder):
    with zipfile.ZipFile(archive) as file:
        return file.extract(name, folder)


def compare(model, archive, name, folder):
    stored = np.load(extracted(archive, f"{name}.npz", folder))
    outputs = predictions(model, stored["inputs"])
    np.testing.assert_allclose(outputs, stored["outputs"], rtol=1e-4, atol=1e-5)


def saved_by(path):
    """The version of Keras that saved a model."""
    with zipfile.ZipFile(path) as file:
        return Version(json.loads(file.read("metadata.json"))["keras_version"])


@every(".keras")
def test_models_load(archive, name, tmp_path):
    path = extracted(archive, f"{name}.keras", tmp_path)
    if Version(keras.__version__) < saved_by(path):
        pytest.skip("Keras does not promise to load what a later Keras has saved")
    model = keras.saving.load_model(path)
    compare(model, archive, name, tmp_path)


@every(".weights.h5")
def test_weights_load(archive, name, tmp_path):
    weights = extracted(archive, f"{name}.weights.h5", tmp_path)
    network = getattr(zoo, name)(input_shape=IMAGE, **NETWORKS[name])
    network.load_weights(weights)
    compare(network, archive, name, tmp_path)
