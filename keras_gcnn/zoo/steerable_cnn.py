"""A network of steerable convolutions under any group of rotations, with or without mirrors."""

from __future__ import annotations

import os
from collections.abc import Sequence

import keras

from keras_gcnn.groups.point_group import point_group
from keras_gcnn.types import AnyGroupLike, RestrictAfter
from keras_gcnn.zoo.build_steerable import build_steerable
from keras_gcnn.zoo.decorators import with_published_weights
from keras_gcnn.zoo.restrictions import find_subgroups
from keras_gcnn.zoo.spec import Options
from keras_gcnn.zoo.steerable_chain import Chain, check_kernel_sizes, stage_names
from keras_gcnn.zoo.symmetries import FieldType

_CHANNELS = (24, 36, 48)  # of the ordinary network


@with_published_weights
def steerable_cnn(
    group: AnyGroupLike = "d8",
    input_shape: tuple[int, int, int] = (28, 28, 1),
    classes: int = 10,
    widths: Sequence[int] | None = None,
    parameters: int | None = None,
    *,
    multiply_adds: int | None = None,
    kernel_sizes: Sequence[int] | None = None,
    fields: str = "regular",
    max_frequency: int | None = None,
    restrict_after: RestrictAfter = None,
    samples: int | None = None,
    dropout: float = 0.0,
    include_top: bool = True,
    classifier_activation: str | None = None,
    weights: str | os.PathLike | None = None,
    data_format: str | None = None,
    name: str | None = None,
) -> keras.Model:
    """Builds a network whose features rotate with the image under a group, with invariant logits.

    It is `so2cnn` for all groups that keep a point: the disc mask, a slight blur, and a stage for
    every kernel size, of a steerable convolution, batch normalisation and ELU of the fields as
    functions on the group; the first two stages end in a blurred pooling by two. Then 32 invariant
    channels, each from a 7x7 window of the maps; their normalisation, ELU and mean over positions;
    and the classes. Layers are named `mask`, `blur`, `conv1`, `norm1`, `activation1`, `pool1`,
    `restrict1`, ..., `invariants`, `head`, `logits`; stages `1`, `2`, ...

    The logits are exactly invariant, at every image size, under the elements of the group that move
    pixels to pixels: quarter turns if their number N of rotations is a multiple of 4, half turns if
    it is even, and the mirrors. Under the other elements they are so up to the error of sampling on
    the pixel grid. The groups C_1, C_2, C_4, D_1, D_2 and D_4 have all kernels of `GConv2D`, the
    others those whose error is small.

    Args:
        group: `"so2"` (rotations by any angle), `"o2"` (and mirrors), `"c8"` (multiples of an
            eighth of a turn), `"d8"` (and mirrors), with any number in place of 8; `"p4m"` and the
            other names of groups of the pixel grid stand for the same groups.
        input_shape: rows, columns, channels (with `data_format="channels_first"`, the channels come
            first). Pixels are floats in [0, 1].
        classes: int, number of classes.
        widths: fields per convolution; after a restriction, fields of the remaining group. The
            default is `(24, 36, 48) / sqrt(n)` for regular fields of n channels, which keeps the
            number of weights about equal for every group. With a budget, only the proportions of
            the widths count.
        parameters: int, a budget: the builder scales the widths so that the network has at most
            this many trainable parameters and at least 99 % of them, or 98 % if 99 % cannot be
            reached.
        multiply_adds: int, a budget of multiply-adds for one image instead, used to the same share;
            see `keras_gcnn.analysis.cost`.
        kernel_sizes: rows and columns of the kernel, odd, per convolution; default `(7, 5, 5)`.
        fields: `"regular"` for functions on the group, or `"circle"` for functions of the angle,
            which have half of the channels where the group has mirrors.
        max_frequency: int, highest frequency of the fields; default 4 under SO(2) and O(2), and the
            highest of other groups. A subgroup may have fewer.
        restrict_after: where part of the equivariance ends: a dict from the name of a stage to the
            subgroup that remains after it, e.g. `{"1": "c8", "2": "c4"}`; the name of a stage alone
            means that the network is an ordinary one after it. The logits are then invariant under
            the last subgroup.
        samples: int, number of angles at which the activation is computed under SO(2) and O(2): a
            multiple of 4, at least `2 max_frequency + 1`; None for 16, or more where necessary.
            Other groups have a sample for every element.
        dropout: float, share of fields that are dropped in training after every activation.
        include_top: bool; False for a backbone, which returns the fields of the last stage.
        classifier_activation: activation of the output; None returns logits.
        weights: None for fresh weights, or the path of a file of this network.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's configuration.
        name: str, name of the model; default from the builder and the group.

    Returns:
        A functional `keras.Model` from images `(batch, rows, columns, channels)` to logits
        `(batch, classes)`, or to fields without the top. Its attributes `widths`, `stages` and
        `multiply_adds` hold the fields per convolution, the names of the stages, and the
        multiply-adds for one image; they are not saved with the model.

    Raises:
        ValueError: for an unknown group, type of fields, stage or subgroup, a frequency that the
            group lacks, an image that is too small, widths and kernel sizes of different lengths,
            two budgets, one that cannot be met to 2 %, or a file of another network.

    Example:

    >>> from keras_gcnn import zoo
    >>> network = zoo.steerable_cnn("d8", restrict_after={"2": "c8"}, parameters=40_000)
    >>> network.get_layer("conv3").fields_out.group.name
    'c8'

    References:
        Weiler & Cesa 2019, "General E(2)-Equivariant Steerable CNNs", section 3.
    """
    point = point_group(group)
    field_type = FieldType(fields, max_frequency)
    field_type.check(point)
    if kernel_sizes is None:
        kernel_sizes = (7, 5, 5)
    sizes, channels = check_kernel_sizes(kernel_sizes, widths, _CHANNELS)
    architecture = Chain().architecture(
        f"steerable_cnn_{point}",
        point,
        field_type,
        channels,
        sizes,
        subgroups=find_subgroups(point, stage_names(sizes), restrict_after),
        samples=samples,
        dropout=dropout,
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
