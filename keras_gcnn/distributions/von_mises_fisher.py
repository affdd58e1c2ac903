"""The von Mises-Fisher distribution: what the normal distribution is to space, on the sphere.

Its density at a unit vector z in m dimensions is proportional to `exp(kappa mu.z)`, with a mean
direction mu, a unit vector, and a concentration kappa from 0, where it is uniform. Mean directions
have the shape `(..., m)`, concentrations `(..., 1)`; the leading axes broadcast. Results are as
exact as their dtype allows for m from 2 to 128 and kappa up to 1e5, and finite far beyond; half
precision is computed in float32. Gradients are unbiased.

What is wrong is seen in the result, since looking for it in a tensor would cost a pass over it: a
concentration that is negative or NaN gives NaN, one that is infinite counts as 1e15. Mean
directions are scaled to length one, and all samples have it; one of zeros counts as the first axis.
Its gradient is bounded: see `keras_gcnn.distributions.direction`.
"""

from __future__ import annotations

import math
from numbers import Integral

import keras
import numpy as np
from keras import ops

from keras_gcnn.arguments import check_integer
from keras_gcnn.backend.random import normal_vectors
from keras_gcnn.distributions.angle_gradient import angle_slope
from keras_gcnn.distributions.angle_sampling import sample_angle
from keras_gcnn.distributions.bessel import ratio
from keras_gcnn.distributions.direction import unit, with_slope

_LARGEST = 1e15  # a concentration whose square float32 still holds
_SMALLEST = 1e-30  # instead of a squared length of zero


def sample(mu, kappa, seed=None, shape: tuple[int, ...] = ()):
    """Draws unit vectors.

    Gradients flow along the samples: into mu by the rotation that carries them, into kappa by
    holding their quantiles fixed. Monte-Carlo estimates made with them are unbiased. They count as
    constants where they are differentiated again: second derivatives are not to be had.

    Args:
        mu: mean directions, of shape `(..., m)`.
        kappa: concentrations, of shape `(..., 1)`.
        seed: int, `keras.random.SeedGenerator`, or None for Keras's global one.
        shape: of the samples for each pair of mu and kappa.

    Returns:
        Tensor of shape `(*shape, ..., m)`.

    Raises:
        ValueError: if mu has fewer than two dimensions or kappa has not the last axis 1.

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
    dim = mu.shape[-1]
    *seeds_of_angles, seed_of_tangents = _seeds(seed, 3)
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
    # Concentrations are not repeated for this, since their ratio is costly.
    found = ratio(fixed[..., 0], dim, slope=False, divergence=False)
    slope = angle_slope(angle, fixed[..., 0], dim, found)[..., None]
    # What is added is zero and has the gradients. The rotation that carries mu along moves a sample
    # by w d - (z.d) mu, for a change d of mu.
    swing, turn = slope * (kappa - fixed), (mu - fixed_mu) * slope_of_axis
    back = ops.sum(drawn * turn, -1, keepdims=True) + swing * sine
    return ops.cast(drawn + (cosine * (turn + swing * tangent) - back * axis), result)


def log_prob(z, mu, kappa):
    """Logarithm of the density, with respect to the area of the sphere.

    Args:
        z: unit vectors, of shape `(..., m)`.
        mu: mean directions, likewise.
        kappa: concentrations, of shape `(..., 1)`.

    Returns:
        Tensor of shape `(...)`.

    Raises:
        ValueError: as `sample`, and if z has another last axis than mu.

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
    found = ratio(kappa, dim, slope=False)
    # kappa (mu.z - 1) and what is left of the normaliser: nothing large is subtracted.
    apart = ops.sum(ops.square(z - unit(mu)), -1) / 2
    peak = _with_slope(ops.stop_gradient(kappa) * found.rest + found.divergence, found.rest, kappa)
    return ops.cast(peak[..., 0] - kappa[..., 0] * apart - _log_area(dim), result)


def kl_to_uniform(kappa, dim: int):
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
    found = ratio(kappa, check_dim(dim))
    slope = ops.stop_gradient(kappa) * found.slope
    return ops.cast(_with_slope(found.divergence, slope, kappa), result)


def mean_resultant_length(kappa, dim: int):
    """Length of the mean of the distribution, the mean cosine to its mean direction.

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
    found = ratio(kappa, check_dim(dim), divergence=False)
    return ops.cast(_with_slope(found.mean, found.slope, kappa), result)


def entropy(kappa, dim: int):
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


def _as_tensors(mu, kappa):
    """Mean directions and concentrations in one float dtype, and the dtype of the result."""
    mu, kappa = ops.convert_to_tensor(mu), ops.convert_to_tensor(kappa)
    result = _result_type(mu, kappa)
    if len(mu.shape) < 1 or mu.shape[-1] is None or mu.shape[-1] < 2:
        raise ValueError(
            f"mu of shape {tuple(mu.shape)} has to have a last axis of 2 or more coordinates."
        )
    if len(kappa.shape) < 1 or kappa.shape[-1] != 1:
        raise ValueError(
            f"kappa of shape {tuple(kappa.shape)} has to have a last axis of 1, one concentration "
            "for each mean direction: add it by kappa[..., None]."
        )
    dtype = _computed(result)
    return ops.cast(mu, dtype), _valid(ops.cast(kappa, dtype)), result


def _as_concentration(kappa):
    kappa = ops.convert_to_tensor(kappa)
    result = _result_type(kappa)
    return _valid(ops.cast(kappa, _computed(result))), result


def _result_type(*tensors) -> str:
    dtypes = [keras.backend.standardize_dtype(one.dtype) for one in tensors]
    if "float64" in dtypes:  # of which Keras makes float32 on JAX and PyTorch
        return "float64"
    return keras.backend.result_type(*dtypes, float)


def _computed(dtype: str) -> str:
    return "float64" if dtype == "float64" else "float32"


def _valid(kappa):
    """NaN for what is negative; finite for what is infinite."""
    return ops.where(kappa >= 0, ops.clip(kappa, 0.0, _LARGEST), np.nan)


def check_dim(dim: int) -> int:
    """Returns an integer from 2 as an `int`; raises a `ValueError` for everything else."""
    return check_integer("dim", dim, lowest=2, reason=": the sphere lies in R^dim")


def _with_slope(value, slope, kappa):
    """A value whose gradient in kappa is the given slope."""
    return value + ops.stop_gradient(slope) * (kappa - ops.stop_gradient(kappa))


def _per_length(vectors):
    """What scales vectors that have no gradient to length one; zero stays zero."""
    return ops.rsqrt(ops.sum(ops.square(vectors), -1, keepdims=True) + _SMALLEST)


def _log_area(dim: int) -> float:
    """Logarithm of the area of the unit sphere in that many dimensions."""
    return math.log(2) + dim / 2 * math.log(math.pi) - math.lgamma(dim / 2)


def _seeds(seed, number: int) -> list:
    """Seeds of several draws: with the same integer all would be the same numbers."""
    if isinstance(seed, Integral):
        return np.random.SeedSequence(int(seed)).generate_state(number).tolist()
    return [seed] * number
