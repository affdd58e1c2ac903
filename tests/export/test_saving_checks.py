"""Before a file is written its outputs are compared with the network's; mistakes are explained."""

import warnings

import keras
import numpy as np
import pytest

from keras_gcnn import export, layers
from keras_gcnn.export import formats, metadata, onnx_kernels, saving
from tests.export.test_saving import PATHS, every_format
from tests.zoo.networks import build, images

pytestmark = pytest.mark.backend_free


@pytest.fixture(scope="module")
def network():
    return build("cohen_cnn", "p4", convolution="gc")


def content(path):
    """What is looked at of a file or a folder."""
    return path if path.suffix else path / "saved_model.pb"


def fake(monkeypatch, format, error=0.0):
    """Has a format write something quickly, and say that its outputs are off by so much."""

    def write(model, path, samples, metadata):
        if format == "saved_model":
            path.mkdir()
        content(path).write_text("new")
        outputs = [keras.tree.flatten(model(one, training=False)) for one in samples]
        return [[keras.ops.convert_to_numpy(one) + error for one in ones] for ones in outputs]

    changed = formats.Format(formats.FORMATS[format].suffix, write)
    monkeypatch.setitem(formats.FORMATS, format, changed)
    monkeypatch.setattr(onnx_kernels, "compact", lambda path, model: False)


@every_format
def test_a_mismatch_leaves_no_file_and_an_older_one_stays(network, tmp_path, monkeypatch, format):
    path = tmp_path / PATHS[format]
    fake(monkeypatch, format, error=0.1)
    with pytest.raises(ValueError, match=r"was not written: the file's outputs differ"):
        export.save(network, path, format)
    assert not path.exists()
    content(path).parent.mkdir(exist_ok=True)
    content(path).write_text("older")
    with pytest.raises(ValueError, match="was not written"):
        export.save(network, path, format)
    assert content(path).read_text() == "older"
    assert list(path.parent.iterdir()) == [path]


@every_format
def test_an_older_file_or_folder_is_replaced(network, tmp_path, monkeypatch, format):
    fake(monkeypatch, format)
    path = tmp_path / PATHS[format]
    for _ in range(2):
        export.save(network, path, format)
    assert content(path).read_text() == "new"
    assert list(path.parent.iterdir()) == [path]


def heads(*names, dtype=None):
    """A small model with a dense layer for each name."""
    image = keras.Input((4, 4, 1), name="image", dtype=dtype)
    x = keras.layers.Flatten()(keras.layers.Rescaling(1 / 8)(image))
    return keras.Model(image, [keras.layers.Dense(3, name=name)(x) for name in names])


def test_outputs_are_found_by_their_names(tmp_path):
    model = heads("z", "a")
    path = export.save(model, tmp_path / "model.keras", "plain_keras")
    x = images((4, 4, 1))
    found = keras.saving.load_model(path)(x)
    for name, expected in zip(("z", "a"), model(x), strict=True):
        one, other = map(keras.ops.convert_to_numpy, (found[name], expected))
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_a_lone_output_stays_a_tensor(tmp_path):
    model = keras.Sequential(
        [keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(3)]
    )
    path = export.save(model, tmp_path / "model.keras", "plain_keras")
    x = images((4, 4, 1))
    found, expected = keras.saving.load_model(path)(x), model(x)
    found, expected = (keras.ops.convert_to_numpy(one) for one in (found, expected))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_rounding_that_the_network_amplifies_is_no_mismatch(tmp_path, monkeypatch):
    """A small difference of large numbers is known to few digits, in the network as in the file."""
    model = heads("a")
    kernel = np.zeros((16, 3), "float32")
    kernel[0], kernel[1] = 1e6, -1e6
    model.get_layer("a").set_weights([kernel, np.ones(3, "float32")])
    close = np.tile(np.float32(0.3), (1, 4, 4, 1))
    batches = [np.repeat(close, batch, axis=0) for batch in (1, 3)]
    monkeypatch.setattr(saving, "samples_of", lambda model, scale: batches)
    x = keras.ops.convert_to_numpy(model(close))
    assert np.abs(x).max() < 2
    fake(monkeypatch, "plain_keras", error=1e-3)
    assert export.save(model, tmp_path / "model.keras", "plain_keras").is_file()
    fake(monkeypatch, "plain_keras", error=1.0)
    with pytest.raises(ValueError, match=r"was not written: the file's outputs differ"):
        export.save(model, tmp_path / "other.keras", "plain_keras")


def test_a_layer_that_is_two_outputs_has_two_names(tmp_path):
    image = keras.Input((4,))
    dense = keras.layers.Dense(3, name="dense")
    model = keras.Model(image, [dense(image), dense(image * 2)])
    path = export.save(model, tmp_path / "model.keras", "plain_keras")
    assert set(keras.saving.load_model(path).output) == {"dense", "dense_2"}


def test_nan_is_not_the_same_as_anything(tmp_path):
    model = heads("a", "b")
    model.get_layer("b").kernel.assign(np.full((16, 3), np.nan))
    with pytest.raises(ValueError, match=r"differ .* by nan.* Look for NaN"):
        export.save(model, tmp_path / "model.keras", "plain_keras")


