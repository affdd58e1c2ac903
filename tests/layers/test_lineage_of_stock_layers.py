"""Stock layers between ours: which break equivariance, with a warning, and which do not."""

import warnings
from functools import partial

import keras
import pytest
from keras import ops

from keras_gcnn import layers, zoo
from keras_gcnn.layers import (
    EquivarianceWarning,
    Fields,
    GBatchNormalization,
    GConv2D,
    GGlobalPooling,
    GMaxPooling2D,
    GPooling,
    LiftingConv2D,
    Restriction,
    SteerableConv2D,
)
from tests.layers.test_lineage import OTHER, SOME, lift, sequential, steer

pytestmark = pytest.mark.backend_free

K = keras.layers
ON_P4M = (lift, lambda: GConv2D(2, 3, "p4m"))
FIRST = tuple(
    partial(make, data_format="channels_first")
    for make in (partial(LiftingConv2D, 2, 3, "p4m"), partial(GConv2D, 2, 3, "p4m"))
)
ON_FIELDS = (steer, lambda: layers.NormPooling(SOME))

# Layers of Keras between two of ours, and the warning about them.
BROKEN = {
    "Conv2D": (ON_P4M, lambda: [K.Conv2D(16, 3)], r"use GConv2D\(\.\.\., group='p4m'\)"),
    "Conv2D of one pixel": (ON_P4M, lambda: [K.Conv2D(16, 1)], "mixes the channels"),
    "Conv2DTranspose": (ON_P4M, lambda: [K.Conv2DTranspose(16, 3)], "GConv2DTranspose"),
    "DepthwiseConv2D": (ON_P4M, lambda: [K.DepthwiseConv2D(3)], "GDepthwiseConv2D"),
    "SeparableConv2D": (ON_P4M, lambda: [K.SeparableConv2D(16, 3)], "GSeparableConv2D"),
    "Dense": (ON_P4M, lambda: [K.Dense(16)], r"GConv2D\(units, 1, group='p4m'\)"),
    "BatchNormalization": (
        ON_P4M,
        lambda: [K.BatchNormalization(), K.ReLU(), K.Dropout(0.2)],
        r"use GBatchNormalization\(\.\.\., group='p4m'\)",
    ),
    "LayerNormalization": (
        ON_P4M,
        lambda: [K.LayerNormalization()],
        r"GLayerNormalization\(\.\.\., group='p4m'\)",
    ),
    "RMSNormalization": (ON_P4M, lambda: [K.RMSNormalization()], "GRMSNormalization"),
    "GroupNormalization": (
        ON_P4M,
        lambda: [K.GroupNormalization(4, center=False, scale=False)],
        "GGroupNormalization",
    ),
    "PReLU": (
        ON_P4M,
        lambda: [K.PReLU(shared_axes=[1, 2])],
        r"slope for every channel.*GPReLU\(\.\.\., group='p4m'\)",
    ),
    "PReLU by position": (
        ON_P4M,
        lambda: [K.PReLU(shared_axes=[3])],
        "slope for every position.*use GPReLU",
    ),
    "PReLU of an image": (
        (lambda: K.PReLU(), lift),
        list,
        r"slope for every position.*use PReLU\(shared_axes=\[1, 2\]\)",
    ),
    "MaxPooling2D": (ON_P4M, lambda: [K.MaxPooling2D(2)], "use GMaxPooling2D"),
    "AveragePooling2D": (
        ON_P4M,
        lambda: [K.AveragePooling2D(2, padding="same")],
        "use GAveragePooling2D",
    ),
    "ZeroPadding2D": (ON_P4M, lambda: [K.ZeroPadding2D(((0, 1), (0, 1)))], "on all sides"),
    "Cropping2D": (ON_P4M, lambda: [K.Cropping2D(((1, 1), (2, 2)))], "on all sides"),
    "Flatten": (
        ON_P4M,
        lambda: [K.Flatten(), K.Reshape((27, 3, 16))],
        r"put GPooling or GGlobalPooling\(group='p4m'\)",
    ),
    "Softmax along columns": (ON_P4M, lambda: [K.Softmax(axis=2)], r"axis 2.*use axis=-1"),
    "Softmax on a channels-first map": (FIRST, lambda: [K.Softmax()], "axis -1.*use axis=1"),
    "Activation on a channels-first map": (
        FIRST,
        lambda: [K.Activation("log_softmax")],
        r"axis -1.*use the layer Softmax\(axis=1\)",
    ),
    "UnitNormalization on a channels-first map": (
        FIRST,
        lambda: [K.UnitNormalization()],
        "axis -1.*use axis=1",
    ),
    "UpSampling2D": (ON_P4M, lambda: [K.UpSampling2D((2, 1))], "one factor for both"),
    "ReLU on fields": (ON_FIELDS, lambda: [K.ReLU()], "use FourierActivation"),
    "Activation on fields": (ON_FIELDS, lambda: [K.Activation("tanh")], "use FourierActivation"),
    "BatchNormalization on fields": (
        ON_FIELDS,
        lambda: [K.BatchNormalization()],
        "use SteerableBatchNormalization",
    ),
    "LayerNormalization on fields": (
        ON_FIELDS,
        lambda: [K.LayerNormalization(center=False, scale=False)],
        "use SteerableLayerNormalization",
    ),
    "GroupNormalization on fields": (
        ON_FIELDS,
        lambda: [K.GroupNormalization(1)],
        "use SteerableGroupNormalization",
    ),
    "PReLU on fields": (
        ON_FIELDS,
        lambda: [K.PReLU(shared_axes=[1, 2, 3])],
        "use FourierActivation",
    ),
    "MaxPooling2D on fields": (
        ON_FIELDS,
        lambda: [K.MaxPooling2D(3)],
        "use SteerableAveragePooling2D",
    ),
    "Conv2D on fields": (ON_FIELDS, lambda: [K.Conv2D(8, 3)], "use SteerableConv2D"),
    "channels that are no orientations": (
        (lambda: K.Conv2D(16, 3, name="stock"), ON_P4M[1]),
        list,
        r"Conv2D 'stock', before GConv2D.* or LiftingConv2D on images",
    ),
    "a convolution of the image": (
        (lambda: K.Conv2D(16, 3, name="stock"), lift),
        list,
        r"Conv2D 'stock', before LiftingConv2D.*does not rotate with the image",
    ),
}


