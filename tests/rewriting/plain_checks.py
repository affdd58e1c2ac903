"""What the plain form of any model has to be."""

import json

import keras

from keras_gcnn import export, layers
from tests.helpers.layers import relative_error
from tests.zoo.networks import compiled

TOLERANCE = 1e-5


def names_of_modules(config):
    """All modules that a configuration names, wherever."""
    if isinstance(config, dict):
        yield from ([config["module"]] if config.get("module") else [])
        config = list(config.values())
    if isinstance(config, list | tuple):
        for one in config:
            yield from names_of_modules(one)


def check(model, x):
    """Outputs are equal, and nothing is left that Keras does not have."""
    plain = export.to_plain(model)
    assert "keras_gcnn" not in json.dumps(plain.get_config(), default=str)
    assert {name.split(".")[0] for name in names_of_modules(plain.get_config())} == {"keras"}
    assert_same_outputs(plain, model, x)
    return plain


def assert_same_outputs(found, model, x):
    expected, found = compiled(model)(x), compiled(found)(x)
    keras.tree.assert_same_structure(found, expected)
    for one, other in zip(keras.tree.flatten(expected), keras.tree.flatten(found), strict=True):
        one, other = map(keras.ops.convert_to_numpy, (one, other))
        assert relative_error(other, one) < TOLERANCE


def model_of_ones_own(data_format="channels_last"):
    """Ours and stock layers, a model in the model, a layer that is called twice, two outputs."""
    first = data_format == "channels_first"
    axis = 1 if first else -1
    form = {"data_format": data_format}
    inner = keras.Sequential(
        [
            keras.Input((8, 12, 12) if first else (12, 12, 8)),
            layers.GConv2D(2, 3, "p4", padding="same", name="inside", **form),
            layers.GBatchNormalization("p4", axis),
            keras.layers.ReLU(),
        ],
        name="inner",
    )
    image = keras.Input((2, 12, 12) if first else (12, 12, 2), name="picture")
    x = keras.layers.Conv2D(3, 3, padding="same", use_bias=False, name="stock", **form)(image)
    x = keras.layers.BatchNormalization(axis, name="stock_norm")(x)
    x = layers.LiftingConv2D(
        2, 3, "p4", padding="same", activation="relu", name="lift", equivariance="ignore", **form
    )(x)
    shared = layers.GConv2D(2, 3, "p4", padding="same", name="shared", **form)
    y = keras.layers.Add()([shared(inner(shared(x))), x])
    pooled = layers.GGlobalPooling("max", "p4", **form)(layers.GDropout(0.5, "p4", **form)(y))
    outputs = {"scores": keras.layers.Dense(3, name="scores")(pooled), "map": y}
    return keras.Model(image, outputs, name="own")


def _open(data_format):
    return keras.Input((1, None, None) if data_format == "channels_first" else (None, None, 1))


def of_open_size(data_format="channels_last"):
    """Every layer on a group that looks at positions, for images of any size."""
    form, axis = {"data_format": data_format}, 1 if data_format == "channels_first" else -1
    image = _open(data_format)
    x = layers.LiftingConv2D(2, 3, "p4m", **form)(image)
    x = layers.GMaxPooling2D(**form)(layers.GBatchNormalization("p4m", axis)(x))
    x = layers.GDropout(0.5, "p4", **form)(layers.Restriction("p4m", "p4", **form)(x))
    x = layers.GSeparableConv2D(3, 3, "p4", padding="same", **form)(x)
    x = layers.GConv2DTranspose(2, 2, "p4", strides=2, **form)(
        layers.GAveragePooling2D(strides=3, **form)(x)
    )
    poolings = [layers.GPooling("max", "p4", **form), layers.GPooling("mean", "p4", **form)]
    poolings.append(layers.GGlobalPooling("max", "p4", **form))
    return keras.Model(image, [pool(x) for pool in poolings], name="open")


def steerable_of_open_size(data_format="channels_last"):
    """Likewise of the steerable layers."""
    form, axis = {"data_format": data_format}, 1 if data_format == "channels_first" else -1
    fields, uneven = layers.Fields.regular(3, max_frequency=2), layers.Fields({0: 3, 1: 2, 2: 1})
    image = _open(data_format)
    x = layers.SteerableConv2D({0: 1}, fields, 3, **form)(layers.DiscMask(**form)(image))
    x = layers.FourierActivation(fields, **form)(
        layers.SteerableBatchNormalization(fields, axis)(x)
    )
    x = layers.SteerableAveragePooling2D(**form)(x)
    x = layers.SteerableConv2D(fields, uneven, 3, padding="same", **form)(x)
    x = layers.FourierActivation(uneven, **form)(x)
    x = layers.NormActivation(uneven, **form)(layers.SteerableDropout(0.5, uneven, **form)(x))
    outputs = [layers.NormPooling(uneven, **form)(x), layers.InvariantMap(uneven, 2, **form)(x)]
    pooled = layers.SteerableAveragePooling2D(strides=3, **form)(x)
    return keras.Model(image, [*outputs, pooled], name="open_steerable")
