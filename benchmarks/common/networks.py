"""The timed networks: three convolutions with normalisation and ELU, and a head.

They have equal channels and equal work: stock layers, group layers, and steerable layers.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext

from benchmarks.common import harness

SHAPE = (28, 28, 1)
CLASSES = 10
CHANNELS = (64, 64, 128)  # orientations included
GROUP_KERNEL = 5
FIELDS = (16, 16, 32)
FREQUENCY = 5
SAMPLES = 16
FIELD_KERNEL = 3
WIDE_CHANNELS, WIDE_KERNEL = (256, 256, 256), 3
# Regular fields of finite groups, of equal channels.
GROUP_FIELDS = {"c8": (16, 16, 32), "d8": (8, 8, 16)}


def _recomputed(wanted: bool):
    """A scope whose layers keep their input only, and recompute the rest for the gradient."""
    import keras

    return keras.RematScope("full") if wanted else nullcontext()


def _model(put) -> object:
    """A compiled model that applies `put` to the image, always from the same seed."""
    import keras

    keras.utils.set_random_seed(0)
    image = keras.Input(harness.in_format(SHAPE))
    return harness.compile_classifier(keras.Model(image, put(image)))


def stock(channels: Iterable[int], kernel: int):
    """The network of stock layers."""
    import keras

    axis = 1 if keras.config.image_data_format() == "channels_first" else -1

    def put(x):
        for number in channels:
            x = keras.layers.Conv2D(number, kernel, padding="same", use_bias=False)(x)
            x = keras.layers.BatchNormalization(axis)(x)
            x = keras.layers.Activation("elu")(x)
        x = keras.layers.GlobalAveragePooling2D()(x)
        return keras.layers.Dense(CLASSES)(x)

    return _model(put)


def on_group(
    group: str,
    channels: Iterable[int] = CHANNELS,
    kernel: int = GROUP_KERNEL,
    *,
    recomputed: bool = False,
):
    """The network of group convolutions; its head pools over positions and orientations."""
    import keras

    from keras_gcnn import groups, layers

    order = groups.get(group).order

    def put(x):
        convolution = layers.LiftingConv2D
        for number in channels:
            x = convolution(number // order, kernel, group, padding="same", use_bias=False)(x)
            x = layers.GBatchNormalization(group)(x)
            with _recomputed(recomputed):
                activation = keras.layers.Activation("elu")
            x = activation(x)
            convolution = layers.GConv2D
        return keras.layers.Dense(CLASSES)(layers.GGlobalPooling("mean", group)(x))

    return _model(put)


def steerable(
    fields: Iterable[int] = FIELDS,
    kernel: int = FIELD_KERNEL,
    *,
    recomputed: bool = False,
    band_limit: float | str = 0.1,
    group: str = "so2",
):
    """The network of steerable convolutions."""
    import keras

    from keras_gcnn import layers

    def put(x):
        after = layers.Fields.trivial(SHAPE[-1])
        for number in fields:
            highest = FREQUENCY if group == "so2" else None
            before, after = after, layers.Fields.regular(number, highest, group)
            convolution = layers.SteerableConv2D(
                before, after, kernel, padding="same", use_bias=False, band_limit=band_limit
            )
            x = layers.SteerableBatchNormalization(after)(convolution(x))
            with _recomputed(recomputed):
                samples = SAMPLES if group == "so2" else None
                activation = layers.FourierActivation(after, "elu", samples=samples)
            x = activation(x)
        x = keras.layers.GlobalAveragePooling2D()(x)
        return layers.InvariantMap(after, CLASSES)(x)

    return _model(put)


def field_channels(fields: Iterable[int], group: str = "so2") -> list[int]:
    """Channels of the maps of `steerable`."""
    from keras_gcnn.layers import Fields

    highest = FREQUENCY if group == "so2" else None
    return [Fields.regular(number, highest, group).channels for number in fields]