@pytest.mark.parametrize(("ends", "between", "says"), BROKEN.values(), ids=BROKEN)
def test_a_stock_layer_that_breaks_equivariance_warns_once(ends, between, says):
    first, last = ends
    with pytest.warns(EquivarianceWarning, match=says) as caught:
        sequential(first(), *between(), last())
    assert len(caught) == 1


def residual():
    image = keras.Input((12, 12, 1))
    x = LiftingConv2D(2, 3, "p4", padding="same")(image)
    for _ in range(2):
        y = ops.relu(GBatchNormalization("p4")(x))
        x = x + GConv2D(2, 3, "p4", padding="same")(y)
    x = K.Concatenate()([x, K.Average()([x, y])])
    return keras.Model(image, GGlobalPooling(group="p4")(K.Multiply()([x, K.Softmax()(x)])))


@pytest.mark.parametrize(
    ("merge", "says"),
    [
        (lambda fields, mask: K.Add()([fields, mask]), "adds one number to all channels"),
        (lambda fields, mask: mask - fields, "adds one number to all channels"),
        (lambda fields, mask: fields + 0.5, "adds one number to all channels"),
        (lambda fields, mask: ops.maximum(fields, 0.0), "acts on every channel"),
        (lambda fields, mask: K.Multiply()([fields, mask]), None),
        (lambda fields, mask: fields / 2, None),
        (lambda fields, mask: K.Add()([fields, fields]), None),
    ],
)
def test_fields_with_one_number_for_all_channels(merge, says):
    image = keras.Input((9, 9, 8))
    fields = steer()(image)
    mask = layers.InvariantMap(SOME, 1)(fields)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        layers.NormPooling(SOME)(merge(fields, mask))
    found = [str(one.message) for one in caught if one.category is EquivarianceWarning]
    assert [says in message for message in found] == ([True] if says else [])


