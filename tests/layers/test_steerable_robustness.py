"""What users run into: half precision, whole numbers, masks, initializers, high frequencies."""

import warnings

import keras
import numpy as np
import pytest

from keras_gcnn import layers
from keras_gcnn.groups.radial import radial_profiles
from keras_gcnn.layers import EquivarianceWarning, Fields
from tests.helpers.gradients import gradient
from tests.helpers.levels import COMPILING, thoroughly

FIELDS = Fields({0: 2, 1: 2})  # 6 channels
EVERY = {
    layers.FourierActivation: {"fields": FIELDS},
    layers.NormActivation: {"fields": FIELDS},
    layers.GatedActivation: {"fields": FIELDS},
    layers.InvariantMap: {"fields": FIELDS, "filters": 3},
    layers.NormPooling: {"fields": FIELDS},
    layers.SteerableBatchNormalization: {"fields": FIELDS},
    layers.SteerableDropout: {"fields": FIELDS, "rate": 0.5, "seed": 0},
    layers.SteerableConv2D: {"fields_in": FIELDS, "fields_out": FIELDS, "kernel_size": 3},
    layers.SteerableAveragePooling2D: {},
    layers.DiscMask: {},
}


def numpy(tensor):
    return keras.ops.convert_to_numpy(tensor)


@pytest.mark.parametrize("activation", ["relu", "softplus"])
@pytest.mark.parametrize("bias", ["zeros", "ones"])
def test_lengths_of_zero_have_a_gradient_in_half_precision(activation, bias):
    layer = layers.NormActivation(FIELDS, activation, bias_initializer=bias, dtype="float16")
    maps = np.zeros((1, 2, 2, 6), "float16")
    layer.build(maps.shape)
    slopes = gradient(layer, maps)
    assert np.isfinite(slopes).all()
    assert np.isfinite(numpy(layer(np.full((1, 2, 2, 6), 6e4, "float16")))).all()
    # The scale of a pair, bias over length, is beyond float16.
    large = keras.initializers.Constant(100.0)
    layer = layers.NormActivation(FIELDS, activation, bias_initializer=large, dtype="float16")
    assert np.isfinite(numpy(layer(maps))).all()


@pytest.mark.parametrize("dtype", ["int64", "uint8", "bool"])
@pytest.mark.parametrize("layer_class", EVERY)
def test_whole_numbers_count_as_floats(layer_class, dtype, rng):
    maps = rng.integers(0, 200, size=(2, 5, 5, 6)).astype(dtype)
    for training in (False, True):
        if layer_class in (layers.SteerableDropout, layers.SteerableBatchNormalization):
            call = {"training": training}
        else:
            call = {}
        keras.utils.set_random_seed(0)
        found = numpy(layer_class(**EVERY[layer_class])(maps, **call))
        keras.utils.set_random_seed(0)
        expected = numpy(layer_class(**EVERY[layer_class])(maps.astype("float32"), **call))
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("make", "first", "second"),
    [
        (
            lambda given: layers.SteerableConv2D(
                {0: 4, 1: 2}, {0: 4, 1: 2}, 3, kernel_initializer=given
            ),
            "kernel_0_1",
            "kernel_1_0",
        ),
        (
            lambda given: layers.NormActivation({0: 4, 1: 4}, bias_initializer=given),
            "scalar_bias",
            "pair_bias",
        ),
    ],
    ids=["convolution", "activation"],
)
@pytest.mark.parametrize(
    "given", ["random_normal", keras.initializers.RandomNormal()], ids=["name", "instance"]
)
def test_weights_are_drawn_one_by_one(make, first, second, given):
    layer = make(given)
    layer.build((None, 8, 8, 8 if "kernel" in first else 12))
    one, other = (np.ravel(numpy(getattr(layer, name))) for name in (first, second))
    size = min(one.size, other.size)
    assert np.abs(one[:size] - other[:size]).max() > 1e-3


