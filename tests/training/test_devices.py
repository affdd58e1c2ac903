"""Training on several devices, for which a CPU can stand in."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from keras_gcnn import layers, training, zoo
from keras_gcnn.training.loop import data_parallel as dealing
from keras_gcnn.training.loop import devices

BACKEND = keras.backend.backend()
PROGRAM = Path(__file__).with_name("train_on_devices.py")
distributes = pytest.mark.skipif(BACKEND == "torch", reason="Keras has one device on PyTorch")
RECIPE = """
title = "Normalised"

[data]
name = "digits"
validation = 31  # no batch size deals them out evenly
subset = 83  # the last batch has 3
test_subset = 20

[training]
epochs = 2
batch_size = 40
optimizer = "sgd"
learning_rate = 0.05
"""
OF_A_FOLDER = """
title = "From a folder, batch by batch"

[data]
folder = "images"
validation = 9  # in batches of 8, as in training, the second device would get none of the last
test = 5

[training]
epochs = 2
batch_size = 8
optimizer = "sgd"
learning_rate = 0.05
"""
CLASSIFIER = """
[evaluation]
turned = false
angles = false

[[models]]
name = "p4"
builder = "cohen_cnn"
"""
AUTOENCODER = """
[latent]
invariance = false
likelihood_samples = 0
pictures = false

[[models]]
name = "p4"
builder = "vae"
learning_rate = 0.0001