@pytest.mark.parametrize(
    ("dtype", "scale", "largest"), [("uint8", None, 255), (None, 1 / 255, 255), (None, 2.0, 1)]
)
def test_files_are_compared_on_images_of_the_whole_range(
    tmp_path, monkeypatch, dtype, scale, largest
):
    seen = []
    fake(monkeypatch, "plain_keras")
    write = formats.FORMATS["plain_keras"].write

    def look(model, path, samples, metadata):
        seen.extend(samples)
        return write(model, path, samples, metadata)

    monkeypatch.setitem(formats.FORMATS, "plain_keras", formats.Format(".keras", look))
    export.save(heads("a", dtype=dtype), tmp_path / "model.keras", "plain_keras", scale=scale)
    assert all(one.dtype == (dtype or "float32") for one in seen)
    assert all(0.8 * largest < one.max() <= largest for one in seen)


def test_a_class_of_a_map_has_a_channel_wherever_channels_are(tmp_path):
    """Of maps of shape (batch, classes, rows, columns) the classes are not the columns."""
    image = keras.Input((1, 6, 5))
    lifting = layers.LiftingConv2D(1, 3, "p4", padding="same", data_format="channels_first")
    model = keras.Model(image, lifting(image))
    one = keras.Model(image, model.output[:, :1])  # the score of the foreground
    path = export.save(one, tmp_path / "model.keras", classes=["background", "cell"])
    assert metadata.read(path)["classes"] == ["background", "cell"]
    path = export.save(model, tmp_path / "model.keras", classes=["a", "b", "c", "d"])
    assert metadata.read(path)["classes"] == ["a", "b", "c", "d"]
    with pytest.raises(ValueError, match="one name for each score"):
        export.save(model, tmp_path / "model.keras", classes=["a", "b", "c", "d", "e"])


def test_half_precision_has_a_tolerance_of_its_own(tmp_path):
    image = keras.Input((6, 6, 1))
    x = layers.LiftingConv2D(2, 3, "p4", dtype="mixed_float16")(image)
    x = layers.GBatchNormalization("p4", dtype="mixed_float16")(x)
    export.save(keras.Model(image, x), tmp_path / "model.keras", "plain_keras")


def test_a_folder_with_something_else_is_left_alone(network, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("text")
    for name, format in (("mine", None), ("mine", "saved_model")):
        with pytest.raises(ValueError, match="a folder with something else in it"):
            export.save(network, tmp_path / name, format)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "text"


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("net.onnx", {"format": "tflite"}, "Choose one of 'keras', 'plain_keras'"),
        ("net.h5", {}, "has no suffix of a known format"),
        ("net.keras", {"format": "onnx"}, "has to end in '.onnx'"),
        ("net.keras", {"format": "saved_model"}, "has to be a folder"),
        ("file", {}, "is a file; a SavedModel is a folder"),
        ("file/net.onnx", {}, "file is not a folder"),
        ("net.onnx", {"classes": ["a", "b"]}, "classes has 2 names"),
        ("net.onnx", {"classes": "abcdefghij"}, "has to be a list"),
        ("net.onnx", {"classes": 5}, "has to be a list"),
        ("net.onnx", {"classes": ["a"] * 10}, "a name twice"),
        ("net.keras", {"scale": 0.5}, "put a keras.layers.Rescaling"),
        *(
            ("net.onnx", {"scale": wrong}, "scale=.* has to be a number above 0")
            for wrong in (0, -1, True, "a", [1, 2], float("nan"), float("inf"))
        ),
        *(
            ("net.onnx", {"tolerance": wrong}, "tolerance=.* has to be a number from 0")
            for wrong in (-1, "a", float("nan"), float("inf"))
        ),
    ],
)
def test_a_mistake_is_explained(network, tmp_path, name, arguments, message):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ValueError, match=message):
        export.save(network, tmp_path / name, **arguments)
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_only_models_of_one_input_are_saved(tmp_path):
    with pytest.raises(TypeError, match="model is of type str"):
        export.save("network", tmp_path / "net.onnx")
    with pytest.raises(ValueError, match="has no known inputs"):
        export.save(keras.Sequential([keras.layers.Dense(2)]), tmp_path / "net.onnx")
    pair = [keras.Input((4,)), keras.Input((4,))]
    with pytest.raises(ValueError, match="has 2 inputs"):
        export.save(keras.Model(pair, keras.layers.Add()(pair)), tmp_path / "net.onnx")


def test_a_missing_package_is_named(network, tmp_path, monkeypatch):
    monkeypatch.setattr(formats, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"needs onnx.*pip install 'keras-gcnn\[onnx\]'"):
        export.save(network, tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())


def test_a_network_of_open_size_is_compared_at_an_even_and_an_odd_size(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(saving, "_difference", lambda expected, found: seen.append(expected) or 0.0)
    image = keras.Input((None, None, 1))
    sizes = {}
    for name, strides in (("any", 1), ("odd", 2)):
        layer = layers.LiftingConv2D(1, 3, "p4", strides=strides, equivariance="strict")
        model = keras.Model(image, layer(image))
        with warnings.catch_warnings():
            warnings.simplefilter("error", layers.EquivarianceWarning)
            fake(monkeypatch, "plain_keras")
            export.save(model, tmp_path / f"{name}.keras", "plain_keras")
        sizes[name] = [outputs[0].shape[1] for outputs in seen.pop()]
    assert sizes == {"any": [30, 31], "odd": [16, 17]}  # of 32 and 33, and of 33 and 35 rows
