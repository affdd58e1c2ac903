"""AllCNN-C on a group: convolutions only."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial

import numpy as np

from keras_gcnn.arguments import check_rate
from keras_gcnn.types import GroupLike, RestrictAfter
from keras_gcnn.zoo.decorators import group_builder
from keras_gcnn.zoo.graph_builder import GraphBuilder, Maps
from keras_gcnn.zoo.spec import Architecture

# Kernel size and stride of every convolution, by stage.
_CONVOLUTIONS = {
    "1": ((3, 1), (3, 1), (3, 2)),
    "2": ((3, 1), (3, 1), (3, 2)),
    "3": ((3, 1), (1, 1)),
}


def _unit(net: GraphBuilder, x: Maps, fields: int, kernel: int, strides: int, name: str) -> Maps:
    x = net.convolution(x, fields, kernel, f"{name}_conv", strides=strides)
    x = net.normalization(x, f"{name}_bn")
    return net.relu(x, f"{name}_relu")


def _body(
    net: GraphBuilder, x: Maps, widths: tuple[int, ...], dropout: tuple[float, float]
) -> Maps:
    x = net.dropout(x, dropout[0], "dropout0")
    for (stage, convolutions), width in zip(_CONVOLUTIONS.items(), widths, strict=True):
        for index, (kernel, strides) in enumerate(convolutions, start=1):
            x = _unit(net, x, width, kernel, strides, f"stage{stage}_{index}")
        if max(strides for _, strides in convolutions) > 1:
            x = net.dropout(x, dropout[1], f"dropout{stage}")
        x = net.end_stage(x, stage)
    return x


def _top(net: GraphBuilder, x: Maps, classes: int, head: str, activation: str | None) -> Maps:
    x = _unit(net, x, classes, 1, 1, "top")
    return net.pooled_logits(x, classes, head, "mean", activation)


@group_builder
def allcnn(
    group: GroupLike = "z2",
    input_shape: tuple[int, int, int] = (32, 32, 3),
    classes: int = 10,
    widths: Sequence[int] | None = None,
    parameters: int | None = None,
    head: str = "invariant",
    *,
    multiply_adds: int | None = None,
    convolution: str = "full",
    restrict_after: RestrictAfter = None,
    downsampling: str = "exact",
    dropout: tuple[float, float] = (0.2, 0.5),
    include_top: bool = True,
    classifier_activation: str | None = None,
    weights: str | os.PathLike | None = None,
    data_format: str | None = None,
    name: str | None = None,
) -> Architecture:
    """Builds AllCNN-C: nine convolutions with batch normalisation and ReLU, then a mean.

    Stages `1` and `2` are three 3x3 convolutions each, and the third one halves the map; stage `3`
    is a 3x3 and a 1x1 convolution; the top is a 1x1 convolution to the classes and the mean over
    positions and orientations. Layers are named `stage1_1_conv`, `stage1_1_bn`,
    `stage1_1_relu`, ..., `top_conv`, `head`, `logits`.

    `widths` are three numbers, one per stage; the default is `(96, 192, 192) / sqrt(|G|)`, which
    gives 1,372,254 parameters on Z2. The other heads add a dense layer after the last convolution.

    Args:
        {arguments}
        downsampling: `"exact"` (convolution, then an average that is exactly equivariant at every
            size) or `"stride"` (as published; breaks the equivariance, with a warning, unless
            every map that is halved has an odd size).
        dropout: two rates: for the pixels, and after stages 1 and 2.

    {returns}

    Example:

    >>> from keras_gcnn import zoo
    >>> zoo.allcnn("p4", parameters=100_000).output_shape
    (None, 10)

    References:
        Springenberg et al. 2015, "Striving for Simplicity", table 2; Cohen & Welling 2016, "Group
        Equivariant Convolutional Networks", section 8.2.
    """
    if np.shape(dropout) != (2,):
        raise ValueError(f"dropout={dropout!r} has to be a pair of rates, e.g. (0.2, 0.5).")
    first, second = (check_rate("dropout", rate) for rate in dropout)
    return Architecture(
        name="allcnn",
        stages=tuple(_CONVOLUTIONS),
        widths=(96, 192, 192),
        stage_of=tuple(_CONVOLUTIONS),
        body=partial(_body, dropout=(first, second)),
        top=_top,
        scale=4.0,  # photographs, to a mean near zero and a spread near one
        offset=-2.0,
        smallest=4,
    )