[models.arguments]
group = "z2"
variant = "mlp"
posterior = "gaussian"
latent_dim = 2
widths = [2, 2]
decoder_widths = [2, 2]
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory, pytestconfig):
    """The folder of all that is trained, in a process of its own."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "classifier.toml").write_text(RECIPE + CLASSIFIER)
    (folder / "autoencoder.toml").write_text(RECIPE + AUTOENCODER)
    (folder / "folder.toml").write_text(OF_A_FOLDER + CLASSIFIER)
    for number in range(38):
        image = Image.fromarray(np.random.default_rng(number).integers(0, 256, (28, 28), "uint8"))
        path = folder / "images" / f"class {number % 2}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path)
    more = ["autoencoder", "folder"] if pytestconfig.getoption("--thorough") else []
    # That mistakes would be seen. On JAX there are no replicas.
    more += ["mutations"] if more and BACKEND == "tensorflow" else []
    env = {**os.environ, "KERAS_BACKEND": BACKEND, "KERAS_GCNN_CACHE": str(folder / "cache")}
    # Programs that XLA does not optimize, as in the tests, give other losses here, and NaN in the
    # second epoch: users' programs are optimized.
    env.pop("XLA_FLAGS", None)
    command = [sys.executable, str(PROGRAM), str(folder), *more]
    subprocess.run(command, env=env, check=True, cwd=folder)
    return folder


def history(folder):
    """The losses of a training."""
    rows = csv.DictReader(io.StringIO((folder / "p4-seed0" / "history.csv").read_text()))
    return np.array([[float(row[key]) for key in ("loss", "val_loss")] for row in rows])


def environment(folder):
    return json.loads((folder / "p4-seed0" / "result.json").read_text())["environment"]


@distributes
def test_two_devices_have_the_losses_of_one(runs, pytestconfig):
    one = history(runs / "one")
    assert one.shape == (2, 2)
    for name in ("two", "one, two"):
        np.testing.assert_allclose(history(runs / name), one, atol=1e-7, err_msg=name)
    assert "devices" not in environment(runs / "one")
    assert environment(runs / "two")["devices"] == 2
    # What is uneven is on JAX computed by both, on TensorFlow in unequal parts.
    parts = json.loads((runs / "parts.json").read_text())
    if BACKEND == "tensorflow":
        assert 2 in parts
    else:
        assert [3, 3] in parts
        assert [40, 20] in parts
        assert [40, 40] not in parts
    # The model is as if of one device, with the state of its optimizer.
    models = [
        keras.saving.load_model(runs / name / "p4-seed0" / "model.keras") for name in ("one", "two")
    ]
    assert not any(getattr(layer, "synchronized", False) for layer in models[1].layers)
    for first, second in zip(*(model.variables for model in models), strict=True):
        np.testing.assert_allclose(second, first, atol=1e-5)
    assert [int(model.optimizer.iterations) for model in models] == [6, 6]
    if BACKEND == "tensorflow" and pytestconfig.getoption("--thorough"):
        for name in ("unsynchronized", "unshared"):
            assert np.abs(history(runs / name) - one).max() > 1e-3, name


@pytest.mark.thorough
@distributes
def test_autoencoders_have_them_too(runs):
    one, two = (history(runs / name) for name in ("one autoencoder", "two autoencoders"))
    assert one[-1, 0] < one[0, 0]
    np.testing.assert_allclose(two, one, rtol=1e-6)


@pytest.mark.thorough
@distributes
def test_images_of_a_folder_are_dealt_out_for_validation_too(runs):
    one, two = (history(runs / f"{name} of a folder") for name in ("one", "two"))
    np.testing.assert_allclose(two, one, rtol=1e-6)


@pytest.mark.skipif(BACKEND != "torch", reason="of PyTorch")
def test_pytorch_refuses_and_says_what_to_do(tmp_path):
    path = tmp_path / "normalised.toml"
    path.write_text(RECIPE + CLASSIFIER)
    advice = r"Use the backend jax or tensorflow \(--backend\).* --networks and a --run-dir each"
    with pytest.raises(ValueError, match=advice):
        training.train(training.load_recipe(path), tmp_path / "run", devices=2)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("count", [0, -1, 1.0, True, "2"])
def test_a_number_of_devices_is_a_positive_integer(count):
    with pytest.raises(ValueError, match="has to be a positive integer"):
        devices.prepare(count)


@distributes
def test_devices_are_asked_for_first():
    keras.ops.convert_to_numpy(keras.ops.ones(2) + 1)  # now the backend computes on one CPU
    with pytest.raises(ValueError, match="Start a new process"):
        devices.prepare(64)


@distributes
def test_there_have_to_be_as_many_accelerators(monkeypatch):
    found = "_jax_devices" if BACKEND == "jax" else "_tensorflow_devices"
    monkeypatch.setattr(devices, found, lambda count: 1)
    with pytest.raises(ValueError, match=rf"devices=2, but {BACKEND} sees 1 .*CUDA_VISIBLE"):
        devices.prepare(2)


@pytest.mark.parametrize(("batch_size", "near"), [(3, 4), (7, 4)])
def test_batches_are_dealt_out_evenly(batch_size, near):
    message = rf"training\.batch_size has .* multiple of 4\. It is {batch_size}: make it {near}\."
    with pytest.raises(ValueError, match=message):
        dealing.check_batches(4, batch_size, 100, 20)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((8, 83, 20), "3 remain for the last.* Set data.subset to 80"),
        ((8, 85, 20), "5 remain for the last.* Set data.subset to 80"),  # 2, 2, 1 and 0
        ((8, 7, 20), "7 remain for the last.* Set data.subset to 4"),
        ((8, 87, 5), "there are 5 validation images. Set data.validation to 4"),
    ],
)
def test_no_device_is_without_images_on_tensorflow(sizes, message):
    dealing.check_batches(4, 8, 87, 23)
    dealing.check_batches(1, *sizes)
    if BACKEND != "tensorflow":
        dealing.check_batches(4, *sizes)
        return
    with pytest.raises(ValueError, match=message):
        dealing.check_batches(4, *sizes)


@pytest.mark.parametrize(
    ("count", "validation", "expected"),
    [(1, 31, 31), (1, 1000, 256), (2, 31, 28), (3, 1000, 255), (8, 31, 16), (4, 5, None)],
)
def test_batch_size_of_validation(count, validation, expected):
    assert dealing.validation_batch_size(count, validation) == expected


@pytest.mark.parametrize(
    ("count", "batch_size", "validation", "expected"),
    [(1, 8, 9, 8), (1, 64, 9, 9), (2, 8, 9, 6), (2, 8, 10, 8), (2, 2, 9, 6), (4, 8, 5, None)],
)
def test_batches_of_validation_are_no_larger_than_those_of_training_if_possible(
    count, batch_size, validation, expected
):
    assert dealing.ordered_batch_size(count, batch_size, validation) == expected


def test_one_device_is_as_without():
    model = zoo.cohen_cnn("p4", widths=(1,) * 6)
    with devices.distributed(1), dealing.split_batches(model):
        assert devices.in_use() == 1
        norms = [one for one in model.layers if isinstance(one, layers.GBatchNormalization)]
        assert norms
        assert not any(one.synchronized for one in norms)
