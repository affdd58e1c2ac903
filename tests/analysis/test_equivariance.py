"""The measured equivariance error, and the assertion made of it."""

from contextlib import nullcontext

import keras
import numpy as np
import pytest

from keras_gcnn import analysis, layers

IMAGE = keras.Input((8, 8, 1))


def test_errors_of_a_group_convolution_by_element():
    errors = analysis.equivariance_error(layers.GConv2D(2, 3, "p4m"), input_shape=(7, 7, 16))
    assert list(errors) == ["e", "r", "r2", "r3", "m", "mr", "mr2", "mr3", "mixed"]
    assert max(errors.values()) < 1e-5


def test_the_error_is_relative_to_the_largest_value():
    def shifts_a_corner(x):
        y = np.array(x) * 0 + 10.0
        y[:, 0, 0] += 1.0
        return y

    errors = analysis.equivariance_error(shifts_a_corner, "p4", input_shape=(4, 4, 1))
    assert errors["e"] == 0
    assert errors["r"] == pytest.approx(1 / 11)


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.Conv2D(3, 3),
        keras.layers.Flatten(),
        layers.LiftingConv2D(2, 3, "p4", strides=2, padding="same", equivariance="ignore"),
    ],
)
def test_a_broken_layer_is_refused(layer):
    with pytest.raises(AssertionError, match="does not commute with element"):
        analysis.assert_equivariant(layer, "p4", input_shape=(8, 8, 4))


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x * np.nan,
        lambda x: np.sqrt(x[:, :1, :1]),  # only some turns bring a negative corner
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_nan_is_refused(function):
    halves = np.ones((2, 4, 4, 1))
    halves[:, 2:] = -1
    with pytest.raises(AssertionError, match="holds NaN or infinity"):
        analysis.assert_equivariant(function, "p4", inputs=halves)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x / (np.std(x, axis=(0, 1, 2), keepdims=True) + np.mean(x[:, :2])),
        lambda x: np.mean(x, axis=0, keepdims=True),
    ],
)
def test_a_function_that_mixes_images_is_refused(function):
    with pytest.raises(AssertionError):
        analysis.assert_equivariant(function, "p4", input_shape=(4, 4, 2))


def test_an_output_of_zeros_is_refused():
    with pytest.raises(ValueError, match="zero everywhere"):
        analysis.assert_equivariant(lambda x: 0 * x, "p4", input_shape=(4, 4, 2))


def test_an_audio_clip_does_not_turn():
    for layer, shape in ((keras.layers.Conv3D(2, 3), (5, 8, 8, 1)), (keras.layers.ReLU(), ())):
        with pytest.raises(ValueError, match="batch of images"):
            analysis.assert_equivariant(layer, "p4", input_shape=shape)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"tolerance": "a"}, "tolerance='a' has to be a number from 0"),
        ({"tolerance": float("inf")}, "tolerance=inf has to be a number from 0"),
        ({"batch_size": 0}, "batch_size=0 has to be a positive integer"),
        ({"seed": -1}, "seed=-1 has to be an integer from 0"),
        ({"data_format": "x"}, "data_format='x' is not available"),
    ],
)
def test_wrong_arguments_are_named(arguments, says):
    with pytest.raises(ValueError, match=says):
        analysis.assert_equivariant(layers.GPooling(group="p4"), input_shape=(4, 4, 4), **arguments)


@pytest.mark.parametrize("target", ["model", layers.GConv2D])
def test_what_is_no_layer_is_refused(target):
    with pytest.raises(TypeError, match="Give a layer, a model, or a function"):
        analysis.assert_equivariant(target, "p4", input_shape=(9, 9, 4))


def test_several_inputs_or_outputs_are_measured_one_by_one():
    first, second = keras.Input((4, 4, 1)), keras.Input((4, 4, 1))
    both = keras.Model([first, second], first + second)
    with pytest.raises(ValueError, match="several inputs"):
        analysis.equivariance_error(both, "p4")
    for outputs, key in (([first + 1, first + 2], "0"), ({"one": first + 1}, "'one'")):
        several = keras.Model(first, outputs)
        with pytest.raises(ValueError, match=rf"several outputs.*model\(images\)\[{key}\]"):
            analysis.equivariance_error(several, "p4")
    one = analysis.equivariance_error(lambda x: several(x)["one"], "p4", input_shape=(4, 4, 1))
    assert one["r"] == 0


def test_oblong_images_do_not_mix():
    layer = layers.GBatchNormalization("p4")
    with pytest.raises(ValueError, match="square"):
        analysis.equivariance_error(layer, input_shape=(4, 6, 4), training=True)


def test_a_model_knows_its_data_format():
    model = keras.Sequential(
        [
            keras.Input((3, 8, 8)),
            layers.LiftingConv2D(2, 3, "p4", data_format="channels_first"),
            keras.layers.ReLU(),
        ]
    )
    analysis.assert_equivariant(model, "p4")


