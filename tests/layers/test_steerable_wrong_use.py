"""Mistakes with steerable layers raise errors that say what was given and what to do."""

import keras
import numpy as np
import pytest

from keras_gcnn import layers
from keras_gcnn.layers import Fields
from keras_gcnn.layers.common.wrong_arguments import known_arguments

pytestmark = pytest.mark.backend_free

FIELDS = Fields({0: 2, 1: 2, 2: 1})  # 8 channels
CONVOLUTIONS = {
    layers.SteerableConv2D: {"fields_in": FIELDS, "fields_out": {0: 2, 1: 1}, "kernel_size": 3},
    layers.SteerableConv2DTranspose: {"fields_in": FIELDS, "fields_out": {1: 1}, "kernel_size": 3},
}
WITH_WEIGHTS = {
    layers.SteerableBatchNormalization: {"fields": FIELDS},
    layers.SteerableLayerNormalization: {"fields": FIELDS},
    layers.SteerableGroupNormalization: {"fields": FIELDS, "groups": 2},
    layers.NormActivation: {"fields": FIELDS},
    layers.InvariantMap: {"fields": FIELDS, "filters": 2},
}
WITHOUT = {
    layers.FourierActivation: {"fields": FIELDS},
    layers.GatedActivation: {"fields": FIELDS},
    layers.SteerableDropout: {"fields": FIELDS, "rate": 0.5},
    layers.NormPooling: {"fields": FIELDS},
    layers.SteerablePooling: {"fields": FIELDS},
    layers.SteerableRestriction: {"fields": FIELDS, "subgroup": "c4"},
}
POSITIONS = {
    layers.SteerableAveragePooling2D: {"fields": FIELDS},
    layers.DiscMask: {"fields": FIELDS},
}
ALL = {**CONVOLUTIONS, **WITH_WEIGHTS, **WITHOUT, **POSITIONS}


@pytest.mark.parametrize("layer_class", ALL)
def test_other_channels_than_the_fields_have(layer_class):
    says = (
        rf"{layer_class.__name__} .* is for Fields\(\{{0: 2, 1: 2, 2: 1\}}\), which have 8 channels"
        r", but received 6 \(input shape \(1, 8, 5, 6\), .*layer before it.*Fields\.trivial\(n\)"
    )
    with pytest.raises(ValueError, match=says):
        layer_class(**ALL[layer_class])(np.zeros((1, 8, 5, 6), "float32"))


@pytest.mark.parametrize("layer_class", ALL)
def test_other_channels_than_it_was_built_with(layer_class):
    layer = layer_class(**ALL[layer_class])
    layer.build((None, 8, 8, 8))
    with pytest.raises(ValueError, match=r"input shape to have value 8|received 16"):
        layer(np.zeros((1, 8, 8, 16), "float32"))


@pytest.mark.parametrize("layer_class", ALL)
def test_unknown_channels(layer_class):
    with pytest.raises(ValueError, match=r"needs a known number of channels"):
        layer_class(**ALL[layer_class])(keras.Input((8, 8, None)))


@pytest.mark.parametrize("layer_class", ALL)
def test_output_shape_of_other_channels(layer_class):
    with pytest.raises(ValueError, match=r"received 16"):
        layer_class(**ALL[layer_class]).compute_output_shape((None, 8, 8, 16))


@pytest.mark.parametrize("layer_class", {**CONVOLUTIONS, **POSITIONS})
def test_inputs_without_positions(layer_class):
    with pytest.raises(ValueError, match="expected ndim=4"):
        layer_class(**ALL[layer_class])(np.zeros((2, 8), "float32"))


@pytest.mark.parametrize("layer_class", ALL)
def test_wrong_fields(layer_class):
    name = "fields_in" if layer_class in CONVOLUTIONS else "fields"
    with pytest.raises(TypeError, match=r"takes a dict .*, not 8\. .* Fields\.trivial\(n\)"):
        layer_class(**{**ALL[layer_class], name: 8})
    with pytest.raises(ValueError, match=r"-1 is no irrep of so2\. Choose among 0, 1, 2"):
        layer_class(**{**ALL[layer_class], name: {-1: 3}})


