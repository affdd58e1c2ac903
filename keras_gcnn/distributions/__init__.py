"""Probability distributions on tensors: `von_mises_fisher` on the sphere, `gaussian` beside it."""

from keras_gcnn.distributions import gaussian, von_mises_fisher

__all__ = ["gaussian", "von_mises_fisher"]
