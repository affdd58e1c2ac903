"""A variational autoencoder whose latent vectors do not depend on the rotation of the image."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np

from keras_gcnn.arguments import as_count, check_above_zero, check_choice, check_flag, check_rate
from keras_gcnn.groups import Group
from keras_gcnn.groups.fields import SO2
from keras_gcnn.groups.point_group import PointGroup, find_group
from keras_gcnn.layers.common.cost import multiply_adds_of
from keras_gcnn.types import AnyGroupLike, Beta
from keras_gcnn.zoo.autoencoder import VariationalAutoencoder
from keras_gcnn.zoo.averaged_encoder import DIRECTION
from keras_gcnn.zoo.budget import Count, check_widths, choose_widths
from keras_gcnn.zoo.decorators import with_default_shape
from keras_gcnn.zoo.posteriors import POSTERIORS, Posterior
from keras_gcnn.zoo.spec import check_shape
from keras_gcnn.zoo.symmetries import FieldType
from keras_gcnn.zoo.vae_convolutional import Convolutions
from keras_gcnn.zoo.vae_dense import DenseLayers
from keras_gcnn.zoo.weight_files import load_weights


@dataclass(frozen=True)
class _Variant:
    """Settings of a variant.

    Attributes:
        so2_widths: regular fields per convolution of the encoder under SO(2).
        widths: channels per convolution of an ordinary encoder, or units per dense layer.
        decoder_widths: channels per convolution of the decoder, or units per dense layer.
        dropout: rate after every activation.
        kernel_sizes: kernel size per convolution of the encoder; empty for dense layers.
        max_frequency: highest frequency of the fields under SO(2) and O(2).
        features: invariant channels before the head.
    """

    so2_widths: tuple[int, ...]
    widths: tuple[int, ...]
    decoder_widths: tuple[int, ...]
    dropout: float
    kernel_sizes: tuple[int, ...] = ()
    max_frequency: int = 0
    features: int = 0


_VARIANTS = {
    None: _Variant(
        so2_widths=(8, 12, 16),
        widths=(16, 24, 24),
        decoder_widths=(64, 32, 16),
        dropout=0.0,
        kernel_sizes=(7, 5, 5),
        max_frequency=4,
        features=64,
    ),
    "mlp": _Variant(
        so2_widths=(),
        widths=(256, 128),
        decoder_widths=(128, 256),
        dropout=0.0,
    ),
    "report": _Variant(
        so2_widths=(64, 64, 128),
        widths=(64, 64, 128),
        decoder_widths=(128, 64, 32),
        dropout=0.1,
        kernel_sizes=(5, 5, 5),
        max_frequency=6,
        features=128,
    ),
}


@with_default_shape
def vae(
    group: AnyGroupLike = "so2",
    posterior: str = "vmf",
    latent_dim: int = 6,
    beta: Beta = 0.1,
    max_frequency: int | None = None,
    input_shape: tuple[int, int, int] = (28, 28, 1),
    *,
    variant: str | None = None,
    widths: Sequence[int] | None = None,
    decoder_widths: Sequence[int] | None = None,
    parameters: int | None = None,
    multiply_adds: int | None = None,
    orientation: bool = False,
    latent_scale: float = 1.0,
    dropout: float | None = None,
    seed: int | None = None,
    weights: str | os.PathLike | None = None,
    data_format: str | None = None,
    name: str | None = None,
) -> VariationalAutoencoder:
    """Builds a variational autoencoder whose encoder is invariant under rotations of the image.

    The encoder has three convolutions, followed by invariant channels, each from a 7x7 window of
    the last maps; their mean over positions goes to the posterior. Under SO(2) and the other groups
    with steerable layers it has the mask, blur and pooling of `steerable_cnn`, on groups of the
    pixel grid exact pooling. The latent vector of an image is therefore the same for the image
    transformed by any element of the group: exactly for the elements that move pixels to pixels,
    and for the others up to the error of sampling, which the method `symmetrized` of the model
    makes smaller after the training. The decoder is an ordinary network and returns the image in
    the pose of its training targets, for instance the upright digit for a digit at any angle.

    With `orientation=True` the encoder has a second head: a direction in the plane that rotates
    with the image, and by which the output of the decoder is rotated. The latent vector then holds
    the content and the direction the pose, without labels for either. A blank image has no
    direction, and gets zeros instead; the direction of a symmetric image, e.g. a disc, is rounding
    noise. Both are harmless in training.

    When `keras.callbacks.BackupAndRestore` resumes an interrupted training, the latent samples
    differ from those of an uninterrupted one, since Keras does not keep the states of seed
    generators; `keras-gcnn train` keeps them.

    On PyTorch `compile(..., jit_compile=True)` needs batches of one size: at a smaller last batch
    PyTorch's compiler can fail, as it does on stock layers. Choose a batch size that divides the
    number of images.

    Args:
        group: `"so2"` (rotations by any angle), `"o2"` (and mirrors), `"c8"` (multiples of an
            eighth of a turn), `"d8"` (and mirrors), with any number in place of 8, for steerable
            layers; or `"z2"` (an ordinary encoder), `"p4"`, `"p4m"`, ... for group convolutions.
        posterior: `"vmf"` (von Mises-Fisher, on the sphere) or `"gaussian"`.
        latent_dim: int, coordinates of a latent vector; on the sphere at least 2.
        beta: float, the weight of the divergence from the prior in the loss, or a
            `keras.optimizers.schedules.LearningRateSchedule` of the training step, as an object or
            as the dict that Keras makes of it, which a recipe can hold.
        max_frequency: int, highest frequency of the fields of steerable layers. The default is 4
            under SO(2) and O(2), for `"report"` 6, and the highest of other groups.
        input_shape: rows, columns, channels (with `data_format="channels_first"`, the channels come
            first). At least 28 rows and columns, 25 with steerable layers, 1 with dense layers.
            Pixels are floats in [0, 1].
        variant: None for a network that a laptop can train, `"report"` for the large one of the
            published results, with 5x5 kernels and dropout of 0.1, or `"mlp"` for dense layers,
            which need `group="z2"`: the network of Davidson et al., section 5.2.
        widths: fields per convolution of the encoder. The default is `(8, 12, 16)` under SO(2) and
            `(16, 24, 24) / sqrt(|G|)` on groups of the pixel grid; for `"report"` `(64, 64, 128)`
            and `(64, 64, 128) / sqrt(|G|)`; for `"mlp"` units per dense layer, `(256, 128)`. Other
            groups have the widths of SO(2) times `sqrt(m / n)`, for fields of n channels where
            those of SO(2) have m. With a budget, only the proportions of the widths count.
        decoder_widths: channels of the decoder's three transposed convolutions. The default is
            `(64, 32, 16)`, for `"report"` `(128, 64, 32)`; for `"mlp"` units per dense layer,
            `(128, 256)`.
        parameters: int, a budget: the builder scales the widths of the encoder so that the whole
            model has at most this many trainable parameters and at least 98 % of them.
        multiply_adds: int, a budget of multiply-adds for one image instead, from the image to the
            logits of its pixels, used to the same share; see `keras_gcnn.analysis.cost`.
        orientation: bool, whether the encoder has the second head and the output is rotated. Needs
            a group of rotations without mirrors.
        latent_scale: float above 0, by which the decoder multiplies a latent vector first. The
            coordinates of vectors on the sphere are small, `1 / sqrt(latent_dim)` on average, so
            that a decoder of dense layers, `"mlp"`, learns faster with `sqrt(latent_dim)`; other
            decoders begin with a normalisation, which takes every scale for the same.
        dropout: float, rate after every activation; None for that of the variant.
        seed: int, seed of the latent vectors drawn in training, or None for a random seed.
        weights: None for fresh weights, or the path of a file of this network.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's configuration.
        name: str, name of the model.

    Returns:
        A `keras_gcnn.zoo.VariationalAutoencoder`; train it by `compile("adam")` and `fit(images)`.
        Its attributes `widths` and `multiply_adds` hold the widths of the encoder and the
        multiply-adds for one image; they are not saved with the model.

    Raises:
        ValueError: for an unknown group, posterior or variant, an image that is too small, two
            budgets or one that cannot be met to 2 %, `orientation=True` under a group without
            rotations or with mirror images, or a file of another network.

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
    settings = _VARIANTS[check_choice("variant", variant, tuple(_VARIANTS))]
    family = POSTERIORS[check_choice("posterior", posterior, tuple(POSTERIORS))]
    dim = _check_dim(latent_dim, family, posterior)
    data_format = data_format or keras.config.image_data_format()
    encoder_group = find_group(group)
    fields = _find_fields(encoder_group, max_frequency, settings)
    dropout = settings.dropout if dropout is None else check_rate("dropout", dropout)
    orientation = _check_orientation(orientation, encoder_group)
    rows, columns, channels = check_shape(input_shape, data_format, 1)
    shape = (int(input_shape[0]), int(input_shape[1]), int(input_shape[2]))
    parts: DenseLayers | Convolutions
    if variant == "mlp":
        if encoder_group.order > 1:
            raise ValueError(
                f'variant="mlp" has dense layers, which are not equivariant under group={group!r}. '
                'Use group="z2", or another variant.'
            )
        parts = DenseLayers(shape, dropout)
    else:
        parts = Convolutions(
            group=encoder_group,
            sizes=(rows, columns),
            channels=channels,
            kernel_sizes=settings.kernel_sizes,
            fields=fields,
            features=settings.features,
            dropout=dropout,
            orientation=orientation,
            data_format=data_format,
        )
    check_shape(input_shape, data_format, parts.smallest)
    if decoder_widths is None:
        decoder_widths = settings.decoder_widths
    length = len(settings.decoder_widths)
    decoder = parts.decoder(
        dim,
        check_widths(decoder_widths, length, "decoder_widths"),
        check_above_zero("latent_scale", latent_scale, example=1.0),
    )
    decoder_count = _count(decoder)

    def count(widths: Sequence[int]) -> Count:
        outputs = parts.encode(widths)
        units = family.head_units(dim)
        head = Count((outputs.channels + 1) * units, outputs.channels * units)
        return decoder_count + head + outputs.count

    ratio = _ratio(encoder_group, fields, settings)
    widths = choose_widths(count, ratio, widths, parameters=parameters, multiply_adds=multiply_adds)

    image = keras.Input(shape, name="image")
    encoded = parts.encode(widths, image)
    precision = keras.config.dtype_policy().variable_dtype
    outputs = dict(zip(family.outputs, family.head(encoded.features, dim, precision), strict=True))
    if encoded.orientation is not None:
        outputs[DIRECTION] = encoded.orientation
    model = VariationalAutoencoder(
        keras.Model(image, outputs, name="encoder"),
        decoder,
        posterior,
        beta,
        seed=seed,
        data_format=data_format,
        name=name or f"vae_{encoder_group.name}_{posterior}",
    )
    model.widths, model.multiply_adds = widths, count(widths).multiply_adds
    return load_weights(model, weights)


