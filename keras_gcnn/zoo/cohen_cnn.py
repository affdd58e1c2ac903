"""The seven-layer network of Cohen & Welling: Z2CNN, P4CNN, P4MCNN."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial

from keras_gcnn import groups
from keras_gcnn.arguments import check_rate
from keras_gcnn.types import GroupLike, RestrictAfter
from keras_gcnn.zoo.decorators import group_builder
from keras_gcnn.zoo.graph_builder import GraphBuilder, Maps
from keras_gcnn.zoo.spec import Architecture

_STAGES = ("1", "2", "3", "4", "5", "6")
_POOLED = "2"
_DROPPED = ("1", "3", "4", "5", "6")
_TOP_KERNEL = 4


def _body(net: GraphBuilder, x: Maps, widths: tuple[int, ...], dropout: float) -> Maps:
    for stage, width in zip(_STAGES, widths, strict=True):
        x = net.convolution(x, width, 3, f"conv{stage}", padding="valid")
        x = net.normalization(x, f"bn{stage}")
        x = net.relu(x, f"relu{stage}")
        if stage in _DROPPED:
            x = net.dropout(x, dropout, f"dropout{stage}")
        if stage == _POOLED:
            x = net.maximum(x, f"pool{stage}")
        x = net.end_stage(x, stage)
    return x


def _top(net: GraphBuilder, x: Maps, classes: int, head: str, activation: str | None) -> Maps:
    x = net.convolution(x, classes, _TOP_KERNEL, "top", padding="valid")
    return net.pooled_logits(x, classes, head, "max", activation)


@group_builder
def cohen_cnn(
    group: GroupLike = "z2",
    input_shape: tuple[int, int, int] = (28, 28, 1),
    classes: int = 10,
    widths: Sequence[int] | None = None,
    parameters: int | None = None,
    head: str = "invariant",
    *,
    multiply_adds: int | None = None,
    convolution: str = "full",
    restrict_after: RestrictAfter = None,
    dropout: float | None = None,
    include_top: bool = True,
    classifier_activation: str | None = None,
    weights: str | os.PathLike | None = None,
    data_format: str | None = None,
    name: str | None = None,
) -> Architecture:
    """Builds the network of Cohen & Welling for rotated MNIST: Z2CNN, P4CNN or P4MCNN.

    Six 3x3 "valid" convolutions (stages `1` to `6`), each with batch normalisation and ReLU,
    pooling after the second, a 4x4 convolution to the classes, and the maximum over positions and
    orientations. Layers are named `conv1`, `bn1`, `relu1`, ..., `pool2`,
    `top`, `head`, `logits`. Exactly equivariant at every size from 28 rows and columns.

    `widths` are six numbers, one per convolution; the default is `20 / sqrt(|G|)`, as published,
    which gives 21,750 parameters on Z2 and 24,680 on P4. The other heads add a dense layer after
    the last convolution. `restrict_after="4"` builds the network whose equivariance ends early,
    with 25,140 parameters on P4.

    Args:
        {arguments}
        dropout: rate after stages 1, 3, 4, 5 and 6; all orientations of a field are dropped
            together. None is as published: 0.3 on Z2, 0 on other groups.

    {returns}

    Example:

    >>> from keras_gcnn import zoo
    >>> network = zoo.cohen_cnn("p4m", convolution="gc", parameters=25_000)
    >>> network.output_shape
    (None, 10)

    References:
        Cohen & Welling 2016, "Group Equivariant Convolutional Networks", section 8.1.
    """
    if dropout is None:
        dropout = 0.3 if groups.get(group).order == 1 else 0.0
    return Architecture(
        name="cohen_cnn",
        stages=_STAGES,
        widths=(20,) * len(_STAGES),
        stage_of=_STAGES,
        body=partial(_body, dropout=check_rate("dropout", dropout)),
        top=_top,
        scale=3.0,  # digits, on a background that stays zero
        offset=0.0,
        smallest=28,
    )
