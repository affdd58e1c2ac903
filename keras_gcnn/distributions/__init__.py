"""Probability distributions on tensors: `von_mises_fisher`, on the sphere."""

from keras_gcnn.distributions import von_mises_fisher

__all__ = ["von_mises_fisher"]
