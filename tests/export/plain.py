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
