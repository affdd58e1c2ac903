"""The encoder and the decoder of the variational autoencoders, from pixels and back to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import keras

from keras_gcnn import groups
from keras_gcnn.backend.initial_weights import call_new
from keras_gcnn.layers import Fields, GOrientation, UnitDirection
from keras_gcnn.layers.common.stock_convolution import Conv2D, Conv2DTranspose
from keras_gcnn.layers.common.stock_in_graphs import BatchNormalization, Rescaling
from keras_gcnn.zoo import steerable_graph_builder as steerable
from keras_gcnn.zoo.graph_builder import EPSILON, MOMENTUM, GraphBuilder, Maps
from keras_gcnn.zoo.steerable_graph_builder import FieldMaps, SteerableGraphBuilder

_SAMPLES = 16
HALVED = 2**steerable.POOLED


@dataclass(frozen=True)
class Found:
    """What an encoder has before its head; tensors are None where parameters are only counted."""

    parameters: int
    channels: int
    features: keras.KerasTensor | None
    orientation: keras.KerasTensor | None


@dataclass(frozen=True)
class Convolutions:
    """Convolutional encoders and decoders, but for their widths.

    Attributes:
        group: of the encoder, `None` for SO(2).
        sizes: rows and columns of the image.
        channels: of the image.
        kernel_sizes: of the convolutions.
        max_frequency: of the fields under SO(2).
        features: invariant channels after the last convolution.
        dropout: rate after every activation.
        orientation: whether it finds the angle too.
        data_format: `"channels_last"` or `"channels_first"`.
    """

    group: groups.Group | None
    sizes: tuple[int, int]
    channels: int
    kernel_sizes: tuple[int, ...]
    max_frequency: int
    features: int
    dropout: float
    orientation: bool
    data_format: str

    @property
    def smallest(self) -> int:
        """Rows and columns of an image with which the last maps hold the window."""
        # Pooling on a group rounds down, that of fields up.
        return HALVED * steerable.WINDOW if self.group else HALVED * (steerable.WINDOW - 1) + 1

    def encode(self, widths: Sequence[int], image: keras.KerasTensor | None = None) -> Found:
        """Adds everything from the image to a vector of features, and to a direction if wanted."""
        if image is not None:
            image = Rescaling(steerable.SCALE, name="normalization")(image)
        add = _on_fields if self.group is None else _on_a_group
        net, features, pose = add(self, widths, image)
        direction = None
        if pose is not None and pose.tensor is not None:
            precision = keras.config.dtype_policy().variable_dtype
            direction = UnitDirection(dtype=precision, name="orientation")(pose.tensor)
        return Found(net.parameters, self.features, features.tensor, direction)

    def decoder(self, latent_dim: int, widths: Sequence[int]) -> keras.Model:
        """From latent vectors to logits of pixels."""
        return _decoder(self, latent_dim, widths)


def _on_fields(form: Convolutions, widths, image):
    """Steerable convolutions; the features do not change when the image is turned."""
    net = SteerableGraphBuilder(form.data_format, steerable.BAND_LIMIT, _SAMPLES)
    x = net.stages(
        FieldMaps(Fields.trivial(form.channels), image),
        [Fields.regular(width, form.max_frequency) for width in widths],
        form.kernel_sizes,
        blur=steerable.BLUR,
        pooling=steerable.POOLING,
        dropout=form.dropout,
    )
    pose = None
    if form.orientation:
        pose = net.convolution(x, Fields({1: 1}), steerable.WINDOW, "pose", "valid")
        pose = net.mean(pose, "pose_mean")
    x = net.invariants(x, form.features, steerable.WINDOW, "invariants")
    return net, net.vector(net.normalization(x, "invariants_norm")), pose


def _on_a_group(form: Convolutions, widths, image):
    """Convolutions on a group; the features do not change under it."""
    net = GraphBuilder(form.group, data_format=form.data_format)
    x = Maps(form.channels, None, form.sizes, image)
    for stage, (width, size) in enumerate(zip(widths, form.kernel_sizes, strict=True), start=1):
        x = net.convolution(x, width, size, f"conv{stage}", use_bias=False)
        x = net.normalization(x, f"norm{stage}")
        x = net.relu(x, f"activation{stage}")
        x = net.dropout(x, form.dropout, f"dropout{stage}")
        if stage <= steerable.POOLED:
            x = net.average(x, f"pool{stage}")
    window = {"padding": "valid", "use_bias": False}
    pose = None
    if form.orientation:
        pose = net.convolution(x, 1, steerable.WINDOW, "pose", **window)
        if pose.tensor is not None:
            layer = GOrientation(form.group, data_format=form.data_format, name="pose_mean")
            vector = keras.layers.Reshape((2,), name="pose_vector")(layer(pose.tensor))
            pose = Maps(2, None, (1, 1), vector)
    x = net.convolution(x, form.features, steerable.WINDOW, "invariants", **window)
    x = net.relu(net.normalization(x, "invariants_norm"), "invariants_activation")
    return net, net.head(x, "invariant", "mean"), pose


def _decoder(form: Convolutions, latent_dim: int, widths: Sequence[int]) -> keras.Model:
    """A dense layer and three transposed convolutions of these widths, and a convolution."""
    first = form.data_format == "channels_first"
    small = [-(-size // HALVED) for size in form.sizes]
    shape = (widths[0], *small) if first else (*small, widths[0])
    # Latent vectors are short, and batch normalisation would take long to learn of small weights.
    weights = {"use_bias": False, "kernel_initializer": "he_normal"}

    def activated(x, stage: int):
        x = BatchNormalization(
            1 if first else -1, momentum=MOMENTUM, epsilon=EPSILON, name=f"norm{stage}"
        )(x)
        x = keras.layers.ReLU(name=f"activation{stage}")(x)
        if not form.dropout:
            return x
        return keras.layers.Dropout(form.dropout, name=f"dropout{stage}")(x)

    def enlarged(x, filters: int, stage: int, strides: int):
        layer = Conv2DTranspose(
            filters,
            # No pixel gets more terms than its neighbours where the stride divides the kernel.
            2 * strides if strides > 1 else 3,
            strides=strides,
            padding="same",
            **weights,
            data_format=form.data_format,
            name=f"conv{stage}",
        )
        return activated(call_new(layer, x), stage)

    z = keras.Input((latent_dim,), name="z")
    dense = keras.layers.Dense(small[0] * small[1] * widths[0], **weights, name="dense")
    x = call_new(dense, z)
    x = activated(keras.layers.Reshape(shape, name="maps")(x), 0)
    strides = (1, *(2,) * steerable.POOLED)
    for stage, (width, stride) in enumerate(zip(widths, strides, strict=True), start=1):
        x = enlarged(x, width, stage, stride)
    surplus = [HALVED * few - size for few, size in zip(small, form.sizes, strict=True)]
    if any(surplus):
        crop = [(extra // 2, extra - extra // 2) for extra in surplus]
        x = keras.layers.Cropping2D(crop, data_format=form.data_format, name="crop")(x)
    precision = keras.config.dtype_policy().variable_dtype
    logits = Conv2D(
        form.channels,
        3,
        padding="same",
        data_format=form.data_format,
        dtype=precision,
        name="logits",
    )
    return keras.Model(z, call_new(logits, x), name="decoder")
