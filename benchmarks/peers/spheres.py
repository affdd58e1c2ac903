"""Samples on a sphere with the gradients of direction and concentration, in three libraries.

Each function returns an action that draws a sample of every distribution and computes the gradients
of the sum of their coordinates along fixed vectors.
"""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.common import harness


def ours(number: int, dim: int, kappa: float) -> Callable[[], object]:
    """Von Mises-Fisher, as the backend compiles it."""
    from benchmarks.suite import vmf

    return vmf.draws(number, dim, kappa)["gradients"]


def tfp(number: int, dim: int, kappa: float) -> Callable[[], object]:
    """TensorFlow Probability's von Mises-Fisher, in graph mode."""
    import tensorflow as tf
    import tensorflow_probability as tfp

    fixed = harness.directions(number, dim)
    mu = tf.constant(fixed)
    concentration = tf.fill((number,), kappa)

    @tf.function
    def draw():
        with tf.GradientTape() as tape:
            tape.watch([mu, concentration])
            samples = tfp.distributions.VonMisesFisher(mu, concentration).sample()
            total = tf.reduce_sum(samples * fixed)
        return tape.gradient(total, [mu, concentration])

    return draw


def power_spherical(number: int, dim: int, kappa: float) -> Callable[[], object]:
    """The power spherical distribution (not von Mises-Fisher), on PyTorch."""
    import power_spherical
    import torch

    fixed = torch.from_numpy(harness.directions(number, dim))
    mu = fixed.clone().requires_grad_()
    concentration = torch.full((number,), kappa, requires_grad=True)

    def draw():
        samples = power_spherical.PowerSpherical(mu, concentration).rsample()
        return torch.autograd.grad((samples * fixed).sum(), [mu, concentration])

    return draw


def slope(library: str, number: int, dim: int, kappa: float) -> float:
    """Mean gradient in the concentration, of the sample's coordinate along its mean direction."""
    import numpy as np

    _, gradient = {"ours": ours, "tfp": tfp}[library](number, dim, kappa)()
    gradient = gradient.detach().cpu() if hasattr(gradient, "detach") else gradient
    return float(np.asarray(gradient).mean())


def expected_slope(dim: int, kappa: float) -> float:
    """The exact value that `slope` estimates: the derivative of the mean resultant length."""
    from scipy.special import ive

    length = ive(dim / 2, kappa) / ive(dim / 2 - 1, kappa)
    return 1 - length**2 - (dim - 1) * length / kappa
