"""Probability distributions of latent vectors: `von_mises_fisher` on the sphere, and `gaussian`."""

from keras_gcnn.distributions import gaussian, von_mises_fisher

__all__ = ["gaussian", "von_mises_fisher"]
