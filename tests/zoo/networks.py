"""Every network of the zoo, small enough to be tested on each backend."""

import keras
import numpy as np
import pytest

from keras_gcnn import zoo

GROUPS = ("z2", "p4", "p4m")

# A builder with the arguments that keep it small. New builders are added here and go through every
# test of test_networks.py.
BUILDERS = {"lenet": {"parameters": 14_000}}

every_network = pytest.mark.parametrize("builder", BUILDERS)
every_group = pytest.mark.parametrize("group", GROUPS)


def build(builder, group, **arguments):
    """A network with random weights throughout: fresh biases of zero would hide mistakes."""
    keras.utils.set_random_seed(0)
    network = getattr(zoo, builder)(group=group, **{**BUILDERS[builder], **arguments})
    generator = np.random.default_rng(0)
    for variable in network.trainable_variables:
        if variable.name == "bias":
            variable.assign(generator.normal(size=variable.shape, scale=0.3))
    return network


def images(shape, n=4, seed=1):
    return np.random.default_rng(seed).random((n, *shape), dtype="float32")
