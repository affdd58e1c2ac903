"""LeNet on a group: the smallest network of the zoo."""

from __future__ import annotations

import os
from collections.abc import Sequence

from keras_gcnn.types import GroupLike, RestrictAfter
from keras_gcnn.zoo.decorators import group_builder
from keras_gcnn.zoo.graph_builder import GraphBuilder, Maps
from keras_gcnn.zoo.spec import Architecture

_KERNEL = 5
_DENSE = (120, 84)


def _body(net: GraphBuilder, x: Maps, widths: tuple[int, ...]) -> Maps:
    for stage, width, padding in zip("12", widths, ("same", "valid"), strict=True):
        x = net.convolution(x, width, _KERNEL, f"conv{stage}", padding=padding)
        x = net.maximum(x, f"pool{stage}")
        x = net.relu(x, f"relu{stage}")
        x = net.end_stage(x, stage)
    return x


def _top(net: GraphBuilder, x: Maps, classes: int, head: str, activation: str | None) -> Maps:
    x = net.head(x, head, "max")
    for index, units in enumerate(_DENSE, start=1):
        x = net.dense(x, units, f"dense{index}", activation="relu")
    return net.dense_logits(x, classes, activation)


_LENET = Architecture(
    name="lenet",
    stages=("1", "2"),
    widths=(8, 64),
    stage_of=("1", "2"),
    body=_body,
    top=_top,
    # The background stays zero, which is also the padding of "same"; the standard deviation of
    # digits becomes about one.
    scale=3.0,
    offset=0.0,
    smallest=12,
    counts_channels=True,
)


@group_builder
def lenet(
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
    include_top: bool = True,
    classifier_activation: str | None = None,
    weights: str | os.PathLike | None = None,
    data_format: str | None = None,
    name: str | None = None,
) -> Architecture:
    """Builds a LeNet whose two convolutions are equivariant under a group.

    Convolution 5x5 "same", pooling, ReLU (stage `1`), convolution 5x5 "valid", pooling, ReLU
    (stage `2`), the head, dense 120 and 84 with ReLU, and the classes. Layers are named `conv1`,
    `pool1`, `relu1`, `conv2`, `pool2`, `relu2`, `head`, `dense1`, `dense2`, `logits`. Exactly
    equivariant at even and odd sizes, from 12 rows and columns.

    `widths` are two numbers: the fields of the two convolutions. The default is
    `(8, 64) / sqrt(|G|)` with an invariant head and `(8, 64 / |G|)` with the others, whose features
    are as many as the channels.

    Args:
        {arguments}

    {returns}

    Example:

    >>> from keras_gcnn import zoo
    >>> zoo.lenet("p4", head="flatten").count_params()
    216158

    References:
        LeCun et al. 1998, "Gradient-based learning applied to document recognition".
    """
    return _LENET  # `group_builder` hands the arguments to `build`
