"""Residual networks for small images on a group."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras

from keras_gcnn.arguments import as_count, check_choice
from keras_gcnn.types import GroupLike, RestrictAfter
from keras_gcnn.zoo import residual_blocks
from keras_gcnn.zoo.decorators import group_builder
from keras_gcnn.zoo.graph_builder import GraphBuilder, Maps
from keras_gcnn.zoo.spec import Architecture


@dataclass(frozen=True)
class _Variant:
    """Settings of a variant.

    Attributes:
        body: adds the blocks; see `residual_blocks`.
        widths: channels of the ordinary network.
        head: see the builder.
        downsampling: see the builder.
    """

    body: Callable[..., Maps]
    widths: tuple[int, int, int]
    head: str
    downsampling: str


_VARIANTS = {
    None: _Variant(
        body=residual_blocks.post_activation,
        widths=(16, 32, 64),
        head="invariant",
        downsampling="exact",
    ),
    "report": _Variant(
        body=residual_blocks.post_activation,
        widths=(16, 32, 64),
        head="orientations",
        downsampling="stride",
    ),
    "cohen": _Variant(
        body=residual_blocks.pre_activation,
        widths=(32, 64, 128),
        head="orientations",
        downsampling="stride",
    ),
}


def _top(net: GraphBuilder, x: Maps, classes: int, head: str, activation: str | None) -> Maps:
    return net.dense_logits(net.head(x, head, "mean"), classes, activation)


@group_builder
def resnet(
    group: GroupLike = "z2",
    input_shape: tuple[int, int, int] = (32, 32, 3),
    classes: int = 10,
    widths: Sequence[int] | None = None,
    parameters: int | None = None,
    head: str | None = None,
    *,
    multiply_adds: int | None = None,
    depth: int = 20,
    variant: str | None = None,
    convolution: str = "full",
    restrict_after: RestrictAfter = None,
    downsampling: str | None = None,
    include_top: bool = True,
    classifier_activation: str | None = None,
    weights: str | os.PathLike | None = None,
    data_format: str | None = None,
    name: str | None = None,
) -> Architecture:
    """Builds a residual network of `depth` layers for small images.

    A 3x3 convolution (`stem`); stages `1`, `2` and `3` of `(depth - 2) / 6` residual blocks each,
    where `2` and `3` begin by halving the map; the mean over positions and orientations; one dense
    layer. Layers are named `stem_conv`, `stage1_block1_conv1`, `stage1_block1_bn1`,
    `stage1_block1_relu1`, ..., `stage2_block1_shortcut`, `head`, `logits`.

    `widths` are three numbers, one per stage; the stem has the width of stage `1`. The default is
    `(16, 32, 64) / sqrt(|G|)`, and twice that for `variant="cohen"`.

    Args:
        {arguments}
        depth: int, number of layers: 8, 14, 20, 26, 32, 38, 44, ...
        variant: None (normalisation after the convolutions, which have no bias; head `"invariant"`,
            downsampling `"exact"`), or a published network: `"report"`, the same blocks with the
            head `"orientations"` and downsampling `"stride"` (with `depth=44`: 661,338 parameters
            on Z2, 660,082 on P4, 673,420 on P4M); `"cohen"`, that of Cohen & Welling, with
            normalisation before the convolutions, biases, and the same head and downsampling
            (2,622,878 on P4M). The arguments `head` and `downsampling` take precedence.
        downsampling: `"exact"` (convolution, then an average that is exactly equivariant at every
            size) or `"stride"` (as published; breaks the equivariance, with a warning, unless
            every map that is halved has an odd size). None is that of the variant.

    {returns}

    Example:

    >>> from keras_gcnn import zoo
    >>> zoo.resnet("p4m", depth=20).output_shape
    (None, 10)

    References:
        He et al. 2016, "Deep Residual Learning for Image Recognition", section 4.2; Cohen & Welling
        2016, "Group Equivariant Convolutional Networks", section 8.2.
    """
    layers = as_count(depth)
    if layers is None or layers < 8 or layers % 6 != 2:
        raise ValueError(
            f"depth={depth!r} has to be 6 n + 2 for a number n of blocks per stage, e.g. 20, 26 "
            "or 44."
        )
    check_choice("variant", variant, tuple(_VARIANTS))
    settings = _VARIANTS[variant]
    return Architecture(
        name=f"resnet{layers}",
        stages=residual_blocks.STAGES,
        widths=settings.widths,
        stage_of=residual_blocks.STAGES,
        body=partial(settings.body, blocks=(layers - 2) // 6),
        top=_top,
        scale=4.0,  # photographs, to a mean near zero and a spread near one
        offset=-2.0,
        smallest=4,
        head=settings.head,
        downsampling=settings.downsampling,
    )


def _without_depth(shorthand: Callable[..., keras.Model]) -> Callable[..., keras.Model]:
    """Gives a function the signature of `resnet`, except for `depth`."""
    signature = inspect.signature(resnet)
    kept = [parameter for name, parameter in signature.parameters.items() if name != "depth"]
    shorthand.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]
    return shorthand


@_without_depth
def resnet20(*args: Any, **kwargs: Any) -> keras.Model:
    """Builds a residual network of 20 layers for small images: `resnet` with `depth=20`.

    All other arguments, the result and the errors are those of `resnet`.

    Example:

    >>> from keras_gcnn import zoo
    >>> zoo.resnet20("p4m").output_shape
    (None, 10)
    """
    return resnet(*args, depth=20, **kwargs)


@_without_depth
def resnet26(*args: Any, **kwargs: Any) -> keras.Model:
    """Builds a residual network of 26 layers for small images: `resnet` with `depth=26`.

    All other arguments, the result and the errors are those of `resnet`.

    Example:

    >>> from keras_gcnn import zoo
    >>> zoo.resnet26("p4").output_shape
    (None, 10)
    """
    return resnet(*args, depth=26, **kwargs)


@_without_depth
def resnet44(*args: Any, **kwargs: Any) -> keras.Model:
    """Builds a residual network of 44 layers for small images: `resnet` with `depth=44`.

    All other arguments, the result and the errors are those of `resnet`.

    Example:

    >>> from keras_gcnn import zoo
    >>> zoo.resnet44("z2").output_shape
    (None, 10)
    """
    return resnet(*args, depth=44, **kwargs)
