"""How likely images are under a variational autoencoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import keras
import numpy as np
from keras import ops

if TYPE_CHECKING:
    from keras_gcnn.zoo import VariationalAutoencoder

_AT_ONCE = 5_000  # images that are drawn in one call


@dataclass(frozen=True)
class Evidence:
    """Estimates in nats per image, each a mean over the images with its standard error.

    Args:
        bound: float, the evidence lower bound, with `beta` taken as 1.
        bound_error: float.
        log_likelihood: float, by importance sampling: from below, the closer the more samples.
        log_likelihood_error: float, over the images; the samples' own bias is not in it.
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
    `w = p(x|z) p(z) / q(z|x)`, and the bound the mean of `log w`. Pixels are those of the model: a
    probability of white, so that images should be black and white for a true likelihood.

    Args:
        model: a `keras_gcnn.zoo.VariationalAutoencoder`.
        images: array of shape `(n, rows, columns, channels)`, in [0, 1].
        samples: int, importance samples per image.
        seed: int, of the samples.
        batch_size: int, images at a time.

    Returns:
        `Evidence`.

    Raises:
        ValueError: if there are no images or no samples.

    Example:

    >>> import numpy as np
    >>> from keras_gcnn import analysis, zoo
    >>> found = analysis.evidence(zoo.vae("z2"), np.zeros((4, 28, 28, 1), "float32"), samples=5)
    >>> found.bound <= found.log_likelihood
    True

    References:
        Burda, Grosse & Salakhutdinov 2016, "Importance Weighted Autoencoders", equation 8.
    """
    if not len(images) or samples < 1:
        raise ValueError(f"{len(images)} images and {samples} samples; expected at least one each.")
    generator = keras.random.SeedGenerator(seed)
    ratios = [
        _log_ratios(model, images[start : start + batch_size], samples, generator)
        for start in range(0, len(images), batch_size)
    ]
    ratios = np.concatenate(ratios, axis=1).astype("float64")  # (samples, images)
    largest = ratios.max(axis=0)
    likelihood = np.log(np.exp(ratios - largest).mean(axis=0)) + largest
    return Evidence(*_mean_and_error(ratios.mean(axis=0)), *_mean_and_error(likelihood))


def _log_ratios(model, images, samples: int, generator) -> np.ndarray:
    """`log w` of every sample, of shape `(samples, images)`."""
    found = model.encoder(images, training=False)
    pair = [found[name] for name in model.posterior.outputs]
    direction = found.get("orientation")
    ratios = []
    at_once = max(1, _AT_ONCE // len(images))
    for start in range(0, samples, at_once):
        count = min(at_once, samples - start)
        z = model.posterior.sample(*pair, generator, (count,))
        turned = None if direction is None else ops.tile(direction, (count, 1))
        logits = model.draw(ops.reshape(z, (-1, z.shape[-1])), turned)
        logits = ops.reshape(logits, (count, *images.shape))
        ratio = model.posterior.log_ratio(z, *pair)
        ratios.append(ratio - model.cross_entropy(images, logits))
    return np.concatenate([ops.convert_to_numpy(one) for one in ratios])


def _mean_and_error(values: np.ndarray) -> tuple[float, float]:
    error = values.std(ddof=1) / len(values) ** 0.5 if len(values) > 1 else np.nan
    return float(values.mean()), float(error)
