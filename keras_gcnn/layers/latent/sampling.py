"""Draws latent vectors in training and returns their mean otherwise."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_gcnn.arguments import check_choice, check_count
from keras_gcnn.distributions import gaussian
from keras_gcnn.types import Shape, Tensor


class SamplingLayer(keras.layers.Layer):
    """What layers that sample have in common, whatever they draw from.

    Args:
        samples: int, samples of each distribution, along a new axis after the batch; or None
            (default) for one, without a new axis.
        at_inference: `"mean"` (default) or `"sample"`, what to return when not training.
        seed: int, or None for a random one.
        **kwargs: arguments of `keras.Layer`, such as `name` and `dtype`.
    """

    # What the pair of inputs is, for messages.
    _first, _second = "means", "spreads"

    def __init__(
        self,
        samples: int | None = None,
        *,
        at_inference: str = "mean",
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.samples = None if samples is None else check_count("samples", samples)
        self.at_inference = check_choice("at_inference", at_inference, ("mean", "sample"))
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def _draw(self, first: Tensor, second: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Samples of shape `(*shape, batch, ..., dim)`."""
        raise NotImplementedError

    def _second_shape(self, first: tuple) -> tuple:
        """The shape that the second input has to have."""
        raise NotImplementedError

    def build(self, input_shape: Shape) -> None:
        self.compute_output_shape(input_shape)
        self.built = True

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        mean, spread = inputs
        shape = () if self.samples is None else (self.samples,)
        if training or self.at_inference == "sample":
            self._check_recording()
            found = self._draw(mean, spread, shape)
        else:
            mean = ops.convert_to_tensor(mean)
            found = ops.broadcast_to(mean, (*shape, *ops.shape(mean)))
        return ops.moveaxis(found, 0, 1) if shape else found

    def _check_recording(self) -> None:
        """Raises a `ValueError` if PyTorch writes a graph, which would not draw anew."""
        if keras.backend.backend() != "torch":
            return
        import torch

        if torch.compiler.is_exporting() or torch.jit.is_tracing():
            raise ValueError(
                f"{type(self).__name__} {self.name!r} draws random numbers, which PyTorch neither "
                'traces nor exports. Use at_inference="mean" and training=False, or export the '
                "model up to this layer and draw from its outputs afterwards."
            )

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        pair = isinstance(input_shape, list | tuple) and len(input_shape) == 2
        if not pair or not all(isinstance(one, list | tuple) for one in input_shape):
            raise ValueError(
                f"{type(self).__name__} {self.name!r} takes the pair of {self._first} and "
                f"{self._second}, layer([first, second]); it received the shape {input_shape}."
            )
        first, second = map(tuple, input_shape)
        wanted = self._second_shape(first)
        if len(second) != len(first) or second[-1] != wanted[-1]:
            raise ValueError(
                f"{type(self).__name__} {self.name!r} received {self._first} of shape {first} and "
                f"{self._second} of shape {second}; the latter have to be of shape {wanted}."
            )
        return (first[0], *([] if self.samples is None else [self.samples]), *first[1:])

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "samples": self.samples,
            "at_inference": self.at_inference,
            "seed": self.seed,
        }


@keras.saving.register_keras_serializable(package="keras_gcnn")
class GaussianSampling(SamplingLayer):
    """Draws from normal distributions in training, and returns their mean otherwise.

    The coordinates are independent. Gradients flow through the samples into means and variances.

    Args:
        samples: int, samples of each distribution, along a new axis after the batch; or None
            (default) for one, without a new axis.
        at_inference: `"mean"` (default) or `"sample"`, what to return when not training.
        seed: int, or None for a random one.
        **kwargs: arguments of `keras.Layer`, such as `name` and `dtype`.

    Input shape:
        The pair of means and logarithms of variances, both `(batch, ..., dim)`.

    Output shape:
        `(batch, ..., dim)`, or `(batch, samples, ..., dim)`.

    Call arguments:
        inputs: the pair.
        training: bool, whether to draw.

    Raises:
        ValueError: if the inputs are no such pair.

    Example:

    >>> import numpy as np
    >>> from keras_gcnn.layers import GaussianSampling
    >>> layer = GaussianSampling(samples=10, seed=0)
    >>> tuple(layer([np.zeros((4, 3)), np.zeros((4, 3))], training=True).shape)
    (4, 10, 3)

    References:
        Kingma & Welling 2014, "Auto-Encoding Variational Bayes", section 2.4.
    """

    _first, _second = "means", "logarithms of variances"

    def _draw(self, first: Tensor, second: Tensor, shape: Shape) -> Tensor:
        return gaussian.sample(first, second, seed=self.seed_generator, shape=shape)

    def _second_shape(self, first: Tensor) -> Shape:
        return first
