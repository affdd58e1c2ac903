"""A network that reads images at any angle: steerable convolutions under SO(2)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import keras

from keras_gcnn.arguments import as_counts, check_choice, check_count, check_flag
from keras_gcnn.layers import Fields
from keras_gcnn.layers.common.stock_in_graphs import Rescaling
from keras_gcnn.zoo import steerable_assembly as steerable
from keras_gcnn.zoo.architecture import check_shape
from keras_gcnn.zoo.budget import choose_widths
from keras_gcnn.zoo.builder import builder
from keras_gcnn.zoo.steerable_assembly import FieldMaps, SteerableAssembly
from keras_gcnn.zoo.weights import load_weights


@dataclass(frozen=True)
class _Variant:
    """What a variant sets.

    Attributes:
        fields: per convolution.
        kernel_sizes: per convolution.
        max_frequency: of the fields.
        band_limit: of the convolutions.
        blur: standard deviation of the blur of the image, in pixels.
        pooling: standard deviation of the blur before the maps are halved, likewise, or None.
        invariants: invariant channels after the last stage.
        window: rows and columns of the maps from which each of them is made.
        normalized: whether the invariant channels are normalised.
    """

    fields: tuple[int, ...]
    kernel_sizes: tuple[int, ...]
    max_frequency: int
    band_limit: float | str
    blur: float
    pooling: float | None
    invariants: int
    window: int
    normalized: bool

    @property
    def smallest(self) -> int:
        """Rows and columns of the image that the maps before the window need, and the kernels."""
        return max(12, 2**steerable.POOLED * (self.window - 1) + 1)


_VARIANTS = {
    None: _Variant(
        fields=(8, 12, 16),
        kernel_sizes=(7, 5, 5),
        max_frequency=4,
        band_limit=steerable.BAND_LIMIT,
        blur=steerable.BLUR,
        pooling=steerable.POOLING,
        invariants=32,
        window=steerable.WINDOW,
        normalized=True,
    ),
    "report": _Variant(
        fields=(16, 16, 32),
        kernel_sizes=(3, 3, 3),
        max_frequency=4,
        band_limit="escnn",
        blur=0.0,
        pooling=None,
        invariants=32,
        window=1,
        normalized=False,
    ),
}


def _check_settings(
    fields: Sequence[int], kernel_sizes: Sequence[int], max_frequency: int
) -> tuple[int, ...]:
    """Returns the sizes of the kernels, or raises a `ValueError`."""
    sizes = as_counts(kernel_sizes)
    if None in sizes or not sizes or any(size % 2 == 0 for size in sizes):
        raise ValueError(
            f"kernel_sizes={kernel_sizes!r} has to be odd positive integers, one a convolution, "
            "e.g. (7, 5, 5)."
        )
    if not isinstance(fields, Sequence) or len(sizes) != len(fields):
        raise ValueError(
            f"kernel_sizes={kernel_sizes!r} and fields={fields!r} differ in length. Give one of "
            "each for every convolution."
        )
    Fields.regular(1, max_frequency)  # refuses what is no frequency
    return sizes


@builder
def so2cnn(
    variant: str | None = None,
    fields: Sequence[int] | None = None,
    kernel_sizes: Sequence[int] | None = None,
    max_frequency: int | None = None,
    input_shape: tuple[int, int, int] = (28, 28, 1),
    classes: int = 10,
    parameters: int | None = None,
    *,
    samples: int = 16,
    dropout: float = 0.0,
    include_top: bool = True,
    classifier_activation: str | None = None,
    weights: str | os.PathLike | None = None,
    data_format: str | None = None,
    name: str | None = None,
) -> keras.Model:
    """Builds a network whose features turn with the image by any angle, and whose answer stays.

    The disc mask, a slight blur, and three stages of a steerable convolution, batch normalisation
    and ELU of the fields as functions of the angle; the first two stages end in a blurred pooling
    by two. Then 32 invariant channels, each from a window of 7x7 of the maps and so, at 28 pixels,
    from all of them, their normalisation, ELU and mean over positions, and the classes. Layers are
    named `mask`, `blur`, `conv1`, `norm1`, `activation1`, `pool1`, ..., `invariants`, `head`,
    `logits`. Exact under quarter turns at every size of the image; at other angles what is left is
    the error of sampling.

    Args:
        variant: None for the best network for its cost, or `"report"` for one with 3x3 kernels on
            Gaussian rings, without blur, whose invariant channels are from one position each: the
            network of the published figures, with 38,442 parameters.
        fields: regular fields per convolution, each with all frequencies up to `max_frequency`. The
            default is `(8, 12, 16)`, for `"report"` `(16, 16, 32)`. With `parameters`, proportions.
        kernel_sizes: odd rows and columns per convolution; default `(7, 5, 5)`, for `"report"`
            `(3, 3, 3)`.
        max_frequency: int, highest frequency of the fields; default 4.
        input_shape: rows, columns, channels (channels first if `data_format` says so). Pixels are
            floats in [0, 1].
        classes: int, number of classes.
        parameters: int: the network nearest to the ratio of `fields` with at most so many
            trainable parameters and at least 99 % of them; 98 % where no more can be reached.
        samples: int, angles at which the activation is computed; a multiple of 4, at least
            `2 max_frequency + 1`.
        dropout: float, share of fields that are dropped in training after every activation.
        include_top: bool; False for a backbone, which returns the fields of the last stage.
        classifier_activation: activation of the output; None returns logits.
        weights: None for fresh weights, the name of published ones (see
            `keras_gcnn.zoo.available()`), or the path of a file of this network.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's configuration.
        name: str, name of the model.

    Returns:
        A functional `keras.Model` from images `(batch, rows, columns, channels)` to logits
        `(batch, classes)`, or to fields without the top. Its attribute `widths` tells the fields
        per convolution; it is not saved with the model.

    Raises:
        ValueError: for an unknown variant, an image that is too small, fields and kernels that do
            not fit together, a budget that cannot be met to 2 %, weights that are not published, or
            a file of another network.

    Example:

    >>> import math
    >>> from keras_gcnn import zoo
    >>> network = zoo.so2cnn(variant="report")
    >>> sum(math.prod(weight.shape) for weight in network.trainable_variables)
    38442

    References:
        Weiler & Cesa 2019, "General E(2)-Equivariant Steerable CNNs", section 3.
    """
    form = _VARIANTS[check_choice("variant", variant, tuple(_VARIANTS))]
    classes = check_count("classes", classes)
    include_top = check_flag("include_top", include_top)
    data_format = data_format or keras.config.image_data_format()
    *_, channels = check_shape(input_shape, data_format, form.smallest)
    highest = form.max_frequency if max_frequency is None else max_frequency
    ratio = form.fields if fields is None else fields
    sizes = _check_settings(
        ratio, form.kernel_sizes if kernel_sizes is None else kernel_sizes, highest
    )

    def assemble(fields: tuple[int, ...], image=None) -> tuple[SteerableAssembly, FieldMaps]:
        net = SteerableAssembly(data_format, form.band_limit, samples)
        x = net.stages(
            FieldMaps(Fields.trivial(channels), image),
            [Fields.regular(number, highest) for number in fields],
            sizes,
            blur=form.blur,
            pooling=form.pooling,
            dropout=dropout,
        )
        if include_top:
            x = net.invariants(x, form.invariants, form.window, "invariants")
            if form.normalized:
                x = net.normalization(x, "invariants_norm")
            x = net.logits(net.vector(x), classes, classifier_activation)
        return net, x

    fields = choose_widths(
        lambda fields: assemble(fields)[0].parameters, ratio, fields, parameters, "fields"
    )
    inputs = keras.Input(tuple(map(int, input_shape)), name="image")
    image = Rescaling(steerable.SCALE, name="normalization")(inputs)
    _, outputs = assemble(fields, image)
    model = keras.Model(inputs, outputs.tensor, name=name or "so2cnn")
    model.widths = fields
    return load_weights(model, weights)
