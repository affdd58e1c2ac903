"""What an encoder says of an image: a distribution over latent vectors, and what it costs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import keras
import numpy as np
from keras import ops

from keras_gcnn.backend.initial_weights import call_new
from keras_gcnn.distributions import gaussian, von_mises_fisher
from keras_gcnn.layers import GaussianSampling, VonMisesFisherHead, VonMisesFisherSampling


class Posterior(ABC):
    """A family of distributions, each given by a pair of tensors, and its prior.

    Attributes:
        outputs: names of the pair; the first is the mean.
        least: the smallest number of latent dimensions.
    """

    outputs: ClassVar[tuple[str, str]]
    least: ClassVar[int]

    @abstractmethod
    def head(self, features: keras.KerasTensor, dim: int, dtype: str) -> tuple:
        """The pair, found from a vector of features by new layers."""

    @abstractmethod
    def head_parameters(self, features: int, dim: int) -> int:
        """Number of trainable parameters of these layers."""

    @abstractmethod
    def sampling(self, seed: int | None) -> keras.Layer:
        """A layer that draws from the pair in training."""

    @abstractmethod
    def kl(self, mean, spread):
        """Kullback-Leibler divergence from the prior, of shape `(...)`, in nats."""

    @abstractmethod
    def sample(self, mean, spread, seed, shape: tuple[int, ...]):
        """Latent vectors of shape `(*shape, ..., dim)`."""

    @abstractmethod
    def log_ratio(self, z, mean, spread):
        """Log-density of the prior less that of the posterior at z, of shape `(...)`."""

    @abstractmethod
    def prior(self, n: int, dim: int, seed: int | None) -> np.ndarray:
        """Latent vectors from the prior, of shape `(n, dim)`."""


class VonMisesFisher(Posterior):
    """On the sphere; the prior is uniform."""

    outputs = ("mean", "concentration")
    least = 2

    def head(self, features, dim, dtype):
        return call_new(VonMisesFisherHead(dim, dtype=dtype, name="posterior"), features)

    def head_parameters(self, features, dim):
        return (features + 1) * (dim + 1)

    def sampling(self, seed):
        return VonMisesFisherSampling(seed=seed, name="sampling")

    def kl(self, mean, spread):
        return von_mises_fisher.kl_to_uniform(spread, mean.shape[-1])[..., 0]

    def sample(self, mean, spread, seed, shape):
        return von_mises_fisher.sample(mean, spread, seed, shape)

    def log_ratio(self, z, mean, spread):
        area = von_mises_fisher.entropy(ops.zeros((), mean.dtype), mean.shape[-1])
        return -area - von_mises_fisher.log_prob(z, mean, spread)

    def prior(self, n, dim, seed):
        vectors = np.random.default_rng(seed).normal(size=(n, dim))
        return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


class Gaussian(Posterior):
    """Normal, with independent coordinates; the prior is the standard normal distribution."""

    outputs = ("mean", "log_variance")
    least = 1

    def head(self, features, dim, dtype):
        return tuple(
            call_new(keras.layers.Dense(dim, dtype=dtype, name=name), features)
            for name in self.outputs
        )

    def head_parameters(self, features, dim):
        return (features + 1) * 2 * dim

    def sampling(self, seed):
        return GaussianSampling(seed=seed, name="sampling")

    def kl(self, mean, spread):
        return gaussian.kl_to_standard(mean, spread)

    def sample(self, mean, spread, seed, shape):
        return gaussian.sample(mean, spread, seed, shape)

    def log_ratio(self, z, mean, spread):
        nothing = ops.zeros_like(mean)
        return gaussian.log_prob(z, nothing, nothing) - gaussian.log_prob(z, mean, spread)

    def prior(self, n, dim, seed):
        return np.random.default_rng(seed).normal(size=(n, dim))


POSTERIORS: dict[str, Posterior] = {"vmf": VonMisesFisher(), "gaussian": Gaussian()}
