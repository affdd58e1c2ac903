"""Layers for latent variables on the sphere: distribution, sampling and divergence."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_gcnn.arguments import check_from_zero
from keras_gcnn.backend.ops import widened
from keras_gcnn.distributions import von_mises_fisher
from keras_gcnn.distributions.direction import unit
from keras_gcnn.layers.common import dense_parts
from keras_gcnn.layers.common.base import fresh
from keras_gcnn.layers.latent.base import LatentLayer
from keras_gcnn.layers.latent.sampling import ARGUMENTS, OUTPUTS, SamplingLayer
from keras_gcnn.types import Initializer, Regularizer, Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_gcnn")
class VonMisesFisherHead(LatentLayer):
    """Computes mean direction and concentration of a von Mises-Fisher distribution from features.

    The mean direction is the output of a dense layer, scaled to length one. The concentration is
    the softplus of another dense layer plus `least`. It grows linearly, so that large values do not
    make the gradient explode as an exponential would, and it stays away from zero, where the
    gradient of the mean direction vanishes and training cannot recover (posterior collapse). Where
    the dense layer returns zeros, the mean direction is the first axis, with a gradient of zero;
    below a length of 1e-3 the gradient is bounded, so that an image without a direction does no
    harm in training.

    Keras's `quantize` and `enable_lora` work on the two dense layers, `dense_layers`; this layer
    saves, loads and clones what they change.

    Args:
        dim: int from 2, number of coordinates; the sphere has one dimension less.
        least: float from 0, the smallest concentration; default 1.
        kernel_initializer: initializer of both dense layers.
        kernel_regularizer: regularizer of both dense layers, or None.
        **kwargs: arguments of `keras.Layer`, such as `name` and `dtype`.

    Input shape:
        `(batch, ..., features)`.

    Output shape:
        The pair `(batch, ..., dim)` and `(batch, ..., 1)`.

    Raises:
        ValueError: if `dim` is below 2 or `least` below 0.

    Example:

    >>> import numpy as np
    >>> from keras_gcnn.layers import VonMisesFisherHead
    >>> mu, kappa = VonMisesFisherHead(3)(np.ones((5, 8)))
    >>> tuple(mu.shape), tuple(kappa.shape)
    ((5, 3), (5, 1))

    References:
        Davidson et al. 2018, "Hyperspherical Variational Auto-Encoders", section 4.
    """

    def __init__(
        self,
        dim: int,
        *,
        least: float = 1.0,
        kernel_initializer: Initializer = "glorot_uniform",
        kernel_regularizer: Regularizer = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.dim = von_mises_fisher.check_dim(dim)
        self.least = check_from_zero("least", least)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self._direction, self._concentration = (
            keras.layers.Dense(
                units,
                kernel_initializer=fresh(self.kernel_initializer),
                kernel_regularizer=self.kernel_regularizer,
                trainable=self.trainable,
                dtype=self.dtype_policy,
                name=name,
            )
            for units, name in ((self.dim, "direction"), (1, "concentration"))
        )

    def build(self, input_shape: Shape) -> None:
        dense_parts.build(self.dense_layers, input_shape)
        self.built = True

    @property
    def dense_layers(self) -> tuple[keras.layers.Dense, keras.layers.Dense]:
        """The dense layers of the mean direction, before scaling, and of the concentration."""
        return self._direction, self._concentration

    def call(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        mu = unit(widened(self._direction(inputs)))
        kappa = ops.softplus(self._concentration(inputs)) + self.least
        return ops.cast(mu, self.compute_dtype), kappa

    def compute_output_shape(self, input_shape: Shape) -> tuple[Shape, Shape]:
        leading = tuple(input_shape[:-1])
        return (*leading, self.dim), (*leading, 1)

    def get_config(self) -> dict:
        changes = dense_parts.changes_of(self.dense_layers, self)
        return {
            **super().get_config(),
            "dim": self.dim,
            "least": self.least,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            **({} if changes is None else {"dense_layers": changes}),
        }

    @classmethod
    def from_config(cls, config: dict) -> VonMisesFisherHead:
        config = dict(config)
        changes = config.pop("dense_layers", None)
        layer = cls(**config)
        dense_parts.change(layer.dense_layers, changes)
        return layer


@keras.saving.register_keras_serializable(package="keras_gcnn")
class VonMisesFisherSampling(SamplingLayer):
    __doc__ = f"""Draws from von Mises-Fisher distributions in training; else returns the mean.

    The samples have unbiased gradients in mean directions and concentrations; see
    `keras_gcnn.distributions.von_mises_fisher.sample`. At inference the layer returns the mean
    directions.
    {ARGUMENTS}
    Input shape:
        The pair of mean directions, unit vectors `(batch, ..., dim)`, and concentrations, from 0,
        `(batch, ..., 1)`.
    {OUTPUTS}
    Example:

    >>> import numpy as np
    >>> from keras_gcnn.layers import VonMisesFisherSampling
    >>> layer = VonMisesFisherSampling(samples=10, seed=0)
    >>> tuple(layer([np.eye(4, 3), np.ones((4, 1))], training=True).shape)
    (4, 10, 3)

    References:
        Davidson et al. 2018, section 3; Figurnov, Mohamed & Mnih 2018.
    """

    _inputs = ("mean directions", "concentrations")

    def _draw(self, first: Tensor, second: Tensor, shape: tuple[int, ...]) -> Tensor:
        return von_mises_fisher.sample(first, second, seed=self.seed_generator, shape=shape)

    def _second_shape(self, first: Tensor) -> Shape:
        return (*first[:-1], 1)


@keras.saving.register_keras_serializable(package="keras_gcnn")
class KLToUniform(LatentLayer):
    """Adds the divergence of von Mises-Fisher distributions from the uniform one to the loss.

    The loss is `beta` times the Kullback-Leibler divergence in nats, averaged over all
    distributions of the batch. The layer returns the concentrations unchanged.

    Args:
        dim: int from 2, number of coordinates of the samples.
        beta: float from 0, the weight.
        **kwargs: arguments of `keras.Layer`, such as `name` and `dtype`.

    Input shape:
        Concentrations, of shape `(batch, ..., 1)`.

    Output shape:
        Same as the input.

    Raises:
        ValueError: if `dim` is below 2 or `beta` below 0.

    Example:

    >>> import numpy as np
    >>> from keras_gcnn.layers import KLToUniform
    >>> layer = KLToUniform(3, beta=0.1)
    >>> kappa = layer(np.ones((4, 1)))
    >>> len(layer.losses)
    1

    References:
        Davidson et al. 2018, equation 14; Higgins et al. 2017, "beta-VAE".
    """

    def __init__(self, dim: int, beta: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dim = von_mises_fisher.check_dim(dim)
        self.beta = check_from_zero("beta", beta)

    def call(self, inputs: Tensor) -> Tensor:
        # Keras adds up losses in this precision, whatever the layers compute in.
        kappa = ops.cast(inputs, keras.config.floatx())
        divergence = von_mises_fisher.kl_to_uniform(kappa, self.dim)
        self.add_loss(self.beta * ops.mean(divergence))
        return inputs

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return tuple(input_shape)

    def get_config(self) -> dict:
        return {**super().get_config(), "dim": self.dim, "beta": self.beta}
