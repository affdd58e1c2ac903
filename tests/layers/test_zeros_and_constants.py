"""Maps of zeros and constant maps give finite outputs and gradients of ordinary size."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_gcnn import layers
from tests.helpers.compiling import without_optimizing
from tests.helpers.contract import CASES, CHANNELS, FIELDS, SIZE
from tests.helpers.gradients import gradient
from tests.helpers.levels import COMPILING, thoroughly

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
        *thoroughly(("mixed_float16", 1000.5), ("mixed_bfloat16", 1e-6), on=COMPILING),
    ],
)
def test_every_layer(policy, value):
    made = list(every_layer(policy))
    for layer in made:
        layer.build(MAPS)

    def total(stacked):
        """The sum of all outputs, with weights of either sign; all layers are compiled at once."""
        result = []
        for number, layer in enumerate(made):
            call = {"training": True} if isinstance(layer, TRAINED) else {}
            state = [
                [weight.value for weight in weights]
                for weights in (layer.trainable_variables, layer.non_trainable_variables)
            ]
            outputs, _ = layer.stateless_call(*state, stacked[number], **call)
            for one in keras.tree.flatten(outputs):
                one = ops.cast(one, "float32")
                signs = np.cos(np.arange(np.prod(one.shape))).reshape(one.shape)
                # An output that is not finite gives a gradient that is not.
                weights = ops.cast(signs, "float32") + 0 * ops.stop_gradient(one)
                result.append(ops.sum(one * weights))
        return ops.stack(result)

    with without_optimizing():
        slopes = gradient(total, np.full((len(made), *MAPS), value, "float32"))
    largest = np.abs(slopes).reshape(len(made), -1).max(axis=1)
    for layer, one in zip(made, largest, strict=True):
        assert one <= 2000, layer.name  # not so if it is NaN