@pytest.mark.parametrize("layer_class", CONVOLUTIONS)
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"fields_out": [8]}, None),
        ({"kernel_size": (3, 5)}, r"kernel_size=\(3, 5\) treats rows.*Use kernel_size=5"),
        ({"kernel_size": 0}, "kernel_size=0 has to be a positive integer"),
        ({"kernel_size": True}, "kernel_size=True has to be"),
        ({"dilation_rate": (1, 2)}, r"dilation_rate=\(1, 2\) treats rows.*Use dilation_rate=2"),
        ({"strides": 2, "dilation_rate": 2}, "cannot both be larger than 1.*Set one of them to 1"),
        ({"padding": "causal"}, "padding='causal' is not available.*'valid', 'same'"),
        ({"equivariance": "maybe"}, "equivariance='maybe'.*'warn', 'strict', 'ignore'"),
        ({"band_limit": 0}, r"band_limit=0 has to be a number above 0.*e\.g\. 0\.1, or \"escnn\""),
        ({"band_limit": "rings"}, "band_limit='rings' has to be"),
        (
            {"kernel_size": 2, "band_limit": "escnn"},
            r"No kernel of size 2 with band_limit='escnn' takes Fields\(.*so few pixels.*"
            "larger kernel_size, or fields of lower frequencies",
        ),
        (
            {"fields_in": {0: 1}, "fields_out": {1: 1}, "band_limit": 1e-9},
            r"No kernel of size 3 with band_limit=1e-09 .* larger kernel_size or band_limit \(the",
        ),
        (
            {"fields_in": {0: 1}, "fields_out": {5: 1}},
            r"No kernel of size 3 with band_limit=0\.1 takes Fields\.trivial\(1\) to Fields\(.5: 1",
        ),
        (
            {"fields_in": {0: 1}, "fields_out": Fields({"0-": 1}, group="o2")},
            r"No kernel of any size takes .* o2 has none between the irreps 0 and '0-'\. Add",
        ),
    ],
    ids=str,
)
def test_convolutions(layer_class, arguments, says):
    with pytest.raises(ValueError if says else TypeError, match=says or r"dict .*not \[8\]"):
        layer_class(**{**CONVOLUTIONS[layer_class], **arguments})


def test_the_remedies_for_an_empty_basis_work():
    layers.SteerableConv2D({0: 1}, {5: 1}, 9)
    layers.SteerableConv2D({0: 1}, {5: 1}, 5, band_limit=0.9)
    layers.SteerableConv2D({0: 1}, {2: 1}, 3)
    layers.SteerableConv2D(FIELDS, FIELDS, 2)


@pytest.mark.parametrize(
    ("samples", "says"),
    [
        (
            8,
            r"samples=8 has to be a multiple of 4.*at least 11 for .*Use samples=12",
        ),
        (11, r"samples=11 .*Use samples=12"),
        (10_000, "at most 1000"),
        (18, "samples=18 has to be a multiple of 4"),
        (0, "samples=0 has to be a positive integer"),
        (16.0, r"samples=16\.0 has to be a positive integer"),
    ],
)
def test_samples(samples, says):
    with pytest.raises(ValueError, match=says):
        layers.FourierActivation(Fields.regular(2, max_frequency=5), samples=samples)
    layers.FourierActivation(Fields.regular(2, max_frequency=5), samples=12)
    layers.FourierActivation(Fields.trivial(3), samples=4)


def test_layers_that_need_frequency_0():
    says = r"GatedActivation received Fields\(.*2 of these fields do not have frequency 0 once.*"
    with pytest.raises(ValueError, match=says + "multiplicity of 3, or use NormActivation"):
        layers.GatedActivation({0: 1, 1: 3})
    with pytest.raises(ValueError, match=r"InvariantMap .*no frequency 0.*or use NormPooling"):
        layers.InvariantMap({1: 2}, 3)


