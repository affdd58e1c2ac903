"""Batch normalisation with statistics pooled over orientations."""

from __future__ import annotations

import keras
from keras import ops

from keras_gcnn import groups
from keras_gcnn.layers.base import count_fields


@keras.saving.register_keras_serializable(package="keras_gcnn")
class GBatchNormalization(keras.layers.BatchNormalization):
    """Batch normalisation of feature maps on a group.

    Mean, variance, scale and offset are one number per field, shared by its `|G|` orientations.
    With a statistic per orientation, as the stock layer has it, training is not equivariant: it
    would see in which orientations the images of the batch happen to lie.

    Args:
        group: str or `keras_gcnn.groups.Group`. `"z2"` makes it the stock layer.
        axis: int, the channel axis: `-1`, or `1` for channels first.
        synchronized: bool, whether statistics are taken over all replicas (TensorFlow only, as in
            Keras; on JAX they are so under `keras.distribution` anyway). As in Keras, they are not
            if there is a mask.
        **kwargs: arguments of `keras.layers.BatchNormalization` (`momentum`, `epsilon`, `center`,
            `scale`, initializers, regularizers, constraints), without `renorm`.

    Input shape:
        `(batch, ..., c * |G|)`.

    Output shape:
        Same as the input.

    Call arguments:
        inputs: the feature maps.
        training: bool, whether to normalize by the batch or by the moving statistics.
        mask: bool tensor with the axes of the input but for the channels, or None. Where it is
            False, in all orientations, nothing counts towards the batch's statistics.

    Raises:
        ValueError: if the channels are no multiple of `|G|`, if the input has no axis `axis` or
            the mask not one axis less than the input, or for `renorm=True`.

    Example:

    >>> import numpy as np
    >>> from keras_gcnn.layers import GBatchNormalization
    >>> layer = GBatchNormalization(group="p4")
    >>> outputs = layer(np.zeros((1, 8, 8, 12)))
    >>> layer.count_params()  # scale, offset and two moving statistics per field
    12

    References:
        Ioffe & Szegedy 2015, algorithm 1; Cohen & Welling 2016, section 6.3.
    """

    def __init__(
        self,
        group: str | groups.Group = "p4",
        axis: int = -1,
        *,
        synchronized: bool = False,
        **kwargs,
    ):
        if kwargs.pop("renorm", False):
            raise ValueError("GBatchNormalization has no renorm. Leave `renorm` out.")
        for unused in ("renorm_clipping", "renorm_momentum"):  # the parent's config names them
            kwargs.pop(unused, None)
        super().__init__(axis=axis, synchronized=synchronized, **kwargs)
        self.group = groups.get(group)

    def build(self, input_shape):
        shape = list(input_shape)
        if not -len(shape) <= self.axis < len(shape):
            raise ValueError(
                f"{type(self).__name__} {self.name!r} normalizes axis={self.axis}; the input has "
                f"shape {tuple(shape)}. Use axis=-1, or axis=1 for channels first."
            )
        shape[self.axis] = count_fields(self, input_shape, self.group, self.axis)
        super().build(shape)
        self.input_spec = keras.layers.InputSpec(
            ndim=len(shape), axes={self.axis: input_shape[self.axis]}
        )

    def _moments_per_channel(self, inputs, mask):
        if mask is None:
            return ops.moments(inputs, axes=self._reduction_axes, synchronized=self.synchronized)
        if len(mask.shape) != len(inputs.shape) - 1:
            raise ValueError(
                f"{type(self).__name__} {self.name!r} received a mask of shape "
                f"{tuple(mask.shape)} for an input of shape {tuple(inputs.shape)}. It has to have "
                "the axes of the input but for the channels."
            )
        counts = ops.cast(ops.expand_dims(mask, self.axis), "bool")

        def kept(values):  # chosen, not multiplied by zero: what is masked may be NaN
            return ops.where(counts, values, 0)

        def mean(values):
            return ops.sum(values, self._reduction_axes, keepdims=True) / total

        # Keras's small number keeps a batch in which nothing counts from dividing by zero.
        total = keras.config.epsilon()
        total = total + ops.sum(kept(ops.ones_like(inputs)), self._reduction_axes, keepdims=True)
        centre = mean(kept(inputs))
        variance = mean(ops.square(kept(inputs - centre)))
        return ops.reshape(centre, (-1,)), ops.reshape(variance, (-1,))

    def _pooled_moments(self, inputs, mask):
        """Mean and variance per field, from those per channel.

        A field's variance is the mean of its orientations' variances plus the variance of their
        means, which costs no second pass over the feature map.
        """
        means, variances = self._moments_per_channel(inputs, mask)
        means = ops.reshape(means, (-1, self.group.order))
        variances = ops.reshape(variances, (-1, self.group.order))
        mean, between = ops.moments(means, axes=[-1])
        return mean, ops.moments(variances, axes=[-1])[0] + between

    def _per_channel(self, values, dtype):
        if values is None:
            return None
        return ops.repeat(ops.cast(values, dtype), self.group.order)

    def call(self, inputs, training=None, mask=None):
        if keras.backend.standardize_dtype(inputs.dtype) in ("float16", "bfloat16"):
            inputs = ops.cast(inputs, "float32")  # half precision cannot hold the statistics
        if training and self.trainable:
            mean, variance = self._pooled_moments(inputs, mask)
            for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
                kept = ops.cast(moving, batch.dtype) * self.momentum
                moving.assign(kept + batch * (1.0 - self.momentum))
        else:
            mean, variance = self.moving_mean, self.moving_variance
        outputs = ops.batch_normalization(
            inputs,
            self._per_channel(mean, inputs.dtype),
            self._per_channel(variance, inputs.dtype),
            axis=self.axis,
            offset=self._per_channel(self.beta, inputs.dtype),
            scale=self._per_channel(self.gamma, inputs.dtype),
            epsilon=self.epsilon,
        )
        return ops.cast(outputs, self.compute_dtype)

    def get_config(self) -> dict:
        config = super().get_config()
        for unused in ("renorm", "renorm_clipping", "renorm_momentum"):
            config.pop(unused, None)
        return {**config, "group": self.group.name}
