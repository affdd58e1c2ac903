"""Base of the batch normalisations whose statistics several channels share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_gcnn.arguments import check_from_zero, is_number
from keras_gcnn.backend.ops import batch_normalization, moments, widened
from keras_gcnn.layers.common.base import as_numbers
from keras_gcnn.layers.common.shared_weights import SharesWeights, default_axis
from keras_gcnn.types import Shape, Tensor

_RENORM = ("renorm_clipping", "renorm_momentum")


def _anything_counts(inputs: Tensor, mask: Tensor | None) -> bool | Tensor:
    """Whether a batch has statistics: a bool, or a tensor if the graph decides.

    They would be NaN for a batch without images, which a replica can receive.
    """
    if mask is not None:
        return ops.any(ops.cast(mask, "bool"))
    sizes = ops.shape(inputs)
    unknown = [size for size in sizes if ops.is_tensor(size)]
    if 0 in [size for size in sizes if not ops.is_tensor(size)]:
        return False
    return ops.all(ops.stack(unknown) > 0) if unknown else True


class SharedBatchNormalization(SharesWeights, keras.layers.BatchNormalization):
    """Base of the layers whose statistics, scale and offset several channels share.

    A subclass also pools the moments of the channels in `_pooled_moments`.
    """

    def __init__(
        self, axis: int | None = None, *, synchronized: bool = False, **kwargs: Any
    ) -> None:
        if kwargs.pop("renorm", False):
            raise ValueError(f"{type(self).__name__} has no renorm. Leave `renorm` out.")
        for unused in _RENORM:  # the config of the parent contains them
            kwargs.pop(unused, None)
        # The stock layer takes -1 by default, and any momentum and epsilon.
        super().__init__(axis=default_axis(axis), synchronized=synchronized, **kwargs)
        if not is_number(self.momentum) or not 0 <= self.momentum <= 1:
            raise ValueError(
                f"momentum={self.momentum!r} has to be a number from 0 to 1, the share of the old "
                "statistics that each step keeps, e.g. 0.99."
            )
        check_from_zero("epsilon", self.epsilon, example=1e-3)

    def _pooled_moments(self, means: Tensor, variances: Tensor) -> tuple[Tensor, Tensor]:
        raise NotImplementedError

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        means, variances = self._sizes(input_shape)
        self.moving_mean = self._add_shared("moving_mean", means, trainable=False)
        self.moving_variance = self._add_shared("moving_variance", variances, trainable=False)
        rank = len(input_shape)
        self._reduction_axes = [at for at in range(rank) if at != self.axis % rank]

    def _moments_per_channel(
        self, inputs: Tensor, mask: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Returns the map to normalise, and mean and variance of every channel."""
        if mask is None:
            return moments(inputs, self.axis, self.synchronized)
        if len(mask.shape) != len(inputs.shape) - 1:
            raise ValueError(
                f"{type(self).__name__} {self.name!r} received a mask of shape "
                f"{tuple(mask.shape)} for an input of shape {tuple(inputs.shape)}. It has to have "
                "all axes of the input except the channels."
            )
        counts = ops.cast(ops.expand_dims(mask, self.axis), "bool")

        def kept(values: Tensor) -> Tensor:
            # Selects and does not multiply by zero, since masked values may be NaN.
            return ops.where(counts, values, 0)

        def mean_of(values: Tensor) -> Tensor:
            return ops.sum(values, self._reduction_axes, keepdims=True) / total

        # Keras's epsilon avoids a division by zero for a batch that is masked entirely.
        total = keras.config.epsilon()
        total = total + ops.sum(kept(ops.ones_like(inputs)), self._reduction_axes, keepdims=True)
        centre = mean_of(kept(inputs))
        variance = mean_of(ops.square(kept(inputs - centre)))
        return inputs, ops.reshape(centre, (-1,)), ops.reshape(variance, (-1,))

    def _add_to_moving(self, moving: Tensor | None, batch: Tensor, counts: Tensor) -> Tensor:
        """Updates a moving statistic, and returns the statistic to normalise by."""
        if moving is None:
            return batch
        before = ops.cast(moving, batch.dtype)
        after = before * self.momentum + batch * (1.0 - self.momentum)
        if counts is not True:
            batch = ops.where(counts, batch, before)
            after = ops.where(counts, after, before)
        moving.assign(after)
        return batch

    def call(
        self, inputs: Tensor, training: bool | None = None, mask: Tensor | None = None
    ) -> Tensor:
        # Half precision cannot hold the statistics.
        inputs = widened(as_numbers(inputs, self.compute_dtype))
        mean, variance = self.moving_mean, self.moving_variance
        counts = False
        if training and self.trainable:  # Keras's statistics over all replicas are finite
            counts = (self.synchronized and mask is None) or _anything_counts(inputs, mask)
        if counts is not False:
            inputs, *per_channel = self._moments_per_channel(inputs, mask)
            batch = self._pooled_moments(*per_channel)
            mean = self._add_to_moving(mean, batch[0], counts)
            variance = self._add_to_moving(variance, batch[1], counts)

        def expanded(layout: Any, values: Tensor) -> Tensor | None:
            return None if values is None else layout(ops.cast(values, inputs.dtype))

        variance = expanded(self._scales_of, variance)
        mean = expanded(self._means_of, mean)
        outputs = batch_normalization(
            inputs,
            ops.zeros_like(variance) if mean is None else mean,
            variance,
            axis=self.axis,
            offset=expanded(self._means_of, self.beta),
            scale=expanded(self._scales_of, self.gamma),
            epsilon=self.epsilon,
        )
        return ops.cast(outputs, self.compute_dtype)

    def _layouts(self) -> dict[str, Callable[[Tensor], Tensor]]:
        moving = {"moving_mean": self._means_of, "moving_variance": self._scales_of}
        return {**super()._layouts(), **moving}

    def expanded_statistics(self) -> dict[str, np.ndarray]:
        """Returns the weights of a stock layer that is equal at inference, by their names.

        Returns:
            Arrays of one number per channel: `moving_mean` and `moving_variance`, and `gamma` and
            `beta` where the layer has them.

        Raises:
            ValueError: if the layer is not built.
        """
        statistics = self.expanded_weights()
        # Fields without frequency 0 have no mean.
        statistics.setdefault("moving_mean", np.zeros_like(statistics["moving_variance"]))
        return statistics

    def get_config(self) -> dict:
        config = super().get_config()
        for unused in ("renorm", *_RENORM):
            config.pop(unused, None)
        return config
