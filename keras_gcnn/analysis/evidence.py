"""Estimates how likely images are under a variational autoencoder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import keras
import numpy as np
from keras import ops

from keras_gcnn.backend.stateless import without_trace

if TYPE_CHECKING:
    from keras_gcnn.zoo import VariationalAutoencoder

_DECODED_AT_ONCE = 5_000  # images


@dataclass(frozen=True)
class Evidence:
    """Estimates in nats per image, each a mean over the images with its standard error.

    Args:
        bound: float, the evidence lower bound, with `beta` taken as 1.
        bound_error: float, standard error of the bound.
        log_likelihood: float, by importance sampling. It is too low on average, less so with more
            samples.
        log_likelihood_error: float, standard error over the images, without the bias of sampling.
    """

    bound: float
    bound_error: float
    log_likelihood: float
    log_likelihood_error: float


def evidence(
    model: VariationalAutoencoder,
    images: np.ndarray,
    samples: int = 100,
    seed: int = 0,
    batch_size: int = 100,
) -> Evidence:
    """Estimates the log-likelihood of images and its lower bound.

    With samples z from the posterior q of an image x, the likelihood is the mean of
    `w = p(x|z) p(z) / q(z|x)`, and the bound the mean of `log w`. The model
    returns the probability that a pixel is white, so only the values of black and white images are
    true likelihoods.

    Args:
        model: a `keras_gcnn.zoo.VariationalAutoencoder`.
        images: array of shape `(n, rows, columns, channels)`, in [0, 1].
        samples: int, importance samples per image.
        seed: int, seed of the samples.
        batch_size: int, number of images that are encoded at a time.

    Returns:
        `Evidence`.

    Raises:
        ValueError: if there are no images or no samples.

    Example:

    >>> import numpy as np
    >>> from keras_gcnn import analysis, zoo
    >>> images = np.zeros((4, 28, 28, 1), "float32")
    >>> estimate = analysis.evidence(zoo.vae("z2"), images, samples=5)
    >>> estimate.bound <= estimate.log_likelihood
    True

    References:
        Burda, Grosse & Salakhutdinov 2016, "Importance Weighted Autoencoders", equation 8.
    """
    if not len(images) or samples < 1:
        raise ValueError(f"{len(images)} images and {samples} samples; expected at least one each.")
    generator = keras.random.SeedGenerator(seed)
    # Each is one program on JAX.
    parts = without_trace(model.encoder), without_trace(model.decoder)
    batches = [
        _log_ratios(model, parts, images[start : start + batch_size], samples, generator)
        for start in range(0, len(images), batch_size)
    ]
    ratios = np.concatenate(batches, axis=1).astype("float64")  # (samples, images)
    largest = ratios.max(axis=0)
    likelihood = np.log(np.exp(ratios - largest).mean(axis=0)) + largest
    return Evidence(*_mean_and_error(ratios.mean(axis=0)), *_mean_and_error(likelihood))


def _log_ratios(
    model: VariationalAutoencoder,
    parts: tuple[Callable, Callable],
    images: np.ndarray,
    samples: int,
    generator: keras.random.SeedGenerator,
) -> np.ndarray:
    """Returns `log w` of every sample, of shape `(samples, images)`."""
    encode, decode = parts
    encoded = encode(images)
    mean, spread = (encoded[name] for name in model.posterior.outputs)
    direction = encoded.get("orientation")
    ratios = []
    count_at_once = max(1, _DECODED_AT_ONCE // len(images))
    for start in range(0, samples, count_at_once):
        count = min(count_at_once, samples - start)
        z = model.posterior.sample(mean, spread, generator, (count,))
        directions = None if direction is None else ops.tile(direction, (count, 1))
        logits = decode(ops.reshape(z, (-1, z.shape[-1])))
        if directions is not None and model.turning is not None:
            logits = model.turning([logits, directions])
        logits = ops.reshape(logits, (count, *images.shape))
        ratio = model.posterior.log_ratio(z, mean, spread)
        ratios.append(ratio - model.cross_entropy(images, logits))
    return np.concatenate([ops.convert_to_numpy(ratio) for ratio in ratios])


def _mean_and_error(values: np.ndarray) -> tuple[float, float]:
    error = values.std(ddof=1) / len(values) ** 0.5 if len(values) > 1 else np.nan
    return float(values.mean()), float(error)
