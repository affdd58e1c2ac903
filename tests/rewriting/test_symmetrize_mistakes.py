"""What `symmetrize` refuses, and how it says so."""

import keras
import pytest

import keras_gcnn
from keras_gcnn import export, layers
from tests.helpers.orbits import Own
from tests.rewriting.test_symmetrize import convolutional

SMALL = {"size": 4, "channels": 1}


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        (lambda: Own(), {}, "shape of the inputs of 'own.*' is not known"),
        (lambda: Own(), {"input_shape": (4, 0, 1)}, "input_shape=.4, 0, 1. *. *Give the shape"),
        (lambda: Own(), {"input_shape": (4, 5, 1)}, "p4 has quarter turns, which need squares"),
        (lambda: convolutional(**SMALL), {"group": "p5"}, "group='p5' is unknown. Choose one of"),
        (lambda: convolutional(**SMALL), {"reduce": "median"}, "reduce='median' is not available"),
        (lambda: convolutional(**SMALL), {"reduce": lambda x, axis: x[0]}, "depend on their order"),
        (lambda: convolutional(**SMALL), {"reduce": lambda x, axis: x}, "which it removes"),
        (lambda: convolutional(**SMALL), {"reduce": keras.ops.abs}, "has to be a function .tensor"),
        (lambda: convolutional(**SMALL), {"input_shape": (5, 5, 1)}, "does not fit .*4, 4, 1"),
        (
            lambda: keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]),
            {},
            "takes none: its inputs are features",
        ),
        (lambda: convolutional(**SMALL), {"outputs": "map"}, "outputs='map' is not available"),
        (lambda: convolutional(**SMALL), {"outputs": "maps"}, "which is no map"),
        (lambda: convolutional(**SMALL), {"outputs": ["maps"] * 2}, "has another structure than"),
        (lambda: convolutional(**SMALL), {"components": ("up", "down")}, "components=.*such as"),
        (
            lambda: convolutional(**SMALL),
            {"outputs": "vectors", "reduce": "max"},
            'Use "mean" for',
        ),
        (lambda: of(keras.layers.Reshape((2, 8))), {}, "does not show how it rotates"),
        (lambda: of(keras.layers.Reshape((2, 8, 1))), {}, "returns maps, and p4 has quarter turns"),
        (
            lambda: of(keras.layers.Dense(3)),
            {"outputs": "vectors"},
            "have to be pairs of components",
        ),
        (
            lambda: of(keras.layers.Lambda(lambda x: keras.ops.argmax(x, -1))),
            {"outputs": "maps"},
            "their mean would be rounded",
        ),
        (
            lambda: keras.Sequential([keras.Input((4, 4)), keras.layers.Dense(2)]),
            {},
            "images with four axes",
        ),
    ],
)
@pytest.mark.thorough("jax", "tensorflow")
def test_mistakes(model, options, message):
    with pytest.raises(ValueError, match=message):
        keras_gcnn.symmetrize(model(), **options)


def of(layer):
    return keras.Sequential([keras.Input((4, 4, 1)), layer])


def test_mistakes_with_what_is_no_model():
    with pytest.raises(TypeError, match="of type str"):
        keras_gcnn.symmetrize("model.keras")
    with pytest.raises(TypeError, match="Give a Keras model or layer"):
        layers.Symmetrized("model.keras")
    model = keras_gcnn.symmetrize(Own(name="mine"), input_shape=(4, 4, 1))
    with pytest.raises(ValueError, match="'mine' is not a graph of layers"):
        export.to_plain(model)
