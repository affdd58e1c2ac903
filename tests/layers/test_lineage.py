"""In functional and sequential models a layer knows the map that it is given."""

import warnings

import keras
import numpy as np
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

K = keras.layers
SOME, OTHER = Fields({0: 2, 1: 3}), Fields({0: 4, 1: 2})  # of 8 channels both


def sequential(*parts, shape=(11, 11, 8)):
    return keras.Sequential([keras.Input(shape), *parts])


def lift(group="p4m", **arguments):
    return LiftingConv2D(2, 3, group, name="lift", **arguments)


def steer(**arguments):
    return SteerableConv2D(Fields.trivial(8), SOME, 3, name="steer", **arguments)


# The layers of a sequential model, the last of which cannot read its input, and what it says.
REFUSED = {
    "a subgroup": (
        lambda: (lift(), K.ReLU(), GConv2D(2, 3, "p4")),
        r"GConv2D '.*' reads a map on p4, but LiftingConv2D 'lift' made a map on p4m.*"
        r"use group='p4m', or put Restriction\('p4m', 'p4'\) before it",
    ),
    "a group that is larger": (
        lambda: (lift("p4"), GBatchNormalization("p4m")),
        r"reads a map on p4m, but .* a map on p4\. To fix: use group='p4'\.",
    ),
    "a plane, read from a group": (
        lambda: (lift("p4"), GConv2D(2, 3, "z2")),
        r"use group='p4', or put Restriction\('p4', 'z2'\)",
    ),
    "a group, read from a plane": (
        lambda: (lift("p4"), GPooling(group="p4"), GConv2D(2, 3, "p2")),
        r"GPooling '.*' made a map of ordinary channels.*LiftingConv2D\(\.\.\., group='p2'\)",
    ),
    "what a restriction left": (
        lambda: (lift(), Restriction("p4m", "p4"), GMaxPooling2D(), GGlobalPooling(group="p4m")),
        r"reads a map on p4m, but Restriction '.*' made a map on p4\.",
    ),
    "a map that is lifted already": (
        lambda: (lift("p4"), LiftingConv2D(2, 3, "p4")),
        r"reads a map of ordinary channels.*use GConv2D\(\.\.\., group='p4'\)",
    ),
    "features": (
        lambda: (lift("p4m"), K.GlobalMaxPooling2D(), GPooling(group="p4")),
        r"reads a map on p4, but LiftingConv2D 'lift' made a map on p4m",
    ),
    "orientations, read as fields": (
        lambda: (lift("p4"), layers.FourierActivation(SOME)),
        r"reads a map of Fields\(\{0: 2, 1: 3\}\), but .* on p4.*put GPooling\(group='p4'\)",
    ),
    "fields, read as orientations": (
        lambda: (steer(), GConv2D(2, 3, "p4")),
        r"SteerableConv2D 'steer' made a map of Fields.*put InvariantMap or NormPooling before it",
    ),
    "other fields": (
        lambda: (steer(), K.Dropout(0.5), layers.NormPooling(OTHER)),
        r"reads a map of Fields\(\{0: 4, 1: 2\}\), but .*fields_out .* Fields\(\{0: 2, 1: 3\}\)",
    ),
}


@pytest.mark.parametrize(("make", "says"), REFUSED.values(), ids=REFUSED)
def test_a_map_of_another_kind_is_refused(make, says):
    with pytest.raises(ValueError, match=says):
        sequential(*make())


ON_P4M = (lift, lambda: GConv2D(2, 3, "p4m"))
ON_FIELDS = (steer, lambda: layers.NormPooling(SOME))

