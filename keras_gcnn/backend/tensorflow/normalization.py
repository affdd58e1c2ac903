"""Batch normalisation on TensorFlow in as few passes over the map as its own operation takes.

Keras composes it of elementwise operations, which read and write the whole map, as do their
gradients, and the operation of TensorFlow has no statistics that channels share. Here this
operation does the work per channel, and the layers share the results, which are small.
"""

from __future__ import annotations

import tensorflow as tf


def supports(inputs: tf.Tensor, axis: int) -> bool:
    """Whether both operations take this map and are faster: on a CPU, not measured on a GPU."""
    if inputs.dtype != tf.float32 or len(inputs.shape) != 4 or axis not in (-1, 3):
        return False
    channels = inputs.shape[-1]
    # oneDNN has no fast form for other numbers of channels: twice to four times Keras's time.
    fast = channels is not None and channels % 4 == 0 and channels % 16 != 8
    return fast and not tf.config.list_physical_devices("GPU")


def moments(inputs: tf.Tensor, axis: int) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The map to normalise, and mean and variance of every channel; channels are the last axis."""
    del axis
    outputs: list[tf.Tensor] = []

    @tf.custom_gradient
    def mean_and_variance(inputs: tf.Tensor) -> tuple:
        channels = inputs.shape[-1]
        number = tf.cast(tf.size(inputs) // channels, inputs.dtype)
        normal = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=tf.ones(channels),
            offset=tf.zeros(channels),
            mean=tf.zeros(0),
            variance=tf.zeros(0),
        )

        def slope(of_mean: tf.Tensor, of_variance: tf.Tensor) -> tf.Tensor:
            (mean,) = outputs  # with a gradient, so that this one can be differentiated too
            return _affine(inputs, mean, 2 / number * of_variance, of_mean / number)

        # The operation returns the unbiased estimate of the variance.
        return (normal.batch_mean, normal.batch_variance * ((number - 1) / number)), slope

    mean, variance = mean_and_variance(inputs)
    outputs.append(mean)
    return inputs, mean, variance


def batch_normalization(
    inputs: tf.Tensor,
    mean: tf.Tensor,
    variance: tf.Tensor,
    axis: int,
    offset: tf.Tensor | None = None,
    scale: tf.Tensor | None = None,
    epsilon: float = 1e-3,
) -> tf.Tensor:
    """Computes `keras.ops.batch_normalization` of a map whose channels are the last axis."""
    del axis
    scale = tf.math.rsqrt(variance + epsilon) * (1.0 if scale is None else scale)
    return _affine(inputs, mean, scale, 0.0 if offset is None else offset)


def _affine(
    inputs: tf.Tensor, mean: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor | float
) -> tf.Tensor:
    """`(inputs - mean) scale + offset` in one pass."""
    centre = tf.stop_gradient(mean)  # the gradient in the mean goes through the offset instead
    return tf.raw_ops.FusedBatchNormV3(
        x=inputs,
        scale=scale,
        offset=(centre - mean) * scale + offset,
        mean=centre,
        variance=tf.ones_like(centre),
        epsilon=0.0,
        is_training=False,
    ).y
