"""LeNet on a group: the smallest network of the zoo."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import keras

from keras_gcnn import groups
from keras_gcnn.layers import GConv2D, GMaxPooling2D, LiftingConv2D
from keras_gcnn.layers.arguments import check_count
from keras_gcnn.zoo.budget import fit_widths
from keras_gcnn.zoo.common import check_shape, check_widths, logits, pool_head
from keras_gcnn.zoo.weights import load_weights

_KERNEL = 5
_DENSE = (120, 84)


def lenet(
    group: str | groups.Group = "z2",
    input_shape: tuple[int, int, int] = (28, 28, 1),
    classes: int = 10,
    widths: Sequence[int] | None = None,
    parameters: int | None = None,
    head: str = "invariant",
    *,
    classifier_activation: str | None = None,
    weights: str | os.PathLike | None = None,
    data_format: str | None = None,
    name: str | None = None,
) -> keras.Model:
    """Builds a LeNet whose two convolutions are equivariant under a group.

    Convolution 5x5 "same", pooling, ReLU (stage `1`), convolution 5x5 "valid", pooling, ReLU
    (stage `2`), the head, dense 120 and 84 with ReLU, and the classes. Layers are named `conv1`,
    `pool1`, `relu1`, `conv2`, `pool2`, `relu2`, `head`, `dense1`, `dense2`, `logits`. Exactly
    equivariant at even and odd sizes.

    Args:
        group: str or `keras_gcnn.groups.Group`: `"z2"` (an ordinary LeNet), `"p4"`, `"p4m"`, ...
        input_shape: rows, columns, channels (channels first if `data_format` says so); at least
            12 rows and columns. Pixels are floats in [0, 1].
        classes: int, number of classes.
        widths: two ints, the fields of the two convolutions. The default keeps the number of
            weights about equal for every group: `(8, 64) / sqrt(|G|)`, rounded, with an invariant
            head and `(8, 64 / |G|)` with the others.
        parameters: int, instead of `widths`: the largest network of that ratio with at most so many
            trainable parameters.
        head: `"invariant"` (maximum over positions and orientations: the logits do not change when
            the image is turned), `"orientations"` (mean over positions; every orientation keeps
            its features) or `"flatten"` (as in LeNet; neither is invariant).
        classifier_activation: activation of the output; None returns logits.
        weights: None for fresh weights, or the path of a file of this network. A model file
            (`.keras`) of another group is refused; a weights file (`.weights.h5`) says nothing
            about the group, and one of another group of the same order loads without a word.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's configuration.
        name: str, name of the model; default `"lenet_<group>"`.

    Returns:
        A functional `keras.Model` from images `(batch, rows, columns, channels)` to logits
        `(batch, classes)`.

    Raises:
        ValueError: for an unknown group or head, an image that is too small, both `widths` and
            `parameters`, a budget that cannot be met to 2 %, or a file of another network.

    Example:

    >>> from keras_gcnn import zoo
    >>> zoo.lenet("p4", head="flatten").count_params()
    216158

    References:
        LeCun et al. 1998, "Gradient-based learning applied to document recognition".
    """
    group = groups.get(group)
    data_format = data_format or keras.config.image_data_format()
    classes = check_count("classes", classes)
    rows, columns, channels = check_shape(input_shape, data_format, smallest=12)
    # Pooling halves, and the valid convolution takes four, on each axis.
    positions = ((rows // 2 - 4) // 2) * ((columns // 2 - 4) // 2)
    features = {"invariant": 1, "orientations": group.order, "flatten": group.order * positions}
    if head not in features:
        raise ValueError(f"head={head!r} is not available. Choose one of {', '.join(features)}.")

    def count(widths: tuple[int, ...]) -> int:
        first, second = widths
        sizes = (second * features[head], *_DENSE, classes)
        return (
            _KERNEL**2 * channels * first
            + first
            + _KERNEL**2 * first * group.order * second
            + second
            + sum((a + 1) * b for a, b in pairwise(sizes))
        )

    # What reaches the dense layers is one number per field under an invariant head and one per
    # channel otherwise; either way every group gets about the same number of weights.
    ratio = (8, 64 / group.order)
    if head == "invariant":
        ratio = (8 / group.order**0.5, 64 / group.order**0.5)
    if parameters is not None and widths is not None:
        raise ValueError("Give widths or parameters, not both.")
    if parameters is not None:
        widths = fit_widths(count, ratio, parameters)
    if widths is None:
        widths = [round(width) for width in ratio]
    widths = check_widths(widths, len(ratio))

    pool = partial(GMaxPooling2D, data_format=data_format)
    inputs = keras.Input(tuple(map(int, input_shape)), name="image")
    # Pixels keep zero as the background, which is also what "same" pads with; their spread on
    # digits becomes about one.
    x = keras.layers.Rescaling(3.0, name="normalization")(inputs)
    x = LiftingConv2D(
        widths[0], _KERNEL, group, padding="same", data_format=data_format, name="conv1"
    )(x)
    x = pool(name="pool1")(x)
    x = keras.layers.ReLU(name="relu1")(x)
    x = GConv2D(widths[1], _KERNEL, group, data_format=data_format, name="conv2")(x)
    x = pool(name="pool2")(x)
    x = keras.layers.ReLU(name="relu2")(x)
    x = pool_head(head, group, data_format)(x)
    for index, units in enumerate(_DENSE, start=1):
        x = keras.layers.Dense(units, activation="relu", name=f"dense{index}")(x)
    outputs = logits(classes, classifier_activation)(x)
    model = keras.Model(inputs, outputs, name=name or f"lenet_{group.name}")
    return load_weights(model, weights)
