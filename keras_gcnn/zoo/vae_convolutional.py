"""Convolutional encoders and decoders of the variational autoencoders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import keras

from keras_gcnn.backend.initial_weights import call_new
from keras_gcnn.groups import Group
from keras_gcnn.groups.point_group import PointGroup
from keras_gcnn.layers import Fields, GOrientation, UnitDirection
from keras_gcnn.layers.common.stock_convolution import Conv2D, Conv2DTranspose
from keras_gcnn.layers.common.stock_in_graphs import BatchNormalization, Rescaling
from keras_gcnn.zoo import steerable_graph_builder as steerable
from keras_gcnn.zoo.averaged_encoder import DIRECTION
from keras_gcnn.zoo.budget import Counted
from keras_gcnn.zoo.graph_builder import EPSILON, MOMENTUM, GraphBuilder, Maps
from keras_gcnn.zoo.steerable_graph_builder import FieldMaps, SteerableGraphBuilder
from keras_gcnn.zoo.symmetries import FieldType

HALVED = 2**steerable.POOLED


@dataclass(frozen=True)
class EncoderOutputs:
    """Outputs of an encoder before its head.

    Attributes:
        count: what is counted of the encoder.
        channels: number of features.
        features: the features, or None while a network is only counted.
        orientation: a unit vector per image, or None without a second head.
    """

    count: Counted
    channels: int
    features: keras.KerasTensor | None
    orientation: keras.KerasTensor | None


@dataclass(frozen=True)
class Convolutions:
    """Convolutional encoders and decoders whose widths are still open.

    Attributes:
        group: the group of the encoder; a `PointGroup` for steerable layers.
        sizes: rows and columns of the image.
        channels: channels of the image.
        kernel_sizes: kernel size of each convolution of the encoder.
        fields: what the fields of steerable layers are.
        features: invariant channels after the last convolution.
        dropout: rate after every activation.
        orientation: whether the encoder has a second head for the pose.
        data_format: `"channels_last"` or `"channels_first"`.
    """

    group: Group | PointGroup
    sizes: tuple[int, int]
    channels: int
    kernel_sizes: tuple[int, ...]
    fields: FieldType
    features: int
    dropout: float
    orientation: bool
    data_format: str

    @property
    def smallest(self) -> int:
        """The smallest number of rows and columns for which the window fits the last maps."""
        if isinstance(self.group, Group):
            return HALVED * steerable.WINDOW
        # The pooling of steerable layers rounds sizes up, that on groups down.
        return HALVED * (steerable.WINDOW - 1) + 1

    def encode(
        self, widths: Sequence[int], image: keras.KerasTensor | None = None
    ) -> EncoderOutputs:
        """Adds all layers from the image to the features and, with a second head, the pose.

        Args:
            widths: fields per convolution.
            image: the image, or None to count only.
        """
        if image is not None:
            image = Rescaling(steerable.SCALE, name="normalization")(image)
        if isinstance(self.group, Group):
            count, features, pose = _encode_on_group(self, self.group, widths, image)
        else:
            count, features, pose = _encode_by_angle(self, self.group, widths, image)
        direction = None
        if pose is not None:
            precision = keras.config.dtype_policy().variable_dtype
            direction = UnitDirection(dtype=precision, name=DIRECTION)(pose)
        return EncoderOutputs(count, self.features, features, direction)

    def decoder(self, latent_dim: int, widths: Sequence[int], scale: float = 1.0) -> keras.Model:
        """Returns the decoder, from latent vectors, which it scales, to logits of pixels."""
        return _decoder(self, latent_dim, widths, scale)


def scaled(z: keras.KerasTensor, scale: float) -> keras.KerasTensor:
    """Returns latent vectors times a number, by a layer if it is not 1."""
    return z if scale == 1 else Rescaling(scale, name="latent_scale")(z)


# What is counted, the features, and a vector that rotates with the image.
_Encoded = tuple[Counted, keras.KerasTensor | None, keras.KerasTensor | None]


def _encode_by_angle(
    settings: Convolutions,
    group: PointGroup,
    widths: Sequence[int],
    image: keras.KerasTensor | None,
) -> _Encoded:
    """Adds steerable convolutions; the features do not change when the image is rotated."""
    net = SteerableGraphBuilder(settings.data_format, steerable.BAND_LIMIT)
    x = net.stages(
        FieldMaps(Fields.trivial(settings.channels, group), settings.sizes, image),
        [settings.fields.make(width, group) for width in widths],
        settings.kernel_sizes,
        blur=steerable.BLUR,
        pooling=steerable.POOLING,
        dropout=settings.dropout,
    )
    pose = None
    if settings.orientation:
        vectors = net.convolution(x, Fields({1: 1}, group), steerable.WINDOW, "pose", "valid")
        pose = net.mean(vectors, "pose_mean").tensor
    x = net.invariants(x, settings.features, steerable.WINDOW, "invariants")
    features = net.vector(net.normalization(x, "invariants_norm"))
    return net, features.tensor, pose


def _encode_on_group(
    settings: Convolutions,
    group: Group,
    widths: Sequence[int],
    image: keras.KerasTensor | None,
) -> _Encoded:
    """Adds convolutions on a group; the features are invariant under it."""
    net = GraphBuilder(group, data_format=settings.data_format)
    window = partial(net.convolution, kernel_size=steerable.WINDOW, padding="valid", use_bias=False)
    x = Maps(settings.channels, None, settings.sizes, image)
    stages = zip(widths, settings.kernel_sizes, strict=True)
    for stage, (width, kernel_size) in enumerate(stages, start=1):
        x = net.convolution(x, width, kernel_size, f"conv{stage}", use_bias=False)
        x = net.normalization(x, f"norm{stage}")
        x = net.relu(x, f"activation{stage}")
        x = net.dropout(x, settings.dropout, f"dropout{stage}")
        if stage <= steerable.POOLED:
            x = net.average(x, f"pool{stage}")
    pose = None
    if settings.orientation:
        pose = window(x, 1, name="pose").tensor
        if pose is not None:
            layer = GOrientation(group, data_format=settings.data_format, name="pose_mean")
            pose = keras.layers.Reshape((2,), name="pose_vector")(layer(pose))
    x = window(x, settings.features, name="invariants")
    x = net.relu(net.normalization(x, "invariants_norm"), "invariants_activation")
    return net, net.head(x, "invariant", "mean").tensor, pose


def _decoder(
    settings: Convolutions, latent_dim: int, widths: Sequence[int], scale: float
) -> keras.Model:
    """Returns a dense layer, three transposed convolutions of these widths, and a convolution."""
    channels_first = settings.data_format == "channels_first"
    small = [-(-size // HALVED) for size in settings.sizes]
    shape = (widths[0], *small) if channels_first else (*small, widths[0])
    # Latent vectors are short, and with small weights batch normalisation would learn slowly.
    weights = {"use_bias": False, "kernel_initializer": "he_normal"}

    def activate(x: keras.KerasTensor, stage: int) -> keras.KerasTensor:
        x = BatchNormalization(
            1 if channels_first else -1, momentum=MOMENTUM, epsilon=EPSILON, name=f"norm{stage}"
        )(x)
        x = keras.layers.ReLU(name=f"activation{stage}")(x)
        if not settings.dropout:
            return x
        return keras.layers.Dropout(settings.dropout, name=f"dropout{stage}")(x)

    def enlarge(x: keras.KerasTensor, filters: int, stage: int, strides: int) -> keras.KerasTensor:
        layer = Conv2DTranspose(
            filters,
            # With a multiple of the stride every pixel is a sum of equally many terms.
            2 * strides if strides > 1 else 3,
            strides=strides,
            padding="same",
            **weights,
            data_format=settings.data_format,
            name=f"conv{stage}",
        )
        return activate(call_new(layer, x), stage)

    z = keras.Input((latent_dim,), name="z")
    dense = keras.layers.Dense(small[0] * small[1] * widths[0], **weights, name="dense")
    x = call_new(dense, scaled(z, scale))
    x = activate(keras.layers.Reshape(shape, name="maps")(x), 0)
    strides = (1, *(2,) * steerable.POOLED)
    for stage, (width, stride) in enumerate(zip(widths, strides, strict=True), start=1):
        x = enlarge(x, width, stage, stride)
    surplus = [HALVED * reduced - size for reduced, size in zip(small, settings.sizes, strict=True)]
    if any(surplus):
        crop = [(extra // 2, extra - extra // 2) for extra in surplus]
        x = keras.layers.Cropping2D(crop, data_format=settings.data_format, name="crop")(x)
    precision = keras.config.dtype_policy().variable_dtype
    logits = Conv2D(
        settings.channels,
        3,
        padding="same",
        data_format=settings.data_format,
        dtype=precision,
        name="logits",
    )
    return keras.Model(z, call_new(logits, x), name="decoder")
