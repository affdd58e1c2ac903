"""A network that reads images at any angle: steerable convolutions under SO(2)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import keras

from keras_gcnn.arguments import check_choice
from keras_gcnn.groups.fields import SO2
from keras_gcnn.zoo.build_steerable import build_steerable
from keras_gcnn.zoo.decorators import with_published_weights
from keras_gcnn.zoo.spec import Options
from keras_gcnn.zoo.steerable_chain import Chain, check_kernel_sizes
from keras_gcnn.zoo.symmetries import FieldType


@dataclass(frozen=True)
class _Variant:
    """Settings of a variant.

    Attributes:
        widths: regular fields per convolution.
        kernel_sizes: rows and columns of the kernel per convolution.
        chain: the other settings.
    """

    widths: tuple[int, ...]
    kernel_sizes: tuple[int, ...]
    chain: Chain


_VARIANTS = {
    None: _Variant(widths=(8, 12, 16), kernel_sizes=(7, 5, 5), chain=Chain()),
    "report": _Variant(
        widths=(16, 16, 32),
        kernel_sizes=(3, 3, 3),
        chain=Chain(band_limit="escnn", blur=0.0, pooling=None, window=1, normalized=False),
    ),
}


@with_published_weights
def so2cnn(
    variant: str | None = None,
    widths: Sequence[int] | None = None,
    kernel_sizes: Sequence[int] | None = None,
    max_frequency: int | None = None,
    input_shape: tuple[int, int, int] = (28, 28, 1),
    classes: int = 10,
    parameters: int | None = None,
    *,
    multiply_adds: int | None = None,
    samples: int = 16,
    dropout: float = 0.0,
    include_top: bool = True,
    classifier_activation: str | None = None,
    weights: str | os.PathLike | None = None,
    data_format: str | None = None,
    name: str | None = None,
) -> keras.Model:
    """Builds a network whose features rotate with the image by any angle, with invariant logits.

    The disc mask, a slight blur, and three stages of a steerable convolution, batch normalisation
    and ELU of the fields as functions of the angle; the first two stages end in a blurred pooling
    by two. Then 32 invariant channels, each from a 7x7 window of the maps, which covers the whole
    map of an image of 28 pixels; their normalisation, ELU and mean over positions; and the classes.
    Layers are named `mask`, `blur`, `conv1`, `norm1`, `activation1`, `pool1`, ..., `invariants`,
    `head`, `logits`. The logits are exactly invariant under quarter turns at every image size, and
    at other angles up to the error of sampling on the pixel grid.

    Args:
        variant: None for the best network for its cost, or `"report"` for one with 3x3 kernels on
            Gaussian rings and without blur, whose invariant channels each come from one position:
            the network of the published results, with 38,442 parameters.
        widths: regular fields per convolution, each with all frequencies up to `max_frequency`. The
            default is `(8, 12, 16)`, for `"report"` `(16, 16, 32)`. With a budget, only the
            proportions of the widths count.
        kernel_sizes: rows and columns of the kernel, odd, per convolution; default `(7, 5, 5)`, for
            `"report"` `(3, 3, 3)`.
        max_frequency: int, highest frequency of the fields; default 4.
        input_shape: rows, columns, channels (with `data_format="channels_first"`, the channels come
            first). Pixels are floats in [0, 1].
        classes: int, number of classes.
        parameters: int, a budget: the builder scales the widths so that the network has at most
            this many trainable parameters and at least 99 % of them, or 98 % if 99 % cannot be
            reached.
        multiply_adds: int, a budget of multiply-adds for one image instead, used to the same share;
            see `keras_gcnn.analysis.cost`.
        samples: int, number of angles at which the activation is computed; a multiple of 4, at
            least `2 max_frequency + 1`.
        dropout: float, share of fields that are dropped in training after every activation.
        include_top: bool; False for a backbone, which returns the fields of the last stage.
        classifier_activation: activation of the output; None returns logits.
        weights: None for fresh weights, the name of published ones (see
            `keras_gcnn.zoo.available()`), or the path of a file of this network.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's configuration.
        name: str, name of the model.

    Returns:
        A functional `keras.Model` from images `(batch, rows, columns, channels)` to logits
        `(batch, classes)`, or to fields without the top. Its attributes `widths`, `stages` and
        `multiply_adds` hold the fields per convolution, the names of the stages, and the
        multiply-adds for one image; they are not saved with the model.

    Raises:
        ValueError: for an unknown variant, an image that is too small, widths and kernel sizes of
            different lengths, a budget that cannot be met to 2 %, weights that are not published,
            or a file of another network.

    Example:

    >>> import math
    >>> from keras_gcnn import zoo
    >>> network = zoo.so2cnn(variant="report")
    >>> sum(math.prod(weight.shape) for weight in network.trainable_variables)
    38442

    References:
        Weiler & Cesa 2019, "General E(2)-Equivariant Steerable CNNs", section 3.
    """
    settings = _VARIANTS[check_choice("variant", variant, tuple(_VARIANTS))]
    fields = FieldType("regular", max_frequency)
    fields.check(SO2)
    if kernel_sizes is None:
        kernel_sizes = settings.kernel_sizes
    sizes, ratio = check_kernel_sizes(kernel_sizes, widths, settings.widths)
    architecture = settings.chain.architecture(
        "so2cnn",
        SO2,
        fields,
        ratio,
        sizes,
        samples=samples,
        dropout=dropout,
        counts_fields=True,
    )
    options = Options(
        input_shape=input_shape,
        classes=classes,
        widths=widths,
        parameters=parameters,
        multiply_adds=multiply_adds,
        include_top=include_top,
        classifier_activation=classifier_activation,
        weights=weights,
        data_format=data_format,
        name=name,
    )
    return build_steerable(architecture, options)
