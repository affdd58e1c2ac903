"""Files for serving: each computes what the network does, or is not there."""

import json
import os
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest

from keras_gcnn import export, layers
from tests.helpers.layers import relative_error
from tests.zoo.networks import build

NAMES = [f"digit {number}" for number in range(10)]
PATHS = {
    "keras": "own.keras",
    "plain_keras": "plain.keras",
    "saved_model": "model/1",
    "onnx": "net.onnx",
}
every_format = pytest.mark.parametrize("format", PATHS)


@pytest.fixture(scope="module")
def network():
    return build("lenet", "p4", convolution="gc")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("exported")


@pytest.fixture(scope="module")
def saved(network, folder):
    """Writes a format once."""
    paths = {}

    def save(format):
        if format not in paths:
            scale = None if format == "keras" else 1 / 255
            path = folder / PATHS[format]
            paths[format] = export.save(network, path, format, classes=NAMES, scale=scale)
        return paths[format]

    return save


def pixels(n=5):
    return np.random.default_rng(0).integers(0, 256, size=(n, 28, 28, 1)).astype("float32")


def run(format, path, x):
    """What the file's own runtime finds."""
    if format == "onnx":
        import onnxruntime

        return onnxruntime.InferenceSession(path).run(["logits"], {"image": x})[0]
    if format == "saved_model":
        import tensorflow as tf

        loaded = tf.saved_model.load(str(path))
        return loaded.signatures["serving_default"](image=tf.constant(x))["logits"].numpy()
    outputs = keras.saving.load_model(path)(x)
    outputs = outputs["logits"] if isinstance(outputs, dict) else outputs
    return keras.ops.convert_to_numpy(outputs)


@every_format
def test_it_computes_the_same_for_any_batch(network, saved, format):
    path = saved(format)
    for n in (1, 5):
        x = pixels(n)
        expected = keras.ops.convert_to_numpy(network(x / 255))
        found = run(format, path, x / 255 if format == "keras" else x)
        assert found.shape == (n, 10)
        assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("format", ["saved_model", "onnx"])
def test_invariance_survives(saved, format):
    path, x = saved(format), pixels()
    logits = run(format, path, x)
    for turns in (1, 2, 3):
        turned = run(format, path, np.ascontiguousarray(np.rot90(x, turns, (1, 2))))
        assert np.abs(turned - logits).max() <= 1e-5 * np.abs(logits).max()
    mirrored = run(format, path, np.ascontiguousarray(x[:, ::-1]))
    assert np.abs(mirrored - logits).max() > 1e-3 * np.abs(logits).max()


@every_format
def test_the_classes_are_in_the_metadata(saved, format):
    path = saved(format)
    if format == "onnx":
        import onnx

        found = {one.key: one.value for one in onnx.load(path).metadata_props}
        classes = json.loads(found["classes"])
    elif format == "saved_model":
        classes = json.loads((path / "assets.extra" / "keras_gcnn.json").read_text())["classes"]
    else:
        with zipfile.ZipFile(path) as archive:
            classes = json.loads(archive.read("keras_gcnn.json"))["classes"]
    assert classes == NAMES


def test_nothing_but_the_files_is_left(saved, folder):
    for format in PATHS:
        saved(format)
    names = {path.name for path in folder.rglob("*")}
    assert not {name for name in names if "partial" in name}


# Loads the file in a process in which this library cannot be imported.
LOADER = """
import sys
sys.modules["keras_gcnn"] = None
import keras, numpy as np
model = keras.saving.load_model(sys.argv[1])
with np.load(sys.argv[2]) as arrays:
    found = keras.ops.convert_to_numpy(model(arrays["x"]))
    assert np.abs(found - arrays["y"]).max() <= 1e-5 * np.abs(arrays["y"]).max()
print("the same")
"""


def test_the_plain_file_needs_nothing_of_ours(network, saved, tmp_path):
    x = pixels()
    np.savez(tmp_path / "arrays.npz", x=x, y=keras.ops.convert_to_numpy(network(x / 255)))
    done = subprocess.run(
        [sys.executable, "-c", LOADER, str(saved("plain_keras")), str(tmp_path / "arrays.npz")],
        env={**os.environ, "KERAS_BACKEND": keras.backend.backend()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.endswith("the same\n"), done.stderr


@pytest.mark.thorough("jax")
def test_onnx_of_any_size(tmp_path):
    """From PyTorch by a second process: Keras traces it on images of one pixel."""
    pytest.importorskip("tf2onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    image = keras.Input((None, None, 1))
    x = layers.GMaxPooling2D()(layers.LiftingConv2D(1, 3, "p4")(image))
    x = layers.GPooling("max", "p4")(layers.GAveragePooling2D(strides=3)(x))
    model = keras.Model(image, x, name="open")
    path = export.save(model, tmp_path / "open.onnx")
    for size in (21, 26):
        pixels = np.random.default_rng(size).random((2, size, size + 1, 1), dtype="float32")
        expected = keras.ops.convert_to_numpy(model(pixels))
        (entry,), found = model.inputs, onnxruntime.InferenceSession(path)
        assert relative_error(found.run(None, {entry.name: pixels})[0], expected) < 1e-5


@pytest.mark.backend_free
def test_the_command_reads_the_formats_without_keras():
    code = (
        "import sys; sys.argv = ['keras-gcnn']\n"
        "import keras_gcnn.cli\n"
        "assert 'keras_gcnn.export.format_names' in sys.modules and 'keras' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
