"""Densely connected networks on a group."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial

from keras_gcnn.arguments import as_count
from keras_gcnn.types import GroupLike, RestrictAfter
from keras_gcnn.zoo.decorators import group_builder
from keras_gcnn.zoo.graph_builder import GraphBuilder, Maps
from keras_gcnn.zoo.spec import Architecture

_GROWTH = 24  # channels that each layer of an ordinary network adds
_COMPRESSION = 0.5  # of the fields, between two blocks
_MOST = 8  # blocks, each of which halves the map, and layers in a block


def _unit(net: GraphBuilder, x: Maps, fields: int, kernel: int, name: str) -> Maps:
    """Adds normalisation, ReLU and a convolution without bias."""
    x = net.relu(net.normalization(x, f"{name}_bn"), f"{name}_relu")
    return net.convolution(x, fields, kernel, f"{name}_conv", use_bias=False)


def _body(net: GraphBuilder, x: Maps, widths: tuple[int, ...], layers: int) -> Maps:
    x = net.convolution(x, 2 * widths[0], 3, "stem_conv", use_bias=False)
    for number, width in enumerate(widths, start=1):
        for layer in range(1, layers + 1):
            name = f"stage{number}_layer{layer}"
            x = net.concatenate(x, _unit(net, x, width, 3, name), f"{name}_concat")
        x = net.end_stage(x, str(number))
        if number < len(widths):
            fields = max(1, round(_COMPRESSION * x.fields))
            name = f"transition{number}"
            x = net.average(_unit(net, x, fields, 1, name), f"{name}_pool")
    return net.relu(net.normalization(x, "final_bn"), "final_relu")


def _top(net: GraphBuilder, x: Maps, classes: int, head: str, activation: str | None) -> Maps:
    return net.dense_logits(net.head(x, head, "mean"), classes, activation)


def _check_count(argument: str, value: int) -> int:
    count = as_count(value)
    if count is None or count > _MOST:
        raise ValueError(f"{argument}={value!r} has to be an integer from 1 to {_MOST}.")
    return count


@group_builder
def densenet(
    group: GroupLike = "z2",
    input_shape: tuple[int, int, int] = (96, 96, 3),
    classes: int = 10,
    widths: Sequence[int] | None = None,
    parameters: int | None = None,
    head: str = "invariant",
    *,
    multiply_adds: int | None = None,
    blocks: int = 5,
    layers: int = 2,
    convolution: str = "full",
    restrict_after: RestrictAfter = None,
    include_top: bool = True,
    classifier_activation: str | None = None,
    weights: str | os.PathLike | None = None,
    data_format: str | None = None,
    name: str | None = None,
) -> Architecture:
    """Builds a densely connected network: every layer reads the outputs of all before it.

    A 3x3 convolution (`stem`) with twice the width of the first block; stages `1`, `2`, ..., one
    for each block, of `layers` times normalisation, ReLU and a 3x3 convolution whose output is
    joined to its input; between two blocks a 1x1 convolution to half of the fields and an exact
    average that halves the map; the mean over positions and orientations; one dense layer. Layers
    are named `stem_conv`, `stage1_layer1_bn`, `stage1_layer1_relu`, `stage1_layer1_conv`,
    `stage1_layer1_concat`, ..., `transition1_conv`, `transition1_pool`, ..., `head`, `logits`.

    `widths` are the fields that each layer of a block adds, one number for each block; the default
    is `24 / sqrt(|G|)`.

    Args:
        {arguments}
        blocks: int from 1 to 8, number of dense blocks.
        layers: int from 1 to 8, number of layers in a block.

    {returns}

    Example:

    >>> from keras_gcnn import zoo
    >>> zoo.densenet("p4m", parameters=100_000).output_shape
    (None, 10)

    References:
        Huang et al. 2017, "Densely Connected Convolutional Networks"; Veeling et al. 2018,
        "Rotation Equivariant CNNs for Digital Pathology", who trained such a network on P4M.
    """
    number = _check_count("blocks", blocks)
    stages = tuple(map(str, range(1, number + 1)))
    return Architecture(
        name="densenet",
        stages=stages,
        widths=(_GROWTH,) * number,
        stage_of=stages,
        body=partial(_body, layers=_check_count("layers", layers)),
        top=_top,
        scale=4.0,  # photographs, to a mean near zero and a spread near one
        offset=-2.0,
        smallest=2 ** (number - 1),
    )
