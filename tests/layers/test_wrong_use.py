"""Mistakes raise a `ValueError` that says what was given and what to do."""

import keras
import numpy as np
import pytest

from keras_gcnn import analysis, layers
from tests.helpers.contract import CASES

pytestmark = pytest.mark.backend_free

CONVOLUTIONS = (
    layers.LiftingConv2D,
    layers.GConv2D,
    layers.GSeparableConv2D,
    layers.GConv2DTranspose,
)
# Layers that need channels in multiples of the group's order.
ON_GROUPS = {
    **{layer: {"filters": 2, "kernel_size": 3} for layer in CONVOLUTIONS[1:]},
    layers.GDepthwiseConv2D: {"kernel_size": 3},
    layers.GDropout: {"rate": 0.5},
    layers.GBatchNormalization: {},
    layers.GLayerNormalization: {},
    layers.GRMSNormalization: {},
    layers.GGroupNormalization: {"groups": 1},
    layers.GLayerScale: {},
    layers.GPReLU: {},
    layers.GPooling: {},
    layers.GGlobalPooling: {},
    layers.Restriction: {},
}
KNOWN = r"Choose one of z2, p2, pm, flip, p4, pmm, p4m"


@pytest.mark.parametrize("layer_class", ON_GROUPS)
@pytest.mark.parametrize("group", ["p4", "p4m"])
def test_channels_that_do_not_divide(layer_class, group):
    layer = layer_class(**ON_GROUPS[layer_class], group=group)
    says = rf"{layer_class.__name__} .*on {group} received 6 channels.*multiple of .*LiftingConv2D"
    with pytest.raises(ValueError, match=says):
        layer(np.zeros((1, 8, 8, 6), "float32"))


@pytest.mark.parametrize("layer_class", ON_GROUPS)
def test_channels_first_by_mistake(layer_class):
    """The message shows the shape, in which one sees the channels in the wrong place."""
    layer = layer_class(**ON_GROUPS[layer_class])
    with pytest.raises(ValueError, match=r"received 6 channels.*\(1, 8, 5, 6\)"):
        layer(np.zeros((1, 8, 5, 6), "float32"))


@pytest.mark.parametrize("layer_class", [*ON_GROUPS, layers.LiftingConv2D])
def test_unknown_channels(layer_class):
    arguments = ON_GROUPS.get(layer_class, {"filters": 2, "kernel_size": 3})
    with pytest.raises(ValueError, match=r"needs a known number of channels.*keras\.Input"):
        layer_class(**arguments)(keras.Input((8, 8, None)))


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if "group" in case.arguments],
    ids=lambda case: case.layer_class.__name__,
)
def test_unknown_group(case):
    with pytest.raises(ValueError, match=rf"Unknown group 'p5'.*{KNOWN}"):
        case.make(group="p5")


def test_unknown_subgroup():
    with pytest.raises(ValueError, match=KNOWN):
        layers.Restriction("p4", "p5")


@pytest.mark.parametrize("layer_class", CONVOLUTIONS)
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"filters": 0}, "filters=0 has to be a positive integer"),
        ({"filters": -2}, "filters=-2 has to be"),
        ({"filters": 1.5}, r"filters=1\.5 has to be"),
        ({"filters": True}, "filters=True has to be"),
        ({"filters": "2"}, "filters='2' has to be"),
        ({"kernel_size": (3, 5)}, r"\(3, 5\) is not square.*kernel_size=5.*without quarter turns"),
        ({"kernel_size": 0}, "kernel_size=0 has to be a positive integer, or two"),
        ({"kernel_size": (3, 3, 3)}, r"kernel_size=\(3, 3, 3\) has to be"),
        ({"kernel_size": 2.5}, r"kernel_size=2\.5 has to be"),
        ({"kernel_size": True}, "kernel_size=True has to be"),
        ({"kernel_size": None}, "kernel_size=None has to be"),
        ({"strides": -1}, "strides=-1 has to be"),
        ({"strides": (True, 1)}, r"strides=\(True, 1\) has to be"),
        ({"dilation_rate": (0, 1)}, r"dilation_rate=\(0, 1\) has to be"),
        ({"padding": "causal"}, "padding='causal' is not available.*'valid', 'same'"),
        ({"data_format": "nchw"}, "data_format='nchw'.*'channels_last', 'channels_first'"),
        ({"equivariance": "maybe"}, "equivariance='maybe'.*'warn', 'strict', 'ignore'"),
        ({"activation": "glu"}, "activation='glu' acts along the last axis and halves it"),
        (
            {"activation": "softmax", "data_format": "channels_first"},
            "activation='softmax' acts along the last axis, the columns",
        ),
        ({"activation": keras.layers.Softmax(axis=1)}, "acts along other axes than -1"),
        (
            {"activation": keras.layers.Activation("softmax"), "data_format": "channels_first"},
            "acts along other axes than 1, that of the channels",
        ),
        ({"activation": keras.layers.PReLU()}, r"shared_axes=\[1, 2, 3\].*GPReLU"),
        ({"activation": keras.layers.PReLU(shared_axes=[1, 2])}, "for the channels of a field"),
        (
            {"strides": 2, "dilation_rate": 2},
            r"strides=\(2, 2\) and dilation_rate=\(2, 2\) cannot both.*Set one of them to 1",
        ),
    ],
    ids=str,
)
def test_convolutions(layer_class, arguments, says):
    with pytest.raises(ValueError, match=says):
        layer_class(**{"filters": 2, "kernel_size": 3, **arguments})


