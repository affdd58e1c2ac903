"""Rare but valid models and paths, each of which once gave a wrong file or none."""

import keras
import numpy as np
import pytest

from keras_gcnn import export, interop, layers

BACKEND = keras.backend.backend()


def outputs(model, x):
    found = keras.tree.flatten(model(x, training=False))
    return [keras.ops.convert_to_numpy(one) for one in found]


def assert_same(model, plain, x):
    for one, other in zip(outputs(model, x), outputs(plain, x), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5 * max(1, np.abs(one).max()))


def randomize(model, rng):
    for variable in model.weights:
        variable.assign(rng.uniform(0.2, 1, variable.shape).astype(variable.dtype))


@pytest.mark.skipif(BACKEND == "tensorflow", reason="no such convolution on its CPU")
@pytest.mark.parametrize("size", [7, 8, 9])
def test_channels_first_of_any_size(rng, size):
    image = keras.Input((1, None, None))
    lifting = layers.LiftingConv2D(2, 3, "p4", padding="same", data_format="channels_first")
    model = keras.Model(image, lifting(image))
    randomize(model, rng)
    x = rng.random((2, 1, size, size), dtype="float32")
    assert_same(model, export.to_plain(model), x)


def test_the_bias_of_unknown_columns_is_added_apart():
    """On TensorFlow, which alone misreads it, and where a CPU has no such convolution."""
    image = keras.Input((1, None, None))
    lifting = layers.LiftingConv2D(2, 3, "p4", padding="same", data_format="channels_first")
    plain = export.to_plain(keras.Model(image, lifting(image)))
    assert not any(getattr(layer, "use_bias", False) for layer in plain.layers)


def integer_model(kind):
    image = keras.Input((8, 8, 1), dtype="uint8")
    if kind == "pooling":
        return keras.Model(image, layers.GAveragePooling2D(data_format="channels_last")(image))
    if kind == "steerable":
        first = layers.SteerableConv2D(layers.Fields.trivial(1), layers.Fields.regular(2, 1), 3)
    else:
        first = layers.LiftingConv2D(2, 3, "p4")
    return keras.Model(image, first(image))


@pytest.mark.parametrize("kind", ["pooling", "group", "steerable"])
def test_integer_images(rng, kind, tmp_path):
    model = integer_model(kind)
    x = np.full((2, 8, 8, 1), 200, "uint8")
    x[0] = rng.integers(0, 256, (8, 8, 1))
    assert_same(model, export.to_plain(model), x)
    with pytest.raises(ValueError, match=r"takes integers, uint8, as they are\. Leave scale out"):
        export.save(model, tmp_path / "model.keras", "plain_keras", scale=1 / 255)


def test_names_that_meet_when_models_are_flattened(rng, tmp_path):
    inner_image = keras.Input((6, 6, 1))
    inner = keras.Model(
        inner_image, layers.LiftingConv2D(1, 3, "p4", name="conv")(inner_image), name="block"
    )
    image = keras.Input((6, 6, 1), name="the image")
    twice = keras.layers.Conv2D(1, 1, name="conv")
    x = twice(keras.layers.Conv2D(1, 1, name="conv_call2")(twice(image)))
    x = inner(keras.layers.Conv2D(1, 1, name="block_conv")(x))
    x = keras.layers.Dense(2, name="größe")(keras.layers.Flatten()(x))
    model = keras.Model(image, x, name="my model")
    randomize(model, rng)
    pixels = rng.random((2, 6, 6, 1), dtype="float32")
    for flatten in (False, True):
        assert_same(model, export.to_plain(model, flatten=flatten), pixels)
    if BACKEND == "tensorflow":
        assert export.save(model, tmp_path / "model").is_dir()


def test_a_layer_that_is_called_twice_gets_free_names(rng):
    image = keras.Input((6, 6, 1))
    lifting = layers.LiftingConv2D(1, 3, "p4", padding="same", name="conv")
    one = keras.layers.Conv2D(1, 1, name="conv_call2")(lifting(image))
    model = keras.Model(image, lifting(one))
    randomize(model, rng)
    assert_same(model, export.to_plain(model), rng.random((2, 6, 6, 1), dtype="float32"))


