"""Every network of the zoo, small enough to be tested on each backend."""

import functools

import keras
import numpy as np
import pytest

from keras_gcnn import zoo
from keras_gcnn.backend.stateless import without_trace
from tests.helpers.levels import COMPILING, thoroughly

GROUPS = ("z2", "p4", "p4m")

# A builder with the arguments that keep it small. New builders are added here and go through every
# test of test_networks.py and test_equivariance.py.
BUILDERS = {
    "lenet": {"widths": (3, 4)},
    "cohen_cnn": {"widths": (2, 3, 3, 2, 2, 3)},
    "allcnn": {"widths": (2, 3, 3)},
    "resnet": {"widths": (2, 3, 4), "depth": 8},
    "densenet": {"widths": (2, 1, 2), "blocks": 3, "layers": 2},
}
# What turns dropout off, where there is some.
WITHOUT_DROPOUT = {"cohen_cnn": {"dropout": 0.0}, "allcnn": {"dropout": (0.0, 0.0)}}
# With other arguments; test_so2cnn.py, test_steerable_cnn.py and test_wide_resnet.py test them.
OTHERS = {"so2cnn": {}, "steerable_cnn": {}, "wide_resnet": {"depth": 10, "width": 1}}
# Covered by the tests of `resnet`.
SHORTHANDS = {"resnet20": 20, "resnet26": 26, "resnet44": 44}

every_network = pytest.mark.parametrize("builder", BUILDERS)
# For what PyTorch shows of every network: the others run the smallest, and the rest thoroughly.
a_network = pytest.mark.parametrize(
    "builder", ["lenet", *thoroughly(*(one for one in BUILDERS if one != "lenet"), on=COMPILING)]
)
every_group = pytest.mark.parametrize("group", GROUPS)


def build(builder, group, **arguments):
    """A network with random weights throughout: fresh biases of zero would hide mistakes."""
    keras.utils.set_random_seed(0)
    defaults = {"input_shape": (28, 28, 1), **(BUILDERS | OTHERS).get(builder, {})}
    if group is not None:
        defaults["group"] = group
    network = getattr(zoo, builder)(**{**defaults, **arguments})
    generator = np.random.default_rng(0)
    # Statistics as if the maps varied little, so that signals grow and reach the end.
    spreads = {"gamma": (0.5, 1.5), "moving_variance": (0.05, 0.2)}
    for variable in network.variables:
        if variable.name in ("bias", "beta", "moving_mean"):
            variable.assign(generator.normal(size=variable.shape, scale=0.3))
        elif variable.name in spreads:
            variable.assign(generator.uniform(*spreads[variable.name], size=variable.shape))
    return network


@functools.lru_cache(maxsize=2)
def compiled(model):
    """The model as a function: JAX compiles every operation of what is called as it is."""
    return without_trace(model)


def predict(model, x):
    """What a model returns, without the loop of `predict`, which is compiled for every model."""
    return keras.ops.convert_to_numpy(compiled(model)(x))


def images(shape, n=4, seed=1):
    return np.random.default_rng(seed).random((n, *shape), dtype="float32")


def count(network):
    return sum(int(np.prod(variable.shape)) for variable in network.trainable_variables)