def test_one_slope_for_all_is_no_mistake():
    slope = keras.layers.PReLU("uniform", shared_axes=[1, 2, 3])
    layer = layers.LiftingConv2D(2, 3, "p4m", activation=slope)
    analysis.assert_equivariant(layer, input_shape=(7, 7, 1))
    by_channel = keras.layers.PReLU(shared_axes=[1, 2])
    layers.InvariantMap({0: 2, 1: 1}, 4, activation=by_channel)


def test_a_softmax_along_the_channels_is_no_mistake():
    softmax = keras.layers.Softmax(axis=1)
    layer = layers.LiftingConv2D(2, 3, "p4", data_format="channels_first", activation=softmax)
    analysis.assert_equivariant(layer, input_shape=(1, 7, 7))
    # A file of version 0.2 may hold another.
    config = {**layer.get_config(), "data_format": "channels_last"}
    assert layers.LiftingConv2D.from_config(config).activation.axis == 1


@pytest.mark.parametrize("layer_class", [layers.GMaxPooling2D, layers.GAveragePooling2D])
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"pool_size": 0}, "pool_size=0 has to be a positive integer, or two"),
        ({"pool_size": True}, "pool_size=True has to be"),
        ({"strides": 0}, "strides=0 has to be"),
        ({"pool_size": 2, "strides": (1, -1)}, r"strides=\(1, -1\) has to be"),
        ({"padding": "full"}, "padding='full' is not available.*'valid', 'same'"),
        ({"data_format": "nchw"}, "data_format='nchw'.*'channels_last', 'channels_first'"),
        ({"equivariance": "maybe"}, "equivariance='maybe'.*'warn', 'strict', 'ignore'"),
    ],
    ids=str,
)
def test_spatial_pooling(layer_class, arguments, says):
    with pytest.raises(ValueError, match=says):
        layer_class(**arguments)


@pytest.mark.parametrize("layer_class", [layers.GPooling, layers.GGlobalPooling])
def test_pooling_over_orientations(layer_class):
    with pytest.raises(ValueError, match=r"mode='sum' is not available.*'max', 'mean'"):
        layer_class("sum")
    with pytest.raises(ValueError, match=r"data_format='nchw'.*'channels_last', 'channels_first'"):
        layer_class(data_format="nchw")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: layers.GGlobalPooling(keepdims="no"), "keepdims='no' has to be True or False"),
        (lambda: layers.GDropout(0.1, spatial="no"), "spatial='no' has to be True or False"),
        (
            lambda: layers.SteerableDropout(0.1, {0: 1}, spatial=1),
            "spatial=1 has to be True or False",
        ),
        (lambda: layers.GConv2D(8, 3, groups="p4"), "Did you mean group='p4'"),
        (lambda: layers.GConv2D(8, 3).base_kernel(), "has no kernel yet"),
        (lambda: layers.GSeparableConv2D(8, 3).base_kernel(), "has no kernel yet"),
    ],
)
def test_slips(make, says):
    with pytest.raises(ValueError, match=says):
        make()


@pytest.mark.parametrize(
    ("make", "refused", "channels"),
    [
        (lambda: layers.InvariantMap({0: 2, 1: 1}, 3), 2, 4),
        (lambda: layers.NormActivation({0: 2, 1: 1}), 2, 4),
        (lambda: layers.GGroupNormalization(3), 8, 12),
        (lambda: layers.GBatchNormalization("p4"), 6, 8),
    ],
)
def test_a_refused_input_leaves_nothing_behind(make, refused, channels):
    """Someone corrects the input in a notebook, and calls the same layer again."""
    layer, fresh = make(), make()
    with pytest.raises(ValueError, match=r"channels|fields|shape"):
        layer(np.zeros((1, 3, 3, refused), "float32"))
    inputs = np.zeros((1, 3, 3, channels), "float32")
    assert layer(inputs).shape == fresh(inputs).shape
    assert [one.shape for one in layer.weights] == [one.shape for one in fresh.weights]