def test_a_layer_as_activation_is_refused_by_name():
    image = keras.Input((6, 6, 1))
    slope = keras.layers.LeakyReLU(0.2)
    x = layers.LiftingConv2D(1, 3, "p4", activation=slope, name="first")(image)
    with pytest.raises(ValueError, match="'first' has a layer as its activation"):
        export.to_plain(keras.Model(image, x))


def test_lora_weights_beside_a_kernel_are_kept(rng):
    image = keras.Input((6,))
    dense = keras.layers.Dense(4, name="dense")
    model = keras.Model(image, keras.layers.BatchNormalization()(dense(image)))
    randomize(model, rng)
    dense.enable_lora(2)
    plain = export.to_plain(model)
    assert any(isinstance(one, keras.layers.BatchNormalization) for one in plain.layers)
    assert_same(model, plain, rng.random((2, 6), dtype="float32"))


def test_outputs_of_truth_values_and_within_outputs(tmp_path):
    image = keras.Input((4,))
    x = keras.layers.Dense(2)(image)
    assert export.save(keras.Model(image, x > 0), tmp_path / "a.keras", "plain_keras").is_file()
    with pytest.raises(ValueError, match="outputs within outputs"):
        export.save(keras.Model(image, {"b": [x, x]}), tmp_path / "b.keras", "plain_keras")


def test_a_failed_conversion_is_explained_and_leaves_no_file(tmp_path, monkeypatch):
    image = keras.Input((4,))
    model = keras.Model(image, keras.layers.Dense(2)(image), name="mine")

    def fail(*_, **__):
        raise RuntimeError("first line\nsecond")

    from keras_gcnn.export import formats

    changed = formats.Format(".onnx", fail)
    monkeypatch.setitem(formats.FORMATS, "onnx", changed)
    with pytest.raises(ValueError, match=r"'mine' cannot be converted to onnx on .*\(first line\)"):
        export.save(model, tmp_path / "mine.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", ["", ".", "~nobody_of_this_name/x.keras"])
def test_a_path_without_a_name_is_refused(path):
    image = keras.Input((4,))
    model = keras.Model(image, keras.layers.Dense(2)(image))
    with pytest.raises(ValueError, match="path="):
        export.save(model, path, "plain_keras" if path.endswith("keras") else "saved_model")


def test_a_path_of_another_type_is_refused():
    image = keras.Input((4,))
    model = keras.Model(image, keras.layers.Dense(2)(image))
    with pytest.raises(TypeError, match="path=3 has to be a path"):
        export.save(model, 3)


def test_a_folder_with_other_files_in_it_stays(tmp_path):
    image = keras.Input((4,))
    model = keras.Model(image, keras.layers.Dense(2)(image))
    folder = tmp_path / "mine"
    folder.mkdir()
    for name in ("saved_model.pb", "thesis.txt"):
        (folder / name).touch()
    with pytest.raises(ValueError, match="with something else in it"):
        export.save(model, folder)
    assert (folder / "thesis.txt").is_file()


@pytest.mark.parametrize(
    "value", [np.nan, np.inf, None, 1j, "1"], ids=["nan", "inf", "none", "complex", "text"]
)
def test_damaged_kernels_are_refused(value):
    layer = layers.LiftingConv2D(1, 1, "p4")
    layer.build((None, 6, 6, 1))
    with pytest.raises(ValueError, match="real, finite numbers"):
        interop.load_kernel(layer, np.array([[[[[value]]]]]))


def test_a_kernel_of_pytorch_is_loaded():
    torch = pytest.importorskip("torch")
    layer = layers.LiftingConv2D(1, 1, "p4")
    layer.build((None, 6, 6, 1))
    interop.load_kernel(layer, torch.nn.Parameter(torch.full((1, 1, 1, 1, 1), 3.0)))
    assert float(keras.ops.convert_to_numpy(layer.kernel).item()) == 3


class OnGpu:
    """What a tensor of PyTorch on a GPU does."""

    def __array__(self, dtype=None, copy=None):
        raise TypeError("can't convert cuda:0 device type tensor to numpy.")

    def detach(self):
        return self

    def cpu(self):
        return np.full((1, 1, 1, 1, 1), 3.0)


def test_a_kernel_on_a_gpu_is_loaded():
    layer = layers.LiftingConv2D(1, 1, "p4")
    layer.build((None, 6, 6, 1))
    interop.load_kernel(layer, OnGpu())
    assert float(keras.ops.convert_to_numpy(layer.kernel).item()) == 3