# Layers of Keras between two of ours, and what is said of them.
BROKEN = {
    "Conv2D": (ON_P4M, lambda: [K.Conv2D(16, 3)], r"use GConv2D\(\.\.\., group='p4m'\)"),
    "Conv2D of one pixel": (ON_P4M, lambda: [K.Conv2D(16, 1)], "mixes the channels"),
    "Conv2DTranspose": (ON_P4M, lambda: [K.Conv2DTranspose(16, 3)], "GConv2DTranspose"),
    "DepthwiseConv2D": (ON_P4M, lambda: [K.DepthwiseConv2D(3)], "GSeparableConv2D"),
    "SeparableConv2D": (ON_P4M, lambda: [K.SeparableConv2D(16, 3)], "GSeparableConv2D"),
    "Dense": (ON_P4M, lambda: [K.Dense(16)], r"GConv2D\(units, 1, group='p4m'\)"),
    "BatchNormalization": (
        ON_P4M,
        lambda: [K.BatchNormalization(), K.ReLU(), K.Dropout(0.2)],
        r"use GBatchNormalization\(\.\.\., group='p4m'\)",
    ),
    "LayerNormalization": (ON_P4M, lambda: [K.LayerNormalization()], "GBatchNormalization"),
    "GroupNormalization": (
        ON_P4M,
        lambda: [K.GroupNormalization(4, center=False, scale=False)],
        "GBatchNormalization",
    ),
    "PReLU": (ON_P4M, lambda: [K.PReLU(shared_axes=[1, 2])], "slope for every channel"),
    "PReLU by position": (ON_P4M, lambda: [K.PReLU(shared_axes=[3])], "slope for every position"),
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
    "ReLU on fields": (ON_FIELDS, lambda: [K.ReLU()], "use FourierActivation"),
    "Activation on fields": (ON_FIELDS, lambda: [K.Activation("tanh")], "use FourierActivation"),
    "BatchNormalization on fields": (
        ON_FIELDS,
        lambda: [K.BatchNormalization()],
        "use SteerableBatchNormalization",
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
def test_a_layer_of_keras_that_breaks_it_is_warned_of_once(ends, between, says):
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
def test_what_is_harmless_is_silent(make):
    with warnings.catch_warnings():
        warnings.simplefilter("error", EquivarianceWarning)
        model = make()
        if type(model) in (keras.Model, keras.Sequential):
            keras.models.clone_model(model)


def test_through_models_and_branches_a_map_is_known():
    image = keras.Input((12, 12, 1))
    body = sequential(lift("p4"), K.ReLU(), shape=(12, 12, 1))
    passing = sequential(K.ReLU(), K.BatchNormalization(name="inside"), shape=(10, 10, 8))
    with pytest.raises(ValueError, match="LiftingConv2D 'lift' made a map on p4"):
        GConv2D(2, 3, "p4m")(body(image))
    with pytest.warns(EquivarianceWarning, match="BatchNormalization 'inside', before GConv2D"):
        GConv2D(2, 3, "p4")(passing(body(image)))
    form = {"filters": 8, "kernel_size": 3}
    two = LiftingConv2D(group="p2", **form)(image), LiftingConv2D(group="pm", **form)(image)
    with pytest.warns(EquivarianceWarning, match=r"Add '.*joins a map on p2, .* and a map on pm"):
        GConv2D(2, 3, "p2")(K.Add()(two))
    steered = SteerableConv2D(Fields.trivial(1), Fields({0: 2, 1: 2}), 3)(image)
    with pytest.raises(ValueError, match=r"reads a map of Fields\(\{0: 6, 1: 3\}\), but"):
        layers.NormPooling(Fields({0: 6, 1: 3}))(K.Concatenate()([steered, steered]))


def test_equivariance_says_what_becomes_of_it():
    def model(action, *others):
        last = GConv2D(2, 3, "p4m", equivariance=action)
        return sequential(lift(), K.BatchNormalization(), *others, last)

    with pytest.raises(ValueError, match="BatchNormalization"):
        model("strict")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model("ignore")
        sequential(lift(), GConv2D(2, 3, "p4", equivariance="ignore"))


def test_a_model_of_an_earlier_version_is_loaded_with_a_warning(tmp_path):
    """Until now such a model was built without a word; `strict` held for the layer alone."""
    wrong = GConv2D(2, 3, "p4", equivariance="ignore")
    model = sequential(lift(), wrong)
    wrong.equivariance = "strict"
    model.save(tmp_path / "model.keras")
    with pytest.warns(EquivarianceWarning, match="reads a map on p4, but"):
        loaded = keras.saving.load_model(tmp_path / "model.keras")
    image = ops.ones((1, 11, 11, 8))
    np.testing.assert_array_equal(*(ops.convert_to_numpy(one(image)) for one in (model, loaded)))


def test_layers_that_are_added_one_by_one_warn_once():
    model = sequential(lift(), K.BatchNormalization())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", EquivarianceWarning)
        model.add(GConv2D(2, 3, "p4m"))
        model.add(K.ReLU())
        model.add(GConv2D(2, 3, "p4m"))
    assert [one.category for one in caught].count(EquivarianceWarning) == 1
