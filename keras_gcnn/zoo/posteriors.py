"""Families of posteriors: distribution over latent vectors, sampling, divergence from the prior."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from keras_gcnn.backend.initial_weights import call_new
from keras_gcnn.distributions import gaussian, von_mises_fisher
from keras_gcnn.layers import GaussianSampling, VonMisesFisherHead, VonMisesFisherSampling
from keras_gcnn.types import Tensor


class Posterior(ABC):
    """A family of distributions over latent vectors, with its prior.

    A distribution is given by two tensors, its mean and its spread: a concentration or a
    log-variance.

    Attributes:
        outputs: names of the two tensors; the first is the mean.
        unit_outputs: names of those that are unit vectors.
        least: the smallest latent dimension.
    """

    outputs: ClassVar[tuple[str, str]]
    unit_outputs: ClassVar[tuple[str, ...]] = ()
    least: ClassVar[int]

    @abstractmethod
    def head(
        self, features: keras.KerasTensor, dim: int, dtype: str
    ) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        """Adds layers that compute the two tensors from a vector of features."""

    @abstractmethod
    def head_units(self, dim: int) -> int:
        """Returns the number of units of the head's dense layers."""

    @abstractmethod
    def sampling(self, seed: int | None) -> keras.Layer:
        """Returns a layer that draws latent vectors in training."""

    @abstractmethod
    def kl(self, mean: Tensor, spread: Tensor) -> Tensor:
        """Returns the Kullback-Leibler divergence from the prior, of shape `(...)`, in nats."""

    @abstractmethod
    def sample(self, mean: Tensor, spread: Tensor, seed: Any, shape: tuple[int, ...]) -> Tensor:
        """Returns random latent vectors of shape `(*shape, ..., dim)`."""

    @abstractmethod
    def log_ratio(self, z: Tensor, mean: Tensor, spread: Tensor) -> Tensor:
        """Returns log(prior / posterior), the ratio of the densities at z, of shape `(...)`."""

    @abstractmethod
    def prior(self, n: int, dim: int, seed: int | None) -> np.ndarray:
        """Returns latent vectors drawn from the prior, of shape `(n, dim)`."""


class VonMisesFisher(Posterior):
    """The von Mises-Fisher distributions on the sphere; the prior is uniform."""

    outputs = ("mean", "concentration")
    unit_outputs = ("mean",)
    least = 2

    def head(
        self, features: keras.KerasTensor, dim: int, dtype: str
    ) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        return call_new(VonMisesFisherHead(dim, dtype=dtype, name="posterior"), features)

    def head_units(self, dim: int) -> int:
        return dim + 1

    def sampling(self, seed: int | None) -> keras.Layer:
        return VonMisesFisherSampling(seed=seed, name="sampling")

    def kl(self, mean: Tensor, spread: Tensor) -> Tensor:
        return von_mises_fisher.kl_to_uniform(spread, mean.shape[-1])[..., 0]

    def sample(self, mean: Tensor, spread: Tensor, seed: Any, shape: tuple[int, ...]) -> Tensor:
        return von_mises_fisher.sample(mean, spread, seed, shape)

    def log_ratio(self, z: Tensor, mean: Tensor, spread: Tensor) -> Tensor:
        area = von_mises_fisher.entropy(ops.zeros((), mean.dtype), mean.shape[-1])
        return -area - von_mises_fisher.log_prob(z, mean, spread)

    def prior(self, n: int, dim: int, seed: int | None) -> np.ndarray:
        vectors = np.random.default_rng(seed).normal(size=(n, dim))
        return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


class Gaussian(Posterior):
    """The normal distributions with independent coordinates; the prior is the standard one."""

    outputs = ("mean", "log_variance")
    least = 1

    def head(
        self, features: keras.KerasTensor, dim: int, dtype: str
    ) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        return tuple(
            call_new(keras.layers.Dense(dim, dtype=dtype, name=name), features)
            for name in self.outputs
        )

    def head_units(self, dim: int) -> int:
        return 2 * dim

    def sampling(self, seed: int | None) -> keras.Layer:
        return GaussianSampling(seed=seed, name="sampling")

    def kl(self, mean: Tensor, spread: Tensor) -> Tensor:
        return gaussian.kl_to_standard(mean, spread)

    def sample(self, mean: Tensor, spread: Tensor, seed: Any, shape: tuple[int, ...]) -> Tensor:
        return gaussian.sample(mean, spread, seed, shape)

    def log_ratio(self, z: Tensor, mean: Tensor, spread: Tensor) -> Tensor:
        zeros = ops.zeros_like(mean)
        return gaussian.log_prob(z, zeros, zeros) - gaussian.log_prob(z, mean, spread)

    def prior(self, n: int, dim: int, seed: int | None) -> np.ndarray:
        return np.random.default_rng(seed).normal(size=(n, dim))


POSTERIORS: dict[str, Posterior] = {"vmf": VonMisesFisher(), "gaussian": Gaussian()}
