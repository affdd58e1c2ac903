"""Autoencoders small enough to be tested on each backend, and what they return."""

import keras

from tests.zoo.networks import build, compiled

SMALL = {
    "so2": {"widths": (2, 2, 3), "max_frequency": 2},
    "o2": {"widths": (1, 2, 2), "max_frequency": 2},
    "c6": {"widths": (2, 2, 3)},
    "z2": {"widths": (3, 3, 4)},
    "p4": {"widths": (2, 2, 3)},
    "p4m": {"widths": (1, 2, 2)},
}


def small(group="p4", **arguments):
    defaults = {"decoder_widths": (4, 3, 3), "latent_dim": 3, "seed": 0}
    return build("vae", group, **{**defaults, **SMALL[group], **arguments})


def numbers(tensor):
    return keras.ops.convert_to_numpy(tensor)


def outputs(model, x):
    return {name: numbers(found) for name, found in compiled(model)(x).items()}