def test_batch_statistics_are_tried_on_images_turned_independently():
    shape = {"input_shape": (5, 5, 8), "training": True}
    ours = analysis.equivariance_error(layers.GBatchNormalization("p4"), **shape)
    assert max(ours.values()) < 1e-5
    stock = analysis.equivariance_error(
        keras.layers.BatchNormalization(), "p4", input_type="regular", **shape
    )
    assert stock["r"] < 1e-5 < 1e-2 < stock["mixed"]


def test_the_state_is_left_as_it_was():
    layer = layers.GBatchNormalization("p4")
    layer.build((None, 5, 5, 8))
    before = layer.get_weights()
    analysis.equivariance_error(layer, input_shape=(5, 5, 8), training=True)
    for old, new in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="modules of PyTorch")
def test_the_state_of_a_module_is_left_as_it_was():
    import torch

    module = torch.nn.Sequential(torch.nn.BatchNorm2d(1))
    before = {name: one.clone() for name, one in module.state_dict().items()}
    shape = {"input_shape": (1, 6, 6), "data_format": "channels_first"}
    analysis.equivariance_error(module, "p4", **shape)
    for name, one in module.state_dict().items():
        assert torch.equal(one, before[name])
    with pytest.raises(ValueError, match=r"(?s)training=True is for layers.*module.train\(\)"):
        analysis.equivariance_error(module, "p4", **shape, training=True)


def test_a_function_chooses_training_itself():
    with pytest.raises(ValueError, match="training=True is for layers and models of Keras"):
        analysis.equivariance_error(np.abs, "p4", input_shape=(4, 4, 1), training=True)


class Own(keras.Model):
    """A model with a `call` of its own."""

    def __init__(self, **options):
        super().__init__(**options)
        self.lift = layers.LiftingConv2D(2, 3, "p4")
        self.pool = layers.GGlobalPooling("max", "p4")

    def call(self, images):
        return self.pool(self.lift(images))


def test_a_model_of_its_own_call_knows_the_shape_that_it_was_built_with():
    model = Own()
    with pytest.raises(ValueError, match="Give input_shape"):
        analysis.assert_equivariant(model, "p4")
    model(np.zeros((1, 5, 5, 1), "float32"))
    analysis.assert_equivariant(model, "p4")


def test_an_output_of_three_axes_may_stay_as_it_is():
    pooled = layers.GGlobalPooling("max", "p4")(layers.LiftingConv2D(6, 3, "p4")(IMAGE))
    boxes = keras.Model(IMAGE, keras.layers.Reshape((2, 3))(pooled))
    analysis.assert_equivariant(boxes, "p4")
    analysis.assert_equivariant(boxes, "p4", output_type="invariant")
    analysis.assert_equivariant(lambda images: images[..., 0], "p4", input_shape=(4, 4, 1))
    for model, wrong in ((boxes, "trivial"), (keras.Model(IMAGE, IMAGE), "invariant")):
        with pytest.raises(AssertionError):
            analysis.assert_equivariant(model, "p4", output_type=wrong)


def test_the_tolerance_is_that_of_the_coarsest_layer():
    corner = np.zeros((4, 4, 1), "float32")
    corner[0, 0] = 0.01
    for dtype, refused in (("mixed_bfloat16", False), ("float32", True)):
        inside = keras.layers.Lambda(lambda x: keras.ops.add(x, corner), dtype=dtype)
        model = keras.Sequential([keras.Input((4, 4, 1)), inside, keras.layers.Identity()])
        assert model.compute_dtype == "float32"
        with pytest.raises(AssertionError) if refused else nullcontext():
            analysis.assert_equivariant(model, "p4")


def test_images_need_not_be_square():
    layer = layers.LiftingConv2D(2, 3, "p4", padding="same")
    assert max(analysis.equivariance_error(layer, input_shape=(5, 8, 1)).values()) < 1e-5


def test_channels_first():
    layer = layers.GConv2D(2, 3, "p4", data_format="channels_first")
    analysis.assert_equivariant(layer, input_shape=(8, 6, 6))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_shape": (5, 5, 1)}, "does not belong to a group"),
        ({"group": "p4"}, "input_shape"),
        ({"group": "p4", "input_shape": (5, 5, 1), "input_type": "vector"}, "trivial, regular"),
        ({"group": "p4", "input_shape": (5, 5, 3), "output_type": "regular"}, "no multiple of 4"),
    ],
)
def test_a_mistake_is_explained(arguments, message):
    with pytest.raises(ValueError, match=message):
        analysis.equivariance_error(keras.layers.ReLU(), **arguments)


def test_a_model_for_oblong_images_does_not_take_them_turned():
    image = keras.Input((6, 8, 1))
    model = keras.Model(image, layers.LiftingConv2D(2, 3, "pmm")(image))
    analysis.assert_equivariant(model, "pmm")
    with pytest.raises(ValueError, match=r"takes images of shape \(6, 8, 1\).* 'pmm'"):
        analysis.assert_equivariant(model, "p4")
