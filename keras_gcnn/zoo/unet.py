"""A U-Net on a group: a mask that turns with the image."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from functools import partial
from typing import Any

import keras

from keras_gcnn.layers import GConv2DTranspose, GMaxPooling2D, GPooling, Restriction
from keras_gcnn.layers.common.pointwise import joint_axes
from keras_gcnn.layers.common.stock_convolution import Conv2D
from keras_gcnn.types import GroupLike, RestrictAfter
from keras_gcnn.zoo.decorators import group_builder
from keras_gcnn.zoo.graph_builder import GraphBuilder, Maps
from keras_gcnn.zoo.spec import Architecture
from keras_gcnn.zoo.unet_levels import OFFSET, SCALE, add_border, add_levels, check_depth, crop

_FIRST_WIDTH = 16  # channels of an ordinary network at the size of the image; doubled by level


class _Levels:
    """The layers of a U-Net on a group; see `unet_levels.Levels`."""

    def __init__(self, net: GraphBuilder, widths: tuple[int, ...]):
        self.data_format = net.data_format
        self._net = net
        self._widths = widths
        self._orders: list[int] = []  # of the group on which each level was first convolved

    def _fields(self, x: Maps, level: int) -> int:
        """Returns the fields of a level; after a restriction more of them, but smaller ones."""
        order = (x.group or self._net.group).order
        if level == len(self._orders):
            self._orders.append(order)
        return max(1, round(self._widths[level] * math.sqrt(self._orders[level] / order)))

    def convolve(self, x: Maps, level: int, stage: int) -> Maps:
        fields = self._fields(x, level)
        for part in (1, 2):
            x = self._net.convolution(x, fields, 3, f"stage{stage}_conv{part}", use_bias=False)
            x = self._net.normalization(x, f"stage{stage}_bn{part}")
            x = self._net.relu(x, f"stage{stage}_relu{part}")
        return self._net.end_stage(x, str(stage))

    def halve(self, x: Maps, name: str) -> Maps:
        # All sizes are even, so that the exact window is 2; it is known where sizes are open, too.
        # The layer would refuse to be compiled by XLA for open sizes, of which it sees no check.
        rows, columns = x.sizes
        return self._net.add_layer(
            x,
            lambda: GMaxPooling2D(
                2, data_format=self.data_format, equivariance="ignore", name=name
            ),
            sizes=(rows // 2, columns // 2),
        )

    def double(self, x: Maps, level: int, stage: int) -> Maps:
        fields, (rows, columns) = self._fields(x, level), x.sizes
        group = x.group or self._net.group
        return self._net.add_layer(
            x,
            lambda: GConv2DTranspose(
                fields,
                2,
                group,
                strides=2,
                use_bias=False,
                data_format=self.data_format,
                name=f"stage{stage}_up",
            ),
            4 * x.channels * fields,
            4 * rows * columns * x.channels * fields * group.order,
            fields=fields,
            sizes=(2 * rows, 2 * columns),
        )

    def match(self, skip: Maps, x: Maps, stage: int) -> Maps:
        before, after = skip.group, x.group
        if before is None or after is None or before == after:
            return skip
        return self._net.add_layer(
            skip,
            lambda: Restriction(
                before, after, data_format=self.data_format, name=f"stage{stage}_restrict"
            ),
            fields=skip.channels // after.order,
            group=after,
        )


def _body(net: GraphBuilder, x: Maps, widths: tuple[int, ...]) -> Maps:
    depth = len(widths) - 1
    group = net.group
    x, border = add_border(x, depth, group.reverses_axis, group.name, net.data_format)
    x = add_levels(x, depth, _Levels(net, widths))
    return crop(x, border, net.data_format)


def _top(net: GraphBuilder, x: Maps, classes: int, head: str, activation: Any) -> Maps:
    del head
    x = net.add_layer(
        x,
        partial(GPooling, "mean", x.group or "z2", data_format=net.data_format, name="head"),
        group=None,
    )
    return net.add_layer(
        x,
        partial(logits_of_map, classes, activation, net.data_format),
        (x.fields + 1) * classes,
        math.prod(x.sizes) * x.fields * classes,
        fields=classes,
    )


def logits_of_map(classes: int, activation: Any, data_format: str) -> keras.Layer:
    """Returns the layer `logits`, a number per class and pixel, in full precision."""
    function = keras.activations.get(activation)
    if data_format == "channels_first" and any(axis % 4 != 1 for axis in joint_axes(function)):
        raise ValueError(
            f"classifier_activation={activation!r} acts along the last axis, the columns of a "
            "channels-first map. Leave it out and put keras.layers.Softmax(axis=1) behind the "
            "network."
        )
    return Conv2D(
        classes,
        1,
        activation=function,
        data_format=data_format,
        dtype=keras.config.dtype_policy().variable_dtype,
        name="logits",
    )


@group_builder
def unet(
    group: GroupLike = "p4m",
    input_shape: tuple[int | None, int | None, int] = (96, 96, 3),
    classes: int = 1,
    widths: Sequence[int] | None = None,
    parameters: int | None = None,
    *,
    multiply_adds: int | None = None,
    depth: int = 3,
    convolution: str = "full",
    restrict_after: RestrictAfter = None,
    include_top: bool = True,
    classifier_activation: str | None = None,
    weights: str | os.PathLike | None = None,
    data_format: str | None = None,
    name: str | None = None,
) -> Architecture:
    """Builds a U-Net on a group: from an image to logits for every pixel.

    The map of logits turns with the image: the mask of the transformed image is the transformed
    mask, exactly, for every element of the group. Every stage has two 3x3 convolutions, each with
    batch normalisation and ReLU. With `depth=3`, stages `1`, `2` and `3` end in a 2x2 maximum,
    stage `4` lies at the bottom, and stages `5`, `6` and `7` begin by a 2x2 transposed convolution,
    which doubles the map, and the concatenation with the map of stage `3`, `2` or `1`. Then come
    the mean over orientations and a 1x1 convolution. Layers are named `stage1_conv1`, `stage1_bn1`,
    `stage1_relu1`, `stage1_conv2`, ..., `stage1_pool`, ..., `stage5_up`, `stage5_concat`,
    `stage5_conv1`, ..., `head`, `logits`.

    Rows and columns that are no multiples of `2**depth` are padded with zeros inside (`pad`), and
    the result is cropped (`crop`). Both are exact if both sides get equally much; an odd number of
    rows or columns is refused if the group reverses that axis.

    The size may be left open, as in `input_shape=(None, None, 3)`, to train on crops and predict
    for whole images. Nothing is padded then: rows and columns of every batch have to be multiples
    of `2**depth`, or the call raises an error. For other sizes build a second network of that size
    and give it the weights, `second.set_weights(network.get_weights())`.

    `widths` are `depth + 1` numbers, the fields of each level from the size of the image down; the
    way up has the same fields as the way down. The default is `(16, 32, 64, ...) / sqrt(|G|)`.

    Args:
        group: str or `keras_gcnn.groups.Group`: `"z2"` (an ordinary network), `"p4"`, `"p4m"`, ...
        input_shape: rows, columns, channels (with `data_format="channels_first"`, the channels come
            first). Pixels are floats in [0, 1]. Rows and columns may be None.
        classes: int, number of logits per pixel; 1 for a binary mask.
        widths: fields per level, see above. With a budget, only the proportions of the widths
            count.
        parameters: int, a budget: the builder scales the widths so that the network has at most
            this many trainable parameters and at least 99 % of them, or 98 % if 99 % cannot be
            reached.
        multiply_adds: int, a budget of multiply-adds for one image instead, used to the same share;
            see `keras_gcnn.analysis.cost`. It needs the size of the images.
        depth: int, how often the maps are halved.
        convolution: `"full"`, or `"g"` or `"gc"` for `GSeparableConv2D` in the 3x3 convolutions on
            maps of a group: more fields for the same number of parameters.
        restrict_after: where part of the equivariance ends: a dict from the name of a stage to the
            subgroup that remains after it, e.g. `{"4": "p4"}`; the name of a stage alone means that
            the network is an ordinary one after it. Skip connections are restricted to the same
            subgroup. On the way up a level then has `sqrt(|G| / |H|)` times the fields of `widths`.
        include_top: bool; False for a backbone, which returns the feature maps before the head, of
            the size of the image.
        classifier_activation: activation of the output, e.g. `"sigmoid"`; None returns logits.
        weights: None for fresh weights, or the path of a file of this network; the file may come
            from a network for images of another size. A model file (`.keras`) of another group is
            refused; a weights file (`.weights.h5`) does not record the group.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's configuration.
        name: str, name of the model; default from the builder, the group and the convolution.

    Returns:
        A functional `keras.Model` from images `(batch, rows, columns, channels)` to logits
        `(batch, rows, columns, classes)`, or to feature maps without the top. Its attributes
        `widths`, `stages` and `multiply_adds` hold the widths, the names of the stages, and the
        multiply-adds for one image (None for an open size); they are not saved with the model.

    Raises:
        ValueError: for an unknown group, convolution, stage or subgroup, an image that is too small
            or has a size that cannot be padded exactly (the message names the nearest sizes that
            can), two budgets, one that cannot be met to 2 %, or a file of another network.

    Example:

    >>> from keras_gcnn import zoo
    >>> zoo.unet("p4", input_shape=(32, 32, 1), widths=(2, 4, 8), depth=2, classes=4).output_shape
    (None, 32, 32, 4)

    References:
        Ronneberger et al. 2015, "U-Net: Convolutional Networks for Biomedical Image Segmentation";
        Linmans et al. 2018, "Sample Efficient Semantic Segmentation using Rotation Equivariant
        Convolutional Networks".
    """
    depth = check_depth(depth)
    stages = tuple(str(stage) for stage in range(1, 2 * depth + 2))
    return Architecture(
        name="unet",
        stages=stages,
        widths=tuple(_FIRST_WIDTH * 2**level for level in range(depth + 1)),
        stage_of=stages[: depth + 1],
        body=_body,
        top=_top,
        scale=SCALE,
        offset=OFFSET,
        smallest=2**depth,
        open_sizes=True,
    )