@pytest.mark.parametrize("variant", ["cg", "", None])
def test_separable_variants(variant):
    with pytest.raises(ValueError, match=rf"variant={variant!r} is not available.*'gc', 'g'"):
        layers.GSeparableConv2D(2, 3, variant=variant)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"output_padding": 2, "strides": 2}, r"output_padding=2 .*below.*strides=\(2, 2\)"),
        ({"output_padding": -1}, "output_padding=-1 has to be an integer from 0"),
        ({"output_padding": 1.5, "strides": 3}, r"output_padding=1\.5 has to be"),
        ({"output_padding": (0, 0, 0)}, r"output_padding=\(0, 0, 0\) has to be"),
        ({"output_padding": "1", "strides": 2}, "output_padding='1' has to be"),
        ({"output_padding": True, "strides": 2}, "output_padding=True has to be"),
        (
            {"kernel_size": 4, "strides": 2, "output_padding": 0, "padding": "same"},
            r"kernel of an even size \(\(4, 4\)\) has to be at least 1\. Leave it out",
        ),
    ],
    ids=str,
)
def test_output_padding(arguments, says):
    with pytest.raises(ValueError, match=says):
        layers.GConv2DTranspose(**{"filters": 2, "kernel_size": 3, **arguments})


@pytest.mark.parametrize("padding", ["circular", "Reflect"])
@pytest.mark.parametrize(
    "make",
    [
        lambda **more: layers.GConv2DTranspose(2, 3, **more),
        lambda **more: layers.SteerableConv2DTranspose({0: 1}, {0: 1}, 3, **more),
    ],
)
def test_a_transposed_convolution_cuts_off_and_pads_nothing(make, padding):
    says = rf"padding='{padding}' is not available.*\"valid\", \"same\".*UpSampling2D"
    with pytest.raises(ValueError, match=says):
        make(padding=padding)


@pytest.mark.parametrize("rate", [-0.1, 1, True, "a half", None, float("nan")])
def test_dropout_rates(rate):
    with pytest.raises(ValueError, match=rf"rate={rate!r} has to be a number from 0 "):
        layers.GDropout(rate)


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (layers.LiftingConv2D(2, 3), "expected ndim=4"),
        (layers.GConv2D(2, 3), "expected ndim=4"),
        (layers.GGlobalPooling(), "expected ndim=4"),
        (layers.GMaxPooling2D(), "expected ndim=4"),
        (layers.GOrientation(), "expected ndim=4"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_inputs_without_positions(layer, expected):
    with pytest.raises(ValueError, match=expected):
        layer(np.zeros((2, 8), "float32"))


@pytest.mark.parametrize("layer_class", CONVOLUTIONS)
def test_numpy_integers_are_integers(layer_class):
    sizes = np.array([3, 3])
    layer = layer_class(np.int64(2), sizes, strides=np.uint8(1))
    assert layer_class(2, 3, name=layer.name).get_config() == layer.get_config()
    assert type(layer.filters) is int


@pytest.mark.parametrize("axis", [2, -3, 4])
def test_an_axis_that_the_input_does_not_have(axis):
    with pytest.raises(ValueError, match=rf"axis={axis}; the input has shape \(6, 8\).*axis=-1"):
        layers.GBatchNormalization("p4", axis=axis)(np.zeros((6, 8), "float32"))


def test_a_mask_that_does_not_fit():
    inputs, mask = np.zeros((2, 3, 3, 8), "float32"), np.ones((2, 3, 3, 8), bool)
    with pytest.raises(ValueError, match=r"mask of shape \(2, 3, 3, 8\).*except the channels"):
        layers.GBatchNormalization("p4")(inputs, training=True, mask=mask)


@pytest.mark.parametrize("layer_class", CONVOLUTIONS)
def test_channels_that_differ_from_those_it_was_built_with(layer_class):
    layer = layer_class(2, 3)
    layer.build((None, 8, 8, 4))
    with pytest.raises(ValueError, match="expected axis -1 of input shape to have value 4"):
        layer(np.zeros((1, 8, 8, 8), "float32"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.layer_class.__name__)
def test_arguments_that_no_layer_has(case):
    """Misspelt names get the right one; others the names that there are."""
    name = case.layer_class.__name__
    with pytest.raises(ValueError, match=rf"^{name} has no argument 'dtpye'\. .* mean 'dtype'\?$"):
        case.make(dtpye="float32")
    with pytest.raises(ValueError, match=rf"{name} has no argument 'zzz'\. It takes .*dtype"):
        case.make(zzz=1)


def test_several_arguments_that_a_layer_does_not_have():
    with pytest.raises(ValueError, match=r"'pading'\. Did you mean 'padding'\? GConv2D .*'groop'"):
        layers.GConv2D(2, 3, pading="same", groop="p4")


def test_a_layer_of_a_user_has_arguments_of_its_own():
    class Named(layers.GConv2D):
        def __init__(self, *args, **kwargs):
            self.title = kwargs.pop("title")
            super().__init__(*args, **kwargs)

    assert Named(2, 3, title="first").title == "first"