def _count(decoder: keras.Model) -> Count:
    """Counts a decoder, which is a chain of stock layers after the input."""
    return Count(
        sum(int(np.prod(weight.shape)) for weight in decoder.trainable_variables),
        sum(
            multiply_adds_of(layer, layer.input.shape, layer.output.shape) or 0
            for layer in decoder.layers[1:]
        ),
    )


def _find_fields(
    group: Group | PointGroup, max_frequency: int | None, settings: _Variant
) -> FieldType:
    """Returns what the fields of steerable layers are."""
    if isinstance(group, Group):
        if max_frequency is not None:
            raise ValueError(
                f"max_frequency={max_frequency!r} is for groups of Fields, such as 'so2' or 'c8'; "
                f"group={group.name!r} has no frequencies. Leave max_frequency out."
            )
        return FieldType()
    if max_frequency is None and group.turns is None:
        max_frequency = settings.max_frequency
    fields = FieldType("regular", max_frequency)
    fields.check(group)
    return fields


def _ratio(group: Group | PointGroup, fields: FieldType, settings: _Variant) -> list[float]:
    """Returns the default widths, for about as many weights under every group."""
    if isinstance(group, Group):
        return [width / group.order**0.5 for width in settings.widths]
    if group == SO2:
        return list(settings.so2_widths)
    channels = FieldType("regular", settings.max_frequency).size(SO2)
    return [width * (channels / fields.size(group)) ** 0.5 for width in settings.so2_widths]


def _check_dim(latent_dim: int, family: Posterior, posterior: str) -> int:
    dim = as_count(latent_dim)
    if dim is None or dim < family.least:
        raise ValueError(
            f"latent_dim={latent_dim!r} has to be an integer from {family.least} for "
            f"posterior={posterior!r}."
        )
    return dim


def _check_orientation(orientation: bool, group: Group | PointGroup) -> bool:
    orientation = check_flag("orientation", orientation)
    if not orientation:
        return False
    if isinstance(group, Group):
        only_rotations = (np.linalg.det(group.matrices) > 0).all()
    else:
        only_rotations = not group.mirrors
    if group.order == 1 or not only_rotations:
        reason = "has no rotation" if group.order == 1 else "has mirror images too"
        raise ValueError(
            f"orientation=True needs a group of rotations, and {group.name} {reason}: an angle "
            "would not determine the pose. Choose 'so2' or 'p4', or leave orientation out."
        )
    return True
