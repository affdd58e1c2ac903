"""A variational autoencoder whose latent vector says what an image shows, not how it is turned."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np

from keras_gcnn import groups
from keras_gcnn.arguments import as_count, check_choice, check_flag, check_rate
from keras_gcnn.layers import Fields
from keras_gcnn.zoo.autoencoder import VariationalAutoencoder
from keras_gcnn.zoo.budget import check_widths, choose_widths
from keras_gcnn.zoo.decorators import with_default_shape
from keras_gcnn.zoo.posteriors import POSTERIORS, Posterior
from keras_gcnn.zoo.spec import check_shape
from keras_gcnn.zoo.vae_convolutional import Convolutions
from keras_gcnn.zoo.vae_dense import DenseLayers
from keras_gcnn.zoo.weight_files import load_weights


@dataclass(frozen=True)
class _Variant:
    """What a variant sets.

    Attributes:
        fields: of the encoder under SO(2), per convolution.
        channels: of the encoder of ordinary convolutions, per convolution.
        kernel_sizes: per convolution.
        max_frequency: of the fields.
        features: invariant channels before the head.
        decoder: channels of the decoder.
        dropout: rate.
    """

    fields: tuple[int, ...]
    channels: tuple[int, ...]
    kernel_sizes: tuple[int, ...]
    max_frequency: int
    features: int
    decoder: tuple[int, ...]
    dropout: float


_VARIANTS = {
    None: _Variant((8, 12, 16), (16, 24, 24), (7, 5, 5), 4, 64, (64, 32, 16), 0.0),
    "mlp": _Variant((), (256, 128), (), 0, 0, (128, 256), 0.0),
    "report": _Variant((64, 64, 128), (64, 64, 128), (5, 5, 5), 6, 128, (128, 64, 32), 0.1),
}


@with_default_shape
def vae(
    group: str | groups.Group = "so2",
    posterior: str = "vmf",
    latent_dim: int = 6,
    beta: float | keras.optimizers.schedules.LearningRateSchedule = 0.1,
    max_frequency: int | None = None,
    input_shape: tuple[int, int, int] = (28, 28, 1),
    *,
    variant: str | None = None,
    widths: Sequence[int] | None = None,
    decoder_widths: Sequence[int] | None = None,
    parameters: int | None = None,
    orientation: bool = False,
    dropout: float | None = None,
    seed: int | None = None,
    weights: str | os.PathLike | None = None,
    data_format: str | None = None,
    name: str | None = None,
) -> VariationalAutoencoder:
    """Builds a variational autoencoder with an encoder that does not see how an image is turned.

    The encoder has three convolutions, under SO(2) with the mask, blur and pooling of `so2cnn`, on
    other groups with exact pooling, and a window of 7x7 of the last maps, from which invariant
    channels are made; their mean over positions goes to the posterior. So latent vectors are the
    same for all positions of an image under its group: exactly for quarter turns, and under SO(2)
    at other angles up to the error of sampling. The decoder is an ordinary network and draws the
    image in the position it was trained on: of a digit at any angle, the upright one.

    With `orientation=True` the encoder has a second head: a direction in the plane that turns with
    the image, by which what the decoder draws is turned. Content is then in the latent vector and
    pose in the direction, without labels for either. A blank image has no direction, and zeros in
    its place; that of a symmetric image, e.g. a disc, comes of rounding. Both are harmless in
    training.

    A training that `keras.callbacks.BackupAndRestore` resumes draws other latent vectors than one
    that was not interrupted, since Keras does not keep the states of seed generators; `keras-gcnn
    train` keeps them.

    Args:
        group: `"so2"`, or str or `keras_gcnn.groups.Group` of the encoder's group convolutions:
            `"z2"` (an ordinary encoder), `"p4"`, `"p4m"`, ...
        posterior: `"vmf"` (von Mises-Fisher, on the sphere) or `"gaussian"`.
        latent_dim: int, coordinates of a latent vector; on the sphere at least 2.
        beta: float, the weight of the divergence from the prior in the loss, or a
            `keras.optimizers.schedules.LearningRateSchedule` of the training step.
        max_frequency: int, highest frequency of the fields under SO(2); default 4, for `"report"`
            6.
        input_shape: rows, columns, channels (channels first if `data_format` says so), from 28 rows
            and columns, under SO(2) from 25, with dense layers from 1. Pixels are floats in [0, 1].
        variant: None for a network that a laptop trains, `"report"` for the large one of the
            published figures, with 5x5 kernels and dropout of 0.1, or `"mlp"` for dense layers, on
            `"z2"` alone: the network of Davidson et al., section 5.2.
        widths: fields per convolution of the encoder. Default `(8, 12, 16)` under SO(2) and
            `(16, 24, 24)` / sqrt(|G|) on other groups, for `"report"` `(64, 64, 128)`, likewise; of
            dense layers units, `(256, 128)`. With `parameters`, proportions.
        decoder_widths: channels of the decoder's three transposed convolutions. Default
            `(64, 32, 16)`, for `"report"` `(128, 64, 32)`; of dense layers units, `(128, 256)`.
        parameters: int: the encoder nearest to the ratio of `widths` with which the whole model has
            at most so many trainable parameters, and at least 98 % of them.
        orientation: bool, whether the image is drawn at its own angle. Needs a group of rotations.
        dropout: float, rate after every activation; None for that of the variant.
        seed: int, of the latent vectors drawn in training, or None for a random one.
        weights: None for fresh weights, or the path of a file of this network.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's configuration.
        name: str, name of the model.

    Returns:
        A `keras_gcnn.zoo.VariationalAutoencoder`; train it by `compile("adam")` and `fit(images)`.
        Its attribute `widths` tells the fields of the encoder.

    Raises:
        ValueError: for an unknown group, posterior or variant, an image that is too small, a budget
            that cannot be met to 2 %, an orientation under a group without rotations or with mirror
            images, or a file of another network.

    Example:

    >>> import numpy as np
    >>> from keras_gcnn import zoo
    >>> model = zoo.vae("p4", latent_dim=3)
    >>> model.embed(np.zeros((2, 28, 28, 1), "float32")).shape
    (2, 3)

    References:
        Davidson et al. 2018, "Hyperspherical Variational Auto-Encoders"; Higgins et al. 2017,
        "beta-VAE"; Bepler et al. 2019, "Explicitly disentangling image content from translation and
        rotation with spatial-VAE", for content apart from pose.
    """
    chosen = _VARIANTS[check_choice("variant", variant, tuple(_VARIANTS))]
    family = POSTERIORS[check_choice("posterior", posterior, tuple(POSTERIORS))]
    dim = _check_dim(latent_dim, family, posterior)
    data_format = data_format or keras.config.image_data_format()
    on = _find_group(group)
    if on is None:
        max_frequency = chosen.max_frequency if max_frequency is None else max_frequency
        Fields.regular(1, max_frequency)  # refuses what is no frequency
    dropout = chosen.dropout if dropout is None else check_rate("dropout", dropout)
    orientation = _check_orientation(orientation, on)
    rows, columns, channels = check_shape(input_shape, data_format, 1)
    shape = tuple(map(int, input_shape))
    if variant == "mlp":
        if on is None or on.order > 1:
            raise ValueError(
                f'variant="mlp" is of dense layers, which know no group={group!r}. Use '
                'group="z2", or another variant.'
            )
        parts = DenseLayers(shape, dropout)
    else:
        parts = Convolutions(
            group=on,
            sizes=(rows, columns),
            channels=channels,
            kernel_sizes=chosen.kernel_sizes,
            max_frequency=max_frequency,
            features=chosen.features,
            dropout=dropout,
            orientation=orientation,
            data_format=data_format,
        )
    check_shape(input_shape, data_format, parts.smallest)
    drawn = chosen.decoder if decoder_widths is None else decoder_widths
    drawn = check_widths(drawn, len(chosen.decoder), "decoder_widths")
    decoder = parts.decoder(dim, drawn)
    of_decoder = sum(int(np.prod(variable.shape)) for variable in decoder.trainable_variables)

    def count(widths: Sequence[int]) -> int:
        found = parts.encode(widths)
        return found.parameters + family.head_parameters(found.channels, dim) + of_decoder

    ratio = chosen.fields
    if on is not None:
        ratio = [width / on.order**0.5 for width in chosen.channels]
    widths = choose_widths(count, ratio, widths, parameters)

    image = keras.Input(shape, name="image")
    found = parts.encode(widths, image)
    precision = keras.config.dtype_policy().variable_dtype
    outputs = dict(zip(family.outputs, family.head(found.features, dim, precision), strict=True))
    if found.orientation is not None:
        outputs["orientation"] = found.orientation
    model = VariationalAutoencoder(
        keras.Model(image, outputs, name="encoder"),
        decoder,
        posterior,
        beta,
        seed=seed,
        data_format=data_format,
        name=name or f"vae_{'so2' if on is None else on.name}_{posterior}",
    )
    model.widths = widths
    return load_weights(model, weights)


def _find_group(group: str | groups.Group) -> groups.Group | None:
    """The group of the encoder; None for SO(2)."""
    if isinstance(group, str) and group.lower() == "so2":
        return None
    try:
        return groups.get(group)
    except ValueError as error:
        raise ValueError(f"{error} Or 'so2', for all rotations.") from None


def _check_dim(latent_dim: int, family: Posterior, posterior: str) -> int:
    dim = as_count(latent_dim)
    if dim is None or dim < family.least:
        raise ValueError(
            f"latent_dim={latent_dim!r} has to be an integer from {family.least} for "
            f"posterior={posterior!r}."
        )
    return dim


def _check_orientation(orientation: bool, group: groups.Group | None) -> bool:
    if not check_flag("orientation", orientation) or group is None:
        return bool(orientation)
    turns_only = (np.linalg.det(group.matrices) > 0).all()
    if group.order == 1 or not turns_only:
        what = "has no rotation" if group.order == 1 else "has mirror images too"
        raise ValueError(
            f"orientation=True needs a group of rotations, and {group.name} {what}: an angle would "
            "not tell the pose. Choose 'so2' or 'p4', or leave orientation out."
        )
    return True
