"""The von Mises-Fisher distribution: the counterpart of the normal distribution on the sphere.

Its density at a unit vector z in m dimensions is proportional to `exp(kappa mu.z)`, with a mean
direction mu, a unit vector, and a concentration kappa from 0, where it is uniform. Mean directions
have the shape `(..., m)`, concentrations `(..., 1)`; the leading axes broadcast. Results are as
exact as their dtype allows for m from 2 to 128 and kappa up to 1e5, and finite far beyond; half
precision is computed in float32. Gradients are unbiased. All functions but `sample` have second
derivatives in kappa; the third ones count as zero.

Wrong values show in the result, since a check of a tensor would cost a pass over it: a negative or
NaN concentration gives NaN, and an infinite one counts as 1e15. Mean directions are scaled to
length one, as all samples are; a vector of zeros counts as the first axis. The gradient of short
vectors is bounded: see `keras_gcnn.distributions.direction`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral

import numpy as np
from keras import ops

from keras_gcnn.arguments import as_shape, check_integer
from keras_gcnn.backend.ops import compiled
from keras_gcnn.backend.random import drawn_seed, normal_vectors
from keras_gcnn.distributions.angle_gradient import angle_slope
from keras_gcnn.distributions.angle_sampling import sample_angle
from keras_gcnn.distributions.bessel import ratio
from keras_gcnn.distributions.direction import unit, with_slope
from keras_gcnn.distributions.dtypes import computed, result_type
from keras_gcnn.types import Seed, Tensor

_LARGEST = 1e15  # concentration; float32 still holds its square
_SMALLEST = 1e-30  # instead of a squared length of zero


def sample(
    mu: Tensor, kappa: Tensor, seed: Seed = None, shape: int | tuple[int, ...] = ()
) -> Tensor:
    """Draws unit vectors.

    Gradients flow through the samples: into mu by the rotation that carries them along, into kappa
    by holding their quantiles fixed. Monte-Carlo estimates made with these gradients are unbiased.
    Second derivatives are not supported: the gradients count as constants when they are
    differentiated again.

    Args:
        mu: mean directions, of shape `(..., m)`.
        kappa: concentrations, of shape `(..., 1)`.
        seed: int, `keras.random.SeedGenerator`, or None for Keras's global one.
        shape: int or tuple of ints, of the samples for each pair of mu and kappa.

    Returns:
        Tensor of shape `(*shape, ..., m)`.

    Raises:
        ValueError: if the last axis of mu is shorter than 2, or that of kappa is not 1.

    Example:

    >>> import numpy as np
    >>> from keras_gcnn.distributions import von_mises_fisher
    >>> draws = von_mises_fisher.sample(np.eye(1, 3), [[100.0]], seed=0, shape=(5,))
    >>> tuple(draws.shape)
    (5, 1, 3)

    References:
        Ulrich 1984; Wood 1994; Figurnov, Mohamed & Mnih 2018; Davidson et al. 2018,
        "Hyperspherical Variational Auto-Encoders", appendix A.
    """
    mu, kappa, result = _as_tensors(mu, kappa)
    seeds = [drawn_seed(one) for one in _seeds(seed, 3)]
    return ops.cast(_drawn(mu, kappa, seeds, shape=as_shape(shape)), result)


def log_prob(z: Tensor, mu: Tensor, kappa: Tensor) -> Tensor:
    """Logarithm of the density, with respect to the area of the sphere.

    Args:
        z: unit vectors, of shape `(..., m)`.
        mu: mean directions, of shape `(..., m)`.
        kappa: concentrations, of shape `(..., 1)`.

    Returns:
        Tensor of shape `(...)`.

    Raises:
        ValueError: as for `sample`, and if the last axes of z and mu have different lengths.

    References:
        Mardia & Jupp 2000, "Directional Statistics", equation 9.3.4.
    """
    mu, kappa, result = _as_tensors(mu, kappa)
    z = ops.cast(ops.convert_to_tensor(z), mu.dtype)
    dim = mu.shape[-1]
    if z.shape[-1] != dim:
        raise ValueError(
            f"z has {z.shape[-1]} dimensions and mu {dim}: shapes {tuple(z.shape)} and "
            f"{tuple(mu.shape)}. They have to be points on the same sphere."
        )
    return ops.cast(_log_density(z, mu, kappa), result)


def kl_to_uniform(kappa: Tensor, dim: int) -> Tensor:
    """Kullback-Leibler divergence from the uniform distribution on the sphere.

    Args:
        kappa: concentrations, of any shape.
        dim: int from 2, m.

    Returns:
        Tensor of the shape of `kappa`, from 0, in nats.

    Raises:
        ValueError: if `dim` is not an integer from 2.

    References:
        Davidson et al. 2018, equation 14.
    """
    kappa, result = _as_concentration(kappa)
    return ops.cast(_divergence(kappa, dim=check_dim(dim)), result)


def mean_resultant_length(kappa: Tensor, dim: int) -> Tensor:
    """Length of the mean of the distribution, which is the mean cosine to its mean direction.

    Args:
        kappa: concentrations, of any shape.
        dim: int from 2, m.

    Returns:
        `I_(m/2)(kappa) / I_(m/2-1)(kappa)`, a tensor of the shape of `kappa`, from 0 to 1.

    Raises:
        ValueError: if `dim` is not an integer from 2.

    References:
        Mardia & Jupp 2000, equation 9.3.8.
    """
    kappa, result = _as_concentration(kappa)
    return ops.cast(_mean_cosine(kappa, dim=check_dim(dim)), result)


def entropy(kappa: Tensor, dim: int) -> Tensor:
    """Differential entropy, with respect to the area of the sphere.

    Args:
        kappa: concentrations, of any shape.
        dim: int from 2, m.

    Returns:
        Tensor of the shape of `kappa`, in nats.

    Raises:
        ValueError: if `dim` is not an integer from 2.
    """
    return _log_area(check_dim(dim)) - kl_to_uniform(kappa, dim)


@compiled
def _drawn(mu: Tensor, kappa: Tensor, seeds: Sequence[Seed], *, shape: tuple[int, ...]) -> Tensor:
    """Unit vectors in the dtype of mu; see `sample`."""
    kappa = _valid(kappa)
    dim = mu.shape[-1]
    *seeds_of_angles, seed_of_tangents = seeds
    fixed_mu, fixed = ops.stop_gradient(mu), ops.stop_gradient(kappa)
    axis, slope_of_axis = with_slope(fixed_mu)
    batch = ops.shape(axis[..., :1] + fixed)[:-1]
    full = (*shape, *batch)
    angle = sample_angle(fixed[..., 0], dim, full, seeds_of_angles)
    normal = normal_vectors(full, dim, mu.dtype, seed_of_tangents)
    tangent = normal - ops.sum(normal * axis, -1, keepdims=True) * axis
    tangent = tangent * _per_length(tangent)
    cosine, sine = angle.cosine[..., None], angle.sine[..., None]
    drawn = cosine * axis + sine * tangent
    drawn = drawn * _per_length(drawn)
    # Once for each concentration, not for each sample, since the ratio is costly.
    ratios = ratio(fixed[..., 0], dim, derivatives=0, divergence=False)
    slope = angle_slope(angle, fixed[..., 0], dim, ratios)[..., None]
    # The added term is zero and has the gradients. For a change d of mu, the rotation that carries
    # mu along moves a sample z, with w = cos t, by w d - (z.d) mu.
    swing, turn = slope * (kappa - fixed), (mu - fixed_mu) * slope_of_axis
    back = ops.sum(drawn * turn, -1, keepdims=True) + swing * sine
    return drawn + (cosine * (turn + swing * tangent) - back * axis)


@compiled
def _log_density(z: Tensor, mu: Tensor, kappa: Tensor) -> Tensor:
    kappa = _valid(kappa)
    dim = mu.shape[-1]
    ratios = ratio(kappa, dim, derivatives=1)
    # Logarithm of the density at mu, and kappa (mu.z - 1): nothing large is subtracted.
    apart = ops.sum(ops.square(z - unit(mu)), -1) / 2  # 1 - mu.z
    value = ops.stop_gradient(kappa) * ratios.complement + ratios.divergence
    peak = _with_slopes(kappa, value, ratios.complement, ops.negative(ratios.slope))
    return peak[..., 0] - kappa[..., 0] * apart - _log_area(dim)


@compiled
def _divergence(kappa: Tensor, *, dim: int) -> Tensor:
    kappa = _valid(kappa)
    ratios, fixed = ratio(kappa, dim), ops.stop_gradient(kappa)
    slopes = fixed * ratios.slope, ratios.slope + fixed * ratios.curvature
    return _with_slopes(kappa, ratios.divergence, *slopes)


@compiled
def _mean_cosine(kappa: Tensor, *, dim: int) -> Tensor:
    kappa = _valid(kappa)
    ratios = ratio(kappa, dim, divergence=False)
    return _with_slopes(kappa, ratios.mean, ratios.slope, ratios.curvature)


def _as_tensors(mu: Tensor, kappa: Tensor) -> tuple[Tensor, Tensor, str]:
    """Mean directions and concentrations in one float dtype, and the dtype of the result."""
    mu, kappa = ops.convert_to_tensor(mu), ops.convert_to_tensor(kappa)
    result = result_type(mu, kappa)
    if len(mu.shape) < 1 or mu.shape[-1] is None or mu.shape[-1] < 2:
        raise ValueError(
            f"mu of shape {tuple(mu.shape)} has to have a last axis of 2 or more coordinates."
        )
    if len(kappa.shape) < 1 or kappa.shape[-1] != 1:
        raise ValueError(
            f"kappa of shape {tuple(kappa.shape)} has to have a last axis of 1, one concentration "
            "for each mean direction: add it by kappa[..., None]."
        )
    dtype = computed(result)
    return ops.cast(mu, dtype), ops.cast(kappa, dtype), result


def _as_concentration(kappa: Tensor) -> tuple[Tensor, str]:
    """Concentrations in a float dtype, and the dtype of the result."""
    kappa = ops.convert_to_tensor(kappa)
    result = result_type(kappa)
    return ops.cast(kappa, computed(result)), result


def _valid(kappa: Tensor) -> Tensor:
    """Replaces negative concentrations by NaN, and infinite ones by a finite one."""
    return ops.where(kappa >= 0, ops.clip(kappa, 0.0, _LARGEST), np.nan)


def check_dim(dim: int) -> int:
    """Returns an integer from 2 as an `int`; raises a `ValueError` for everything else."""
    return check_integer("dim", dim, lowest=2, reason=": the sphere lies in R^dim")


def _with_slopes(kappa: Tensor, value: Tensor, slope: Tensor, curvature: Tensor) -> Tensor:
    """A value with the given first and second derivative in kappa, all three constants."""
    step = kappa - ops.stop_gradient(kappa)  # zero, with a gradient
    return value + step * (slope + curvature / 2 * step)


def _per_length(vectors: Tensor) -> Tensor:
    """Factors that scale vectors without a gradient to length one; zero stays zero."""
    return ops.rsqrt(ops.sum(ops.square(vectors), -1, keepdims=True) + _SMALLEST)


def _log_area(dim: int) -> float:
    """Logarithm of the area of the unit sphere in `dim` dimensions."""
    return math.log(2) + dim / 2 * math.log(math.pi) - math.lgamma(dim / 2)


def _seeds(seed: Seed, number: int) -> list[Seed]:
    """Seeds of several draws, which one integer would give the same numbers."""
    if isinstance(seed, Integral):
        check_integer("seed", int(seed))
        return np.random.SeedSequence(int(seed)).generate_state(number).tolist()
    return [seed] * number
