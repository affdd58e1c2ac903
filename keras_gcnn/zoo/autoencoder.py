"""Variational autoencoders: an encoder and a decoder, trained together by plain `fit`."""

from __future__ import annotations

import copy
from numbers import Real

import keras
import numpy as np
from keras import ops

from keras_gcnn.arguments import check_choice, check_count
from keras_gcnn.backend.ops import mean, replicas, widened
from keras_gcnn.layers import TurnByVector, UnitDirection
from keras_gcnn.zoo.posteriors import POSTERIORS

_Schedule = keras.optimizers.schedules.LearningRateSchedule


@keras.saving.register_keras_serializable(package="keras_gcnn")
class VariationalAutoencoder(keras.Model):
    """An encoder to a distribution over latent vectors, and a decoder from them.

    Trained by `compile(optimizer)` and `fit(images)`, or `fit(images, targets)` if another image
    than its own is to be drawn. The loss is the cross-entropy of the pixels, summed over an image,
    plus `beta` times the divergence of the posterior from the prior, both in nats: for `beta=1` the
    negative evidence lower bound. Both parts are reported, as `reconstruction` and `kl`. In
    training latent vectors are drawn; otherwise, also in `evaluate`, the decoder draws the mean,
    so that `val_loss` is a little below the negative bound, which `analysis.evidence` estimates.

    Called on images, the model returns a dict: `logits` of the pixels (of which the sigmoid is the
    image), the posterior's `mean` and `concentration` or `log_variance`, and the `orientation`, if
    there is one.

    Keras writes no states of seed generators to its files. A training that
    `keras.callbacks.BackupAndRestore` resumes therefore draws other latent vectors than one that
    was not interrupted; `keras-gcnn train` keeps the states and goes on exactly.

    Args:
        encoder: model from images to a dict of the pair of the posterior and, for a decoder whose
            images are turned, unit vectors `orientation` of shape `(batch, 2)`; zeros turn nothing.
        decoder: model from latent vectors `(batch, latent_dim)` to logits of images.
        posterior: `"vmf"` (von Mises-Fisher) or `"gaussian"`.
        beta: float from 0, or a `keras.optimizers.schedules.LearningRateSchedule` of the training
            step, e.g. `PolynomialDecay(0.0, 1000, 1.0)` for a warm-up.
        seed: int, of the latent vectors drawn in training, or None for a random one.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's configuration.
        **kwargs: arguments of `keras.Model`, such as `name`.

    Raises:
        ValueError: if the encoder has not these outputs, for an unknown posterior, or a negative
            beta.

    References:
        Kingma & Welling 2014, "Auto-Encoding Variational Bayes"; Higgins et al. 2017, "beta-VAE";
        Davidson et al. 2018, "Hyperspherical Variational Auto-Encoders".
    """

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        posterior: str = "vmf",
        beta: float | _Schedule = 1.0,
        *,
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_choice("posterior", posterior, tuple(POSTERIORS))
        self.posterior = POSTERIORS[posterior]
        found = set(encoder.output) if isinstance(encoder.output, dict) else set()
        if found - {"orientation"} != set(self.posterior.outputs):
            names = " and ".join(map(repr, self.posterior.outputs))
            raise ValueError(
                f"encoder {encoder.name!r} has to return a dict of {names}, and possibly "
                f"'orientation', for posterior={posterior!r}; its outputs are {sorted(found)}."
            )
        if not isinstance(beta, _Schedule):
            beta = check_beta(beta)
        self.encoder = encoder
        self.decoder = decoder
        self.beta = beta
        data_format = data_format or keras.config.image_data_format()
        self._arguments = {"posterior": posterior, "seed": seed, "data_format": data_format}
        self.sampling = self.posterior.sampling(seed)
        self.turning = None
        if "orientation" in found:
            self.turning = TurnByVector(
                data_format=data_format, dtype=decoder.output.dtype, name="turning"
            )
        self._reconstruction = keras.metrics.Mean(name="reconstruction")
        self._kl = keras.metrics.Mean(name="kl")
        self._steps = self.add_weight(
            shape=(), dtype="int32", initializer="zeros", trainable=False, name="steps"
        )
        # Once, as nothing that was never called can be exported.
        self(keras.Input(encoder.input.shape[1:]))

    @property
    def latent_dim(self) -> int:
        """Number of coordinates of a latent vector."""
        return self.decoder.input.shape[-1]

    def build(self, input_shape):
        self.built = True

    def call(self, inputs, training=None):
        found = self.encoder(inputs, training=training)
        first, second = (found[name] for name in self.posterior.outputs)
        z = self.sampling([first, second], training=training)
        logits = self.draw(z, found.get("orientation"), training)
        if training and isinstance(self.beta, _Schedule):
            self._steps.assign_add(1)
        return {"logits": logits, **found}

    def draw(self, z, orientation=None, training=False):
        """Logits of the images that latent vectors stand for, turned by directions if given."""
        logits = self.decoder(z, training=training)
        return logits if orientation is None else self.turning([logits, orientation])

    @staticmethod
    def cross_entropy(images, logits):
        """Cross-entropy of the pixels, summed over an image: of shape `(..., n)`, in nats.

        Args:
            images: of shape `(n, rows, columns, channels)`, in [0, 1].
            logits: of shape `(..., n, rows, columns, channels)`.
        """
        logits = widened(logits)
        images = ops.cast(ops.convert_to_tensor(images), logits.dtype)
        # Of logits, so that nothing is lost where a pixel is certain.
        return ops.sum(ops.softplus(logits) - images * logits, axis=(-3, -2, -1))

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The loss of a batch, and its parts for the logs.

        Raises:
            ValueError: if `compile` was given another loss.
        """
        if self._compile_loss is not None:
            raise ValueError(
                "A variational autoencoder has a loss of its own: leave `loss` out of compile(), "
                "and weigh its parts by `beta`."
            )
        reconstruction = self.cross_entropy(x if y is None else y, y_pred["logits"])
        kl = self.posterior.kl(*(widened(y_pred[name]) for name in self.posterior.outputs))
        self._reconstruction.update_state(reconstruction, sample_weight)
        self._kl.update_state(kl, sample_weight)
        total = reconstruction + ops.cast(self.current_beta(), kl.dtype) * kl
        if sample_weight is not None:
            total = total * ops.reshape(ops.cast(sample_weight, total.dtype), (-1,))
        # Keras adds up the losses of replicas, and so wants of each its share of their mean.
        return (mean(total, axis=0) + sum(self.losses)) / replicas()

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Compares the images that are drawn with the targets, by the metrics of `compile`."""
        drawn = ops.sigmoid(y_pred["logits"])
        return super().compute_metrics(x, x if y is None else y, drawn, sample_weight)

    def current_beta(self):
        """The weight of the divergence at this step of training."""
        return self.beta(self._steps) if isinstance(self.beta, _Schedule) else self.beta

    def fit(self, x=None, y=None, *args, **kwargs):
        """Trains the autoencoder, as `keras.Model.fit` does.

        Args:
            x: images in [0, 1], of shape `(n, rows, columns, channels)`, or what else Keras takes.
            y: images to draw instead of them, likewise, or None.
            *args: arguments of `keras.Model.fit`.
            **kwargs: likewise.

        Raises:
            ValueError: if arrays of images have pixels outside of [0, 1].
        """
        _check_pixels(x)
        _check_pixels(y)
        return super().fit(x, y, *args, **kwargs)

    def embed(self, images, batch_size: int | None = None) -> np.ndarray:
        """Mean latent vectors, of shape `(n, latent_dim)`.

        Args:
            images: array of shape `(n, rows, columns, channels)`, in [0, 1].
            batch_size: int; None for Keras's default.
        """
        _check_pixels(images)
        if isinstance(images, np.ndarray) and not len(images):  # of which Keras predicts nothing
            return np.zeros((0, self.latent_dim), "float32")
        return self.encoder.predict(images, batch_size=batch_size, verbose=0)["mean"]

    def reconstruct(self, images, batch_size: int | None = None) -> np.ndarray:
        """What the decoder draws of the mean latent vectors, of the shape of the images.

        Args:
            images: array of shape `(n, rows, columns, channels)`, in [0, 1].
            batch_size: int; None for Keras's default.
        """
        _check_pixels(images)
        if isinstance(images, np.ndarray) and not len(images):
            return np.zeros(images.shape, "float32")
        return _as_images(self.predict(images, batch_size=batch_size, verbose=0)["logits"])

    def sample(self, n: int, seed: int | None = None) -> np.ndarray:
        """Images drawn from latent vectors of the prior.

        Args:
            n: int, how many.
            seed: int, or None for a random one.
        """
        z = self.posterior.prior(check_count("n", n), self.latent_dim, seed)
        return _as_images(self.decoder.predict(z.astype("float32"), verbose=0))

    def get_config(self) -> dict:
        serialize = keras.saving.serialize_keras_object
        return {
            "name": self.name,
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
            **self._arguments,
            "beta": serialize(self.beta),
            "encoder": serialize(self.encoder),
            "decoder": serialize(self.decoder),
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = {**config, "encoder": _with_bounded_direction(config["encoder"])}
        for key in ("encoder", "decoder", "beta"):
            config[key] = keras.saving.deserialize_keras_object(
                config[key], custom_objects=custom_objects
            )
        return cls(**config)


def _with_bounded_direction(encoder: dict) -> dict:
    """The configuration of an encoder whose orientation has a bounded gradient.

    Files of version 0.1 have a stock layer there, which computes the same, but has the gradient NaN
    for a vector of zeros.
    """
    encoder = copy.deepcopy(encoder)
    for layer in encoder.get("config", {}).get("layers", []):
        old = layer["config"]
        if (layer["class_name"], old.get("name")) == ("UnitNormalization", "orientation"):
            new = UnitDirection(name=old["name"], dtype=old.get("dtype"))
            layer.update(keras.saving.serialize_keras_object(new))
    return encoder


def _check_pixels(images: object) -> None:
    """Raises a `ValueError` if an array of images leaves [0, 1]; looks at no other data."""
    if not isinstance(images, np.ndarray) or not images.size:
        return
    least, most = images.min(), images.max()
    if least < 0 or most > 1:
        raise ValueError(
            f"The images have pixels from {least:g} to {most:g}; the autoencoder is for pixels in "
            "[0, 1]. Divide those of 8 bits by 255."
        )


def check_beta(beta: float) -> float:
    """A finite number from 0 as a float; a `ValueError` for everything else."""
    number = isinstance(beta, Real) and not isinstance(beta, bool)
    if not number or not 0 <= beta < float("inf"):
        raise ValueError(
            f"beta={beta!r} has to be a number from 0, or a schedule of keras.optimizers.schedules."
        )
    return float(beta)


def _as_images(logits: np.ndarray) -> np.ndarray:
    """Pixels in [0, 1]; written so that large numbers do not overflow."""
    logits = np.asarray(logits, dtype="float32")
    return (1 + np.tanh(logits / 2)) / 2