def test_masks_go_through():
    maps = keras.Input((4, 4, 6))
    masked = keras.layers.Masking()(maps)
    for layer_class in (
        layers.FourierActivation,
        layers.NormActivation,
        layers.GatedActivation,
        layers.SteerableDropout,
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            outputs = layer_class(**EVERY[layer_class])(masked)
        assert getattr(outputs, "_keras_mask", None) is not None


def test_nothing_outside_the_disc_is_seen():
    maps = np.zeros((1, 7, 7, 1), "float32")
    maps[0, 0, 0] = np.nan
    maps[0, -1, 0] = np.inf
    np.testing.assert_array_equal(numpy(layers.DiscMask()(maps)), np.zeros_like(maps))


@pytest.mark.parametrize("first", [False, True])
def test_normalization_is_along_the_channels_of_the_configuration(first):
    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_first" if first else "channels_last")
    try:
        for layer in (
            layers.SteerableBatchNormalization(FIELDS),
            layers.GBatchNormalization("p4"),
        ):
            assert layer.axis == (1 if first else -1)
            assert type(layer).from_config(layer.get_config()).axis == layer.axis
    finally:
        keras.config.set_image_data_format(before)


def test_activations_of_several_values():
    for layer_class in (layers.FourierActivation, layers.NormActivation, layers.GatedActivation):
        with pytest.raises(ValueError, match="activation='softmax' takes several values at once"):
            layer_class(FIELDS, "softmax")
    with pytest.raises(ValueError, match="and halves it"):
        layers.InvariantMap(FIELDS, 4, activation="glu")
    with pytest.raises(ValueError, match="the columns of a channels-first map"):
        layers.InvariantMap(FIELDS, 4, activation="softmax", data_format="channels_first")
    shares = layers.InvariantMap(FIELDS, 4, activation="softmax")(np.ones((1, 3, 3, 6)))
    np.testing.assert_allclose(numpy(shares).sum(-1), 1, atol=1e-5)


@pytest.mark.parametrize(
    ("kernel_size", "dilation"), [(3, 1), (5, 1), *thoroughly((7, 2), (25, 1))]
)
def test_frequencies_that_no_pixel_shows_have_no_kernel(kernel_size, dilation):
    positions = 4 * (kernel_size - 1)  # on the rim; a wave needs two
    for frequency in range(positions // 2 + 1, 201):
        profiles = radial_profiles(frequency, kernel_size, dilation)
        assert profiles(np.ones(3)).shape == (0, 3)
    with pytest.raises(ValueError, match="No kernel of size"):
        layers.SteerableConv2D({0: 1}, {99: 1}, kernel_size, dilation_rate=dilation)
    layers.SteerableConv2D(Fields.regular(1, 60), Fields.regular(1, 60), 3)


@pytest.mark.parametrize(
    ("kernel_size", "strides"), [(4, 2), (6, 3), *thoroughly((5, 1), (3, 3), on=COMPILING)]
)
def test_transposed_outputs_are_about_as_large_as_the_input(kernel_size, strides, rng):
    fields = Fields.regular(16, max_frequency=2)
    layer = layers.SteerableConv2DTranspose(
        fields, fields, kernel_size, strides=strides, equivariance="ignore"
    )
    maps = rng.normal(size=(4, 12, 12, fields.channels)).astype("float32")
    found = numpy(layer(maps))[:, 6:-6, 6:-6]
    assert 0.7 < found.std() < 1.4


def test_numbers_that_count_as_zero():
    with pytest.raises(ValueError, match=r"sigma=0 has to be a number above 0, e\.g\. 0\.66"):
        layers.SteerableAveragePooling2D(sigma=0)
    with pytest.raises(ValueError, match=r"margin=1e-160 .* e\.g\. 1\.0"):
        layers.DiscMask(margin=1e-160)
    with pytest.raises(ValueError, match="epsilon=1e-50 has to be"):
        layers.NormActivation(FIELDS, epsilon=1e-50)
    with pytest.raises(ValueError, match="padding=None is not available"):
        layers.SteerableConv2D(FIELDS, FIELDS, 3, padding=None)
    with pytest.raises(ValueError, match=r"max_frequency=1000000 has to be an integer from 0"):
        Fields.regular(1, 10**6)
    with pytest.raises(ValueError, match="has no kernel yet"):
        layers.SteerableConv2D(FIELDS, FIELDS, 3).expanded_kernel()


def test_the_warning_names_the_line_of_the_user():
    layer = layers.SteerableConv2D(Fields.trivial(1), FIELDS, 3, strides=2)
    with pytest.warns(EquivarianceWarning) as caught:
        layer(np.zeros((1, 8, 8, 1), "float32"))
    assert caught[0].filename == __file__
