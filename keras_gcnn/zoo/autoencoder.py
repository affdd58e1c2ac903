"""Variational autoencoders: an encoder and a decoder, trained together by plain `fit`."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_gcnn.arguments import check_choice, check_count
from keras_gcnn.backend.ops import mean, replicas, widened
from keras_gcnn.layers import TurnByVector, UnitDirection
from keras_gcnn.types import AnyGroupLike, Beta, Shape, Tensor
from keras_gcnn.zoo.averaged_encoder import DIRECTION, averaged
from keras_gcnn.zoo.beta import Schedule, find_beta
from keras_gcnn.zoo.posteriors import POSTERIORS


@keras.saving.register_keras_serializable(package="keras_gcnn")
class VariationalAutoencoder(keras.Model):
    """An encoder to a distribution over latent vectors, and a decoder from latent vectors.

    Train it by `compile(optimizer)` and `fit(images)`, or by `fit(images, targets)` if it shall
    reconstruct other images than its inputs. The loss is the cross-entropy of the pixels, summed
    over an image, plus `beta` times the divergence of the posterior from the prior, both in nats;
    for `beta=1` it is the negative evidence lower bound. The model reports both parts, as
    `reconstruction` and `kl`. In training the decoder receives latent samples; otherwise, also in
    `evaluate`, it receives the mean of the posterior, so that `val_loss` is a little below the
    negative bound, which `analysis.evidence` estimates.

    Called on images, the model returns a dict: the `logits` of the pixels, whose sigmoid is the
    image; the posterior's `mean` and `concentration` or `log_variance`; and the `orientation`, if
    the encoder has one.

    Keras does not save the states of seed generators. When `keras.callbacks.BackupAndRestore`
    resumes an interrupted training, the latent samples therefore differ from those of an
    uninterrupted one; `keras-gcnn train` keeps the states and resumes exactly.

    Args:
        encoder: model from images to a dict of the two tensors of the posterior and, optionally,
            unit vectors `orientation` of shape `(batch, 2)`, by which the output of the decoder is
            rotated; zeros do not rotate.
        decoder: model from latent vectors `(batch, latent_dim)` to logits of images.
        posterior: `"vmf"` (von Mises-Fisher) or `"gaussian"`.
        beta: float from 0, or a `keras.optimizers.schedules.LearningRateSchedule` of the training
            step, e.g. `PolynomialDecay(0.0, 1000, 1.0)` for a warm-up, or the dict that Keras
            makes of one.
        seed: int, seed of the latent vectors drawn in training, or None for a random seed.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's configuration.
        **kwargs: arguments of `keras.Model`, such as `name`.

    Raises:
        ValueError: if the encoder has other outputs, for an unknown posterior, or a negative beta.

    References:
        Kingma & Welling 2014, "Auto-Encoding Variational Bayes"; Higgins et al. 2017, "beta-VAE";
        Davidson et al. 2018, "Hyperspherical Variational Auto-Encoders".
    """

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        posterior: str = "vmf",
        beta: Beta = 1.0,
        *,
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        check_choice("posterior", posterior, tuple(POSTERIORS))
        self.posterior = POSTERIORS[posterior]
        outputs = set(encoder.output) if isinstance(encoder.output, dict) else set()
        if outputs - {DIRECTION} != set(self.posterior.outputs):
            names = " and ".join(map(repr, self.posterior.outputs))
            raise ValueError(
                f"encoder {encoder.name!r} has to return a dict of {names}, and possibly "
                f"'orientation', for posterior={posterior!r}; its outputs are {sorted(outputs)}."
            )
        beta = find_beta(beta)
        self.encoder = encoder
        self.decoder = decoder
        self.beta = beta
        data_format = data_format or keras.config.image_data_format()
        self._arguments: dict[str, Any] = {
            "posterior": posterior,
            "seed": seed,
            "data_format": data_format,
        }
        self.sampling = self.posterior.sampling(seed)
        self.turning: Callable[..., Tensor] | None = None
        if DIRECTION in outputs:
            self.turning = TurnByVector(
                data_format=data_format, dtype=decoder.output.dtype, name="turning"
            )
        self._reconstruction = keras.metrics.Mean(name="reconstruction")
        self._kl = keras.metrics.Mean(name="kl")
        self._steps = self.add_weight(
            shape=(), dtype="int32", initializer="zeros", trainable=False, name="steps"
        )
        # A model that was never called cannot be exported.
        self(keras.Input(encoder.input.shape[1:]))

    @property
    def latent_dim(self) -> int:
        """Dimension of the latent space."""
        return self.decoder.input.shape[-1]

    def build(self, input_shape: Shape) -> None:
        self.built = True

    def call(self, inputs: Tensor, training: bool | None = None) -> dict[str, Tensor]:
        encoded = self.encoder(inputs, training=training)
        z = self.sampling([encoded[name] for name in self.posterior.outputs], training=training)
        logits = self.draw(z, encoded.get(DIRECTION), training)
        if training and isinstance(self.beta, Schedule):
            self._steps.assign_add(1)
        return {"logits": logits, **encoded}

    def draw(
        self, z: Tensor, orientation: Tensor | None = None, training: bool | None = False
    ) -> Tensor:
        """Returns the decoded logits of latent vectors, rotated by directions if given."""
        logits = self.decoder(z, training=training)
        if orientation is None or self.turning is None:
            return logits
        return self.turning([logits, orientation])

    @staticmethod
    def cross_entropy(images: Tensor, logits: Tensor) -> Tensor:
        """Returns the cross-entropy of the pixels summed over an image, `(..., n)`, in nats.

        Args:
            images: of shape `(n, rows, columns, channels)`, in [0, 1].
            logits: of shape `(..., n, rows, columns, channels)`.
        """
        logits = widened(logits)
        images = ops.cast(ops.convert_to_tensor(images), logits.dtype)
        # Computed from logits, so that certain pixels lose no precision. A mean, scaled, since JAX
        # before 0.10 merges a sum over pixels with the sum over images that follows, and adds up
        # all of these numbers in float32 one by one: the metric was 2e-5 off.
        pixels = math.prod(logits.shape[-3:])
        return pixels * mean(ops.softplus(logits) - images * logits, axis=(-3, -2, -1))

    def compute_loss(
        self,
        x: Tensor | None = None,
        y: Tensor | None = None,
        y_pred: Any = None,
        sample_weight: Tensor | None = None,
        training: bool = True,
    ) -> Tensor:
        """Returns the loss of a batch, and updates the metrics of its two parts.

        Raises:
            ValueError: if `compile` was given another loss.
        """
        if self._compile_loss is not None:
            raise ValueError(
                "A variational autoencoder has a loss of its own: leave `loss` out of compile(), "
                "and weight its parts by `beta`."
            )
        reconstruction = self.cross_entropy(x if y is None else y, y_pred["logits"])
        kl = self.posterior.kl(*(widened(y_pred[name]) for name in self.posterior.outputs))
        self._reconstruction.update_state(reconstruction, sample_weight)
        self._kl.update_state(kl, sample_weight)
        total = reconstruction + ops.cast(self.current_beta(), kl.dtype) * kl
        if sample_weight is not None:
            total = total * ops.reshape(ops.cast(sample_weight, total.dtype), (-1,))
        # Keras sums the losses of the replicas, so each returns its share of the mean.
        return (mean(total, axis=0) + sum(self.losses)) / replicas()

    def compute_metrics(
        self, x: Tensor, y: Tensor | None, y_pred: Any, sample_weight: Tensor | None = None
    ) -> dict[str, Any]:
        """Compares reconstructed images with the targets, by the metrics of `compile`."""
        images = ops.sigmoid(y_pred["logits"])
        return super().compute_metrics(x, x if y is None else y, images, sample_weight)

    def current_beta(self) -> Tensor | float:
        """Returns the weight of the divergence at the current step of training."""
        return self.beta(self._steps) if isinstance(self.beta, Schedule) else self.beta

    def fit(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Trains the autoencoder, as `keras.Model.fit` does.

        Args:
            x: images in [0, 1], of shape `(n, rows, columns, channels)`, or a data set of them in
                any type that `keras.Model.fit` takes.
            y: target images of the same shape, or None to reconstruct `x`.
            *args: further arguments of `keras.Model.fit`.
            **kwargs: further arguments of `keras.Model.fit`.

        Raises:
            ValueError: if an array of images has pixels outside [0, 1].
        """
        _check_pixels(x)
        _check_pixels(y)
        return super().fit(x, _targets(x, y, kwargs), *args, **kwargs)

    def evaluate(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Measures the loss, as `keras.Model.evaluate` does.

        Args:
            x: images, as for `fit`.
            y: target images, as for `fit`.
            *args: further arguments of `keras.Model.evaluate`.
            **kwargs: further arguments of `keras.Model.evaluate`.

        Raises:
            ValueError: if an array of images has pixels outside [0, 1].
        """
        _check_pixels(x)
        _check_pixels(y)
        return super().evaluate(x, _targets(x, y, kwargs), *args, **kwargs)

    def embed(self, images: Any, batch_size: int | None = None) -> np.ndarray:
        """Returns the mean latent vectors of images, of shape `(n, latent_dim)`.

        Args:
            images: array of shape `(n, rows, columns, channels)`, in [0, 1].
            batch_size: int; None for Keras's default.
        """
        _check_pixels(images)
        if isinstance(images, np.ndarray) and not len(images):  # Keras does not predict on none
            return np.zeros((0, self.latent_dim), "float32")
        return self.encoder.predict(images, batch_size=batch_size, verbose=0)["mean"]

    def reconstruct(self, images: Any, batch_size: int | None = None) -> np.ndarray:
        """Returns the images decoded from the mean latent vectors, of the shape of the inputs.

        Args:
            images: array of shape `(n, rows, columns, channels)`, in [0, 1].
            batch_size: int; None for Keras's default.
        """
        _check_pixels(images)
        if isinstance(images, np.ndarray) and not len(images):
            return np.zeros(images.shape, "float32")
        return _as_images(self.predict(images, batch_size=batch_size, verbose=0)["logits"])

    def sample(self, n: int, seed: int | None = None) -> np.ndarray:
        """Returns images decoded from latent vectors that are drawn from the prior.

        Args:
            n: int, number of images.
            seed: int, or None for a random seed.
        """
        z = self.posterior.prior(check_count("n", n), self.latent_dim, seed)
        return _as_images(self.decoder.predict(z.astype("float32"), verbose=0))

    def symmetrized(
        self, group: AnyGroupLike, *, already: AnyGroupLike | None = None
    ) -> VariationalAutoencoder:
        """Returns this autoencoder with an encoder that averages over the poses of an image.

        The new encoder runs this one on every image in all poses of the group, and averages what it
        returns; means on the sphere get length one again. Its latent vectors are then invariant
        under the group, up to the error of interpolation. Training can enlarge the error that
        an encoder under SO(2) has between the quarter turns; `symmetrized("c8", already="c4")`
        removes most of it afterwards, for one more run of the encoder on each image.

        Both autoencoders share their weights. The new one is not compiled.

        Args:
            group: any finite group, such as `"p4"` or `"c8"`; see `keras_gcnn.symmetrize`.
            already: a subgroup under which the encoder is equivariant itself, or None. This is not
                checked: for an encoder that is not, the latent vectors are not invariant either.

        Raises:
            ValueError: for an infinite group, `already` that is no subgroup, or images that are not
                square under quarter turns.

        Example:

        >>> import numpy as np
        >>> from keras_gcnn import zoo
        >>> vae = zoo.vae("so2").symmetrized("c8", already="c4")
        >>> vae.embed(np.zeros((2, 28, 28, 1), "float32")).shape
        (2, 6)
        """
        encoder = averaged(
            self.encoder,
            group,
            already,
            self.posterior.unit_outputs,
            self._arguments["data_format"],
        )
        model = VariationalAutoencoder(
            encoder,
            self.decoder,
            beta=self.beta,
            name=f"{self.name}_symmetrized",
            dtype=self.dtype_policy,
            **self._arguments,
        )
        model._steps.assign(self._steps)
        return model

    def get_config(self) -> dict:
        serialize = keras.saving.serialize_keras_object
        return {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
            **self._arguments,
            "beta": serialize(self.beta),
            "encoder": serialize(self.encoder),
            "decoder": serialize(self.decoder),
        }

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None
    ) -> VariationalAutoencoder:
        config = {**config, "encoder": _with_bounded_direction(config["encoder"])}
        for key in ("encoder", "decoder", "beta"):
            config[key] = keras.saving.deserialize_keras_object(
                config[key], custom_objects=custom_objects
            )
        return cls(**config)


def _targets(x: Any, y: Any, arguments: dict[str, Any]) -> Any:
    """Returns the target images: `x` if there are weights alone, which Keras drops without `y`."""
    return x if y is None and arguments.get("sample_weight") is not None else y


def _with_bounded_direction(encoder: dict) -> dict:
    """Returns the configuration of an encoder whose orientation has a bounded gradient.

    In files of version 0.1 the orientation is a stock layer, which computes the same but has the
    gradient NaN at a vector of zeros.
    """
    encoder = copy.deepcopy(encoder)
    for layer in encoder.get("config", {}).get("layers", []):
        old = layer["config"]
        if (layer["class_name"], old.get("name")) == ("UnitNormalization", DIRECTION):
            new = UnitDirection(name=old["name"], dtype=old.get("dtype"))
            layer.update(keras.saving.serialize_keras_object(new))
    return encoder


def _check_pixels(images: object) -> None:
    """Raises a `ValueError` if an array has pixels outside [0, 1]; ignores other data."""
    if not isinstance(images, np.ndarray) or not images.size:
        return
    least, most = images.min(), images.max()
    if least < 0 or most > 1:
        raise ValueError(
            f"The images have pixels from {least:g} to {most:g}; the autoencoder needs pixels in "
            "[0, 1]. Divide 8-bit images by 255."
        )


def _as_images(logits: np.ndarray) -> np.ndarray:
    """Returns the sigmoid of logits, computed so that large numbers do not overflow."""
    logits = np.asarray(logits, dtype="float32")
    return (1 + np.tanh(logits / 2)) / 2