@pytest.mark.parametrize("value", [0, -0.5, "wide", True, float("nan")])
@pytest.mark.parametrize(
    ("layer_class", "name"),
    [
        (layers.NormActivation, "epsilon"),
        (layers.NormPooling, "epsilon"),
        (layers.SteerableAveragePooling2D, "sigma"),
        (layers.DiscMask, "margin"),
    ],
)
def test_numbers_above_zero(layer_class, name, value):
    with pytest.raises(ValueError, match=rf"{name}={value!r} has to be a number above 0"):
        layer_class(FIELDS, **{name: value})


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"momentum": 2.0}, r"momentum=2\.0 has to be a number from 0 to 1"),
        ({"epsilon": -1.0}, r"epsilon=-1\.0 has to be a number from 0"),
        ({"axis": "a"}, "axis='a' has to be -1, or 1 for channels first"),
    ],
)
def test_arguments_of_normalisations(arguments, says):
    with pytest.raises(ValueError, match=says):
        layers.SteerableBatchNormalization(FIELDS, **arguments)


@pytest.mark.parametrize("arguments", [{"sigma": 1e9}, {"strides": 10**9}])
def test_averages_over_more_than_images_have(arguments):
    with pytest.raises(ValueError, match="averages over more pixels than images have"):
        layers.SteerableAveragePooling2D(FIELDS, **arguments)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"gate": "softmax"}, "gate='softmax' takes several values"),
        ({"gate": keras.layers.Softmax()}, "gate=<Softmax .* takes several values"),
        ({"activation": keras.layers.PReLU()}, "a different slope for every value"),
    ],
)
def test_activations_that_are_not_of_one_value(arguments, says):
    with pytest.raises(ValueError, match=says):
        layers.GatedActivation(Fields({0: 2, 1: 2}), **arguments)


@pytest.mark.parametrize("rate", [-0.1, 1, True, None])
def test_dropout_rates(rate):
    with pytest.raises(ValueError, match=rf"rate={rate!r} has to be a number from 0 "):
        layers.SteerableDropout(rate, FIELDS)


@pytest.mark.parametrize("fields", [FIELDS, {0: 2, 1: 2}])
def test_dropout_names_the_order_of_its_arguments(fields):
    with pytest.raises(TypeError, match=r"SteerableDropout\(0\.5, fields\)"):
        layers.SteerableDropout(fields, 0.5)


@pytest.mark.parametrize("value", [0, 1.5, True])
def test_numbers_of_filters_and_strides(value):
    with pytest.raises(ValueError, match=rf"filters={value} has to be a positive integer"):
        layers.InvariantMap(FIELDS, value)
    with pytest.raises(ValueError, match=rf"strides={value} has to be a positive integer"):
        layers.SteerableAveragePooling2D(FIELDS, value)


@pytest.mark.parametrize("value", [2, -1, "1"])
def test_output_padding(value):
    with pytest.raises(ValueError, match=rf"output_padding={value!r} .*below the stride"):
        layers.SteerableConv2DTranspose(FIELDS, FIELDS, 3, strides=2, output_padding=value)


def test_batch_normalization():
    with pytest.raises(ValueError, match="SteerableBatchNormalization has no renorm"):
        layers.SteerableBatchNormalization(FIELDS, renorm=True)
    with pytest.raises(ValueError, match=r"axis=4; the input has shape \(2, 3, 3, 8\).*axis=-1"):
        layers.SteerableBatchNormalization(FIELDS, axis=4)(np.zeros((2, 3, 3, 8), "float32"))


@pytest.mark.parametrize("layer_class", ALL)
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("group", r"Its group is that of the fields\. .*Fields\.regular\(8, group='d8'\)"),
        ("activation", r"Put FourierActivation, NormActivation or GatedActivation behind"),
        ("filters", r"channels are those of its fields.*Fields\.regular\(8, max_frequency=4\)"),
        ("max_frequency", r"Frequencies belong to the fields.*max_frequency=4"),
    ],
)
def test_arguments_of_other_layers(layer_class, name, says):
    if name in known_arguments(layer_class):
        pytest.skip("the layer takes it")
    says = rf"^{layer_class.__name__} has no argument '{name}'\. .*{says}"
    with pytest.raises(ValueError, match=says):
        layer_class(**ALL[layer_class], **{name: 8})
