"""Wide residual networks under every group."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

import keras

from keras_gcnn import groups
from keras_gcnn.arguments import as_count, check_count, check_rate
from keras_gcnn.groups.point_group import find_group, point_group
from keras_gcnn.layers import Fields
from keras_gcnn.types import AnyGroupLike, RestrictAfter
from keras_gcnn.zoo.build import build
from keras_gcnn.zoo.build_steerable import SteerableArchitecture, build_steerable
from keras_gcnn.zoo.decorators import with_published_weights
from keras_gcnn.zoo.graph_builder import GraphBuilder, Maps
from keras_gcnn.zoo.residual_blocks import STAGES
from keras_gcnn.zoo.restrictions import find_subgroups
from keras_gcnn.zoo.spec import Architecture, Options, check_kernel_size
from keras_gcnn.zoo.steerable_graph_builder import FieldMaps, SteerableGraphBuilder
from keras_gcnn.zoo.symmetries import FieldType
from keras_gcnn.zoo.wide_blocks import OfFields, OnGroup, add_wide_blocks

_BAND_LIMIT = 0.1  # a smaller one leaves too few of the kernels with three rows
_STAGE_OF = ("1", *STAGES)  # the stem and the stages
_SCALE, _OFFSET, _SMALLEST = 4.0, -2.0, 4  # photographs, to a mean near zero and a spread near one


@with_published_weights
def wide_resnet(
    group: AnyGroupLike = "z2",
    input_shape: tuple[int, int, int] = (32, 32, 3),
    classes: int = 10,
    widths: Sequence[int] | None = None,
    parameters: int | None = None,
    *,
    multiply_adds: int | None = None,
    depth: int = 16,
    width: int = 4,
    kernel_size: int = 3,
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
    """Builds a wide residual network under any group, WRN-`depth`-`width`.

    A convolution (`stem`); stages `1`, `2` and `3` of `(depth - 4) / 6` residual blocks each, where
    `2` and `3` begin by halving the maps; the mean over positions of invariant channels; and one
    dense layer. Normalisation and activation come before the convolutions. Layers are named
    `stem_conv`, `stage1_block1_bn1`, `stage1_block1_relu1`, `stage1_block1_conv1`,
    `stage1_block1_shortcut`, ..., `restrict1`, ..., `final_bn`, `head`, `logits`.

    The groups of the pixel grid have layers such as `GConv2D`, ReLU, and logits that are exactly
    invariant at every image size. All other names of groups, such as `"d8"` and also `"d4"`, other
    `fields`, and any `max_frequency` lead to steerable layers, ELU, and logits that are exactly
    invariant under the elements that move pixels to pixels; images are not masked, so that the
    corners count.

    Args:
        group: `"z2"` (an ordinary network), `"p4"`, `"p4m"`, ..., `"so2"` (rotations by any angle),
            `"o2"` (and mirrors), `"c8"` (multiples of an eighth of a turn), `"d8"` (and mirrors),
            with any number in place of 8.
        input_shape: rows, columns, channels (with `data_format="channels_first"`, the channels come
            first). Pixels are floats in [0, 1].
        classes: int, number of classes.
        widths: fields of the stem and of the three stages; after a restriction, fields of the
            remaining group. The default is `(16, 16 width, 32 width, 64 width) / sqrt(n)` for
            fields of n channels, which keeps the number of weights about equal for every group.
            With a budget, only the proportions of the widths count.
        parameters: int, a budget: the builder scales the widths so that the network has at most
            this many trainable parameters and at least 99 % of them, or 98 % if 99 % cannot be
            reached.
        multiply_adds: int, a budget of multiply-adds for one image instead, used to the same share;
            see `keras_gcnn.analysis.cost`.
        depth: int, number of layers: 10, 16, 22, 28, 34, 40, ...
        width: int, how many times as wide as in a ResNet the stages are.
        kernel_size: int, rows and columns of the kernels, odd.
        fields: `"regular"` for functions on the group, or `"circle"` for functions of the angle,
            which have half of the channels where the group has mirrors.
        max_frequency: int, highest frequency of the fields; default 4 under SO(2) and O(2), and the
            highest of other groups. A subgroup may have fewer.
        restrict_after: where part of the equivariance ends: a dict from the name of a stage to the
            subgroup that remains after it, e.g. `{"2": "d4", "3": "d1"}`; the name of a stage alone
            means that the network is an ordinary one after it.
        samples: int, number of angles at which the activation is computed under SO(2) and O(2); see
            `steerable_cnn`.
        dropout: float, share of fields that are dropped in training between the two convolutions of
            a block.
        include_top: bool; False for a backbone, which returns the maps of the last stage.
        classifier_activation: activation of the output; None returns logits.
        weights: None for fresh weights, or the path of a file of this network.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's configuration.
        name: str, name of the model; default from the builder, the depth, the width and the group.

    Returns:
        A functional `keras.Model` from images `(batch, rows, columns, channels)` to logits
        `(batch, classes)`, or to maps without the top. Its attributes `widths`, `stages` and
        `multiply_adds` hold the widths, the names of the stages, and the multiply-adds for one
        image; they are not saved with the model.

    Raises:
        ValueError: for a depth that is not 6 n + 4, an unknown group, type of fields, stage or
            subgroup, an image that is too small, two budgets, one that cannot be met to 2 %, or a
            file of another network.

    Example:

    >>> from keras_gcnn import zoo
    >>> zoo.wide_resnet("d8", depth=10, width=1, restrict_after={"2": "d4"}).output_shape
    (None, 10)

    References:
        Zagoruyko & Komodakis 2016, "Wide Residual Networks"; Weiler & Cesa 2019, "General
        E(2)-Equivariant Steerable CNNs", sections 3.5 and 3.6.
    """
    layers = as_count(depth)
    if layers is None or layers < 10 or layers % 6 != 4:
        raise ValueError(
            f"depth={depth!r} has to be 6 n + 4 for a number n of blocks per stage, e.g. 16, 22 or "
            "28."
        )
    blocks, kernel_size = (layers - 4) // 6, check_kernel_size(kernel_size)
    check_rate("dropout", dropout)
    wide = check_count("width", width)
    channels = (16, 16 * wide, 32 * wide, 64 * wide)
    title = f"wide_resnet{layers}_{wide}"
    options = Options(
        input_shape=input_shape,
        classes=classes,
        widths=widths,
        parameters=parameters,
        multiply_adds=multiply_adds,
        restrict_after=restrict_after,
        include_top=include_top,
        classifier_activation=classifier_activation,
        weights=weights,
        data_format=data_format,
        name=name,
    )
    found = find_group(group)
    asks_for_fields = fields != "regular" or max_frequency is not None or samples is not None
    if isinstance(found, groups.Group) and not asks_for_fields:

        def on_group(net: GraphBuilder, x: Maps, widths: tuple[int, ...]) -> Maps:
            return add_wide_blocks(OnGroup(net), x, widths, blocks, kernel_size, dropout)

        architecture = Architecture(
            name=title,
            stages=STAGES,
            widths=channels,
            stage_of=_STAGE_OF,
            body=on_group,
            top=_top_on_group,
            scale=_SCALE,
            offset=_OFFSET,
            smallest=_SMALLEST,
        )
        return build(architecture, replace(options, group=found))

    def of_fields(net: SteerableGraphBuilder, x: FieldMaps, widths: Sequence[Fields]) -> FieldMaps:
        return add_wide_blocks(OfFields(net), x, widths, blocks, kernel_size, dropout)

    point = point_group(group)
    field_type = FieldType(fields, max_frequency)
    field_type.check(point)
    return build_steerable(
        SteerableArchitecture(
            name=f"{title}_{point}",
            group=point,
            subgroups=find_subgroups(point, STAGES, restrict_after),
            fields=field_type,
            stages=STAGES,
            stage_of=_STAGE_OF,
            widths=channels,
            body=of_fields,
            top=_top_of_fields,
            band_limit=_BAND_LIMIT,
            samples=samples,
            scale=_SCALE,
            offset=_OFFSET,
            smallest=_SMALLEST,
        ),
        options,
    )


def _top_on_group(
    net: GraphBuilder, x: Maps, classes: int, head: str, activation: str | None
) -> Maps:
    return net.dense_logits(net.head(x, head, "mean"), classes, activation)


def _top_of_fields(net: SteerableGraphBuilder, x: FieldMaps) -> FieldMaps:
    x = net.invariants(x, x.fields.count, 1, "invariants")
    return net.vector(net.normalization(x, "invariants_norm"))
