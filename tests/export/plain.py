"""What the plain form of any model has to be."""

import json

import keras

from keras_gcnn import export
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
    expected, found = compiled(model)(x), compiled(plain)(x)
    keras.tree.assert_same_structure(found, expected)
    for one, other in zip(keras.tree.flatten(expected), keras.tree.flatten(found), strict=True):
        one, other = map(keras.ops.convert_to_numpy, (one, other))
        assert relative_error(other, one) < TOLERANCE
    return plain
