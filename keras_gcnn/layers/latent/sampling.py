"""Sampling of latent vectors in training, and their mean at inference."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_gcnn.arguments import check_choice, check_count
from keras_gcnn.backend.random import is_recorded
from keras_gcnn.distributions import gaussian
from keras_gcnn.layers.common.base import as_numbers
from keras_gcnn.layers.latent.base import LatentLayer
from keras_gcnn.types import Shape, Tensor

# Parts of the docstrings of the layers that sample.
ARGUMENTS = """
    Args:
        samples: int, number of samples of each distribution, along a new axis after the batch; or
            None (default) for one sample, without a new axis.
        at_inference: `"mean"` (default) or `"sample"`, what the layer returns at inference.
        seed: int, or None for a random one.
        **kwargs: arguments of `keras.Layer`, such as `name` and `dtype`.
"""
OUTPUTS = """
    Output shape:
        `(batch, ..., dim)`, or `(batch, samples, ..., dim)`.

    Call arguments:
        inputs: the pair.
        training: bool, whether to draw.

    Raises:
        ValueError: if the inputs are not such a pair.
"""


class SamplingLayer(LatentLayer):
    __doc__ = f"""Base of the layers that sample.

    A subclass draws in `_draw` and names its pair of inputs, for messages, in `_inputs`.
    {ARGUMENTS}"""

    _inputs = ("means", "spreads")

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
        """Returns samples of shape `(*shape, batch, ..., dim)`."""
        raise NotImplementedError

    def _second_shape(self, first: tuple) -> tuple:
        """Returns the shape that the second input has to have."""
        raise NotImplementedError

    def build(self, input_shape: Shape) -> None:
        self.compute_output_shape(input_shape)
        self.built = True

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        mean, spread = (as_numbers(tensor, self.compute_dtype) for tensor in inputs)
        shape = () if self.samples is None else (self.samples,)
        if training or self.at_inference == "sample":
            self._check_recording()
            outputs = self._draw(mean, spread, shape)
        else:
            outputs = ops.broadcast_to(mean, (*shape, *ops.shape(mean)))
        return ops.moveaxis(outputs, 0, 1) if shape else outputs

    def _check_recording(self) -> None:
        """Raises a `ValueError` if PyTorch records a graph, which would not draw anew."""
        if is_recorded():
            raise ValueError(
                f"{type(self).__name__} {self.name!r} draws random numbers, which PyTorch neither "
                'traces nor exports. Use at_inference="mean" and training=False, or export the '
                "model up to this layer and draw from its outputs afterwards."
            )

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        shapes: Any = input_shape
        pair = isinstance(shapes, list | tuple) and len(shapes) == 2
        if not pair or not all(isinstance(shape, list | tuple) for shape in shapes):
            raise ValueError(
                f"{type(self).__name__} {self.name!r} takes a pair of {self._inputs[0]} and "
                f"{self._inputs[1]}, layer([first, second]); it received the shape {input_shape}."
            )
        first, second = map(tuple, shapes)
        wanted = self._second_shape(first)
        if len(second) != len(first) or second[-1] != wanted[-1]:
            raise ValueError(
                f"{type(self).__name__} {self.name!r} received {self._inputs[0]} of shape {first} "
                f"and {self._inputs[1]} of shape {second}. The second shape has to be {wanted}."
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
    __doc__ = f"""Draws from normal distributions in training; returns their mean at inference.

    The coordinates are independent. Gradients flow through the samples into means and variances.
    {ARGUMENTS}
    Input shape:
        The pair of means and logarithms of variances, both `(batch, ..., dim)`.
    {OUTPUTS}
    Example:

    >>> import numpy as np
    >>> from keras_gcnn.layers import GaussianSampling
    >>> layer = GaussianSampling(samples=10, seed=0)
    >>> tuple(layer([np.zeros((4, 3)), np.zeros((4, 3))], training=True).shape)
    (4, 10, 3)

    References:
        Kingma & Welling 2014, "Auto-Encoding Variational Bayes", section 2.4.
    """

    _inputs = ("means", "logarithms of variances")

    def _draw(self, first: Tensor, second: Tensor, shape: tuple[int, ...]) -> Tensor:
        return gaussian.sample(first, second, seed=self.seed_generator, shape=shape)

    def _second_shape(self, first: Tensor) -> Shape:
        return first
