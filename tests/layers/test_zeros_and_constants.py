"""Maps of zeros and constant maps: finite outputs, and gradients of the size of ordinary ones."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_gcnn import layers
from tests.helpers.contract import CASES, CHANNELS, FIELDS, SIZE
from tests.helpers.gradients import gradient

MAPS = (2, SIZE, SIZE, CHANNELS)
TRAINED = (keras.layers.BatchNormalization, layers.GDropout, layers.SteerableDropout)


class TurnByTheirCorner(keras.Layer):
    """Turns maps by vectors that are read from them."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.turn = layers.TurnByVector(dtype=self.dtype_policy)

    def build(self, input_shape):
        self.turn.build([input_shape, (None, 2)])

    def call(self, inputs):
        return self.turn([inputs, inputs[:, 0, 0, :2]])


def every_layer(policy):
    yield from (case.make(dtype=policy) for case in CASES)
    bias = {"activation": "softplus", "bias_initializer": "ones"}
    yield layers.NormActivation(FIELDS, dtype=policy, **bias)
    yield layers.UnitDirection(dtype=policy)
    yield layers.VonMisesFisherHead(3, dtype=policy)
    yield TurnByTheirCorner(dtype=policy)


# A constant of 1000.5, exact in float16, whose square has a rounding error far above epsilon.
@pytest.mark.parametrize(
    ("policy", "value"),
    [
        ("float32", 0.0),
        ("float32", 1000.5),
        ("float64", 0.0),
        ("mixed_float16", 0.0),
        ("mixed_float16", 1000.5),
        ("mixed_bfloat16", 0.0),
        ("float16", 1e-6),
    ],
)
def test_every_layer(policy, value):
    made = list(every_layer(policy))
    dtype = policy if policy.startswith("float") else "float32"
    maps = np.full((len(made), *MAPS), value, dtype)

    def total(stacked):
        """The sum of all outputs, with weights of either sign; all layers are compiled at once."""
        result = []
        for number, layer in enumerate(made):
            call = {"training": True} if isinstance(layer, TRAINED) else {}
            for one in keras.tree.flatten(layer(stacked[number], **call)):
                one = ops.cast(one, "float64" if dtype == "float64" else "float32")
                signs = np.cos(np.arange(np.prod(one.shape))).reshape(one.shape)
                result.append(ops.sum(one * ops.cast(signs, one.dtype)))
        return ops.stack(result)

    for layer in made:
        layer.build(MAPS)
    slopes = gradient(total, maps).astype("float64")
    assert np.isfinite(ops.convert_to_numpy(total(ops.convert_to_tensor(maps)))).all()
    largest = np.abs(slopes).reshape(len(made), -1).max(axis=1)
    for layer, one in zip(made, largest, strict=True):
        assert one <= 2000, layer.name