def nested():
    image = keras.Input((12, 12, 1))
    body = sequential(lift("p4"), K.ReLU(), shape=(12, 12, 1))
    same = sequential(K.ReLU(), shape=(10, 10, 8))
    return keras.Model(image, GConv2D(2, 3, "p4")(same(body(image))))


def channels_first():
    image = keras.Input((1, 12, 12))
    form = {"data_format": "channels_first"}
    x = LiftingConv2D(2, 3, "p4", **form)(image)
    x = K.Concatenate(axis=1)([x, K.ZeroPadding2D(0, **form)(x)])
    return keras.Model(image, GConv2D(2, 3, "p4", **form)(K.MaxPooling2D(2, **form)(x)))


def fields():
    image = keras.Input((12, 12, 8))
    x = SteerableConv2D(Fields.trivial(8), OTHER, 3)(image)
    masked = layers.DiscMask(Fields.trivial(8))(image)
    x = K.Concatenate()([x, K.Cropping2D(1)(masked)])
    return keras.Model(image, layers.InvariantMap(OTHER + Fields.trivial(8), 2)(x))


def images_from_numbers():
    numbers = keras.Input((8,))
    x = K.Reshape((6, 6, 1))(K.Dense(36)(numbers))
    return keras.Model(numbers, lift("p4")(K.Conv2DTranspose(1, 3, strides=2)(x)))


HARMLESS = {
    "of one kind": lambda: sequential(
        lift(), K.ReLU(), GMaxPooling2D(3), K.SpatialDropout2D(0.1), GGlobalPooling(group="p4m")
    ),
    "by restriction": lambda: sequential(
        lift(), Restriction("p4m", "p4"), GConv2D(2, 3, "p4"), Restriction("p4"), K.Conv2D(8, 3)
    ),
    "one mean for all channels": lambda: sequential(
        lift(), K.Normalization(axis=None, mean=0.5, variance=2.0), GConv2D(2, 3, "p4m")
    ),
    "a map that is given": lambda: sequential(K.ReLU(), GConv2D(2, 3, "p4m")),
    "a normal image": lambda: sequential(K.BatchNormalization(), K.Conv2D(3, 1), lift()),
    "an ordinary network": lambda: sequential(
        K.Conv2D(8, 3), K.MaxPooling2D(2), GMaxPooling2D(), LiftingConv2D(8, 1, "z2"), K.Flatten()
    ),
    "ordinary channels": lambda: sequential(steer(), layers.NormPooling(SOME), lift("p4")),
    "shared alike": lambda: sequential(
        lift(),
        K.PReLU(shared_axes=[1, 2, 3]),
        K.LayerNormalization(center=False, scale=False),
        K.GroupNormalization(2, center=False, scale=False),
        K.UnitNormalization(),
        K.MaxPooling2D(3),
        K.Flatten(),
        K.Reshape((3, 3, 16)),
        GGlobalPooling(group="p4m"),
    ),
    "mirrored": lambda: sequential(
        lift("pm"), K.Cropping2D(((1, 1), (1, 0))), GPooling(group="pm")
    ),
    "residual": residual,
    "nested": nested,
    "channels first": channels_first,
    "fields": fields,
    "images from numbers": images_from_numbers,
    "positions alone": lambda: sequential(steer(), GGlobalPooling(group="z2", keepdims=True)),
    "the zoo's autoencoder": lambda: zoo.vae("so2", orientation=True),
}


@pytest.mark.parametrize("make", HARMLESS.values(), ids=HARMLESS)
def test_harmless_models_do_not_warn(make):
    with warnings.catch_warnings():
        warnings.simplefilter("error", EquivarianceWarning)
        model = make()
        if type(model) in (keras.Model, keras.Sequential):
            keras.models.clone_model(model)


@pytest.mark.parametrize("axis", [1, 2])
def test_maps_beside_each_other(axis):
    image = keras.Input((12, 12, 1))
    x = LiftingConv2D(2, 3, "p4", padding="same")(image)
    with pytest.warns(EquivarianceWarning, match=r"beside each other.*Concatenate\(axis=-1\)"):
        GConv2D(2, 3, "p4")(K.Concatenate(axis=axis)([x, x]))
