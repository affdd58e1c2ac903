"""Residual networks for small images on a group."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import keras

from keras_gcnn import groups
from keras_gcnn.arguments import as_count, check_choice
from keras_gcnn.zoo import residual
from keras_gcnn.zoo.architecture import Architecture, build
from keras_gcnn.zoo.assembly import Assembly, Maps
from keras_gcnn.zoo.builder import builder

# Body, widths of the ordinary network, head and downsampling.
_VARIANTS = {
    None: (residual.post_activation, (16, 32, 64), "invariant", "exact"),
    "report": (residual.post_activation, (16, 32, 64), "orientations", "stride"),
    "cohen": (residual.pre_activation, (32, 64, 128), "orientations", "stride"),
}


def _top(net: Assembly, x: Maps, classes: int, head: str, activation: str | None) -> Maps:
    return net.dense_logits(net.head(x, head, "mean"), classes, activation)


@builder
def resnet(
    group: str | groups.Group = "z2",
    input_shape: tuple[int, int, int] = (32, 32, 3),
    classes: int = 10,
    widths: Sequence[int] | None = None,
    parameters: int | None = None,
    head: str | None = None,
    *,
    depth: int = 20,
    variant: str | None = None,
    convolution: str = "full",
    restrict_after: str | int | Mapping[str | int, str | groups.Group] | None = None,
    downsampling: str | None = None,
    include_top: bool = True,
    classifier_activation: str | None = None,
    weights: str | os.PathLike | None = None,
    data_format: str | None = None,
    name: str | None = None,
) -> keras.Model:
    """Builds a residual network of `depth` layers for small images.

    A 3x3 convolution (`stem`) and stages `1`, `2` and `3` of `(depth - 2) / 6` residual blocks
    each, of which `2` and `3` begin by halving the map; mean over positions and orientations; one
    dense layer. Layers are named `stem_conv`, `stage1_block1_conv1`, `stage1_block1_bn1`,
    `stage1_block1_relu1`, ..., `stage2_block1_shortcut`, `head`, `logits`.

    `widths` are three, one per stage, the stem having the first; the default is (16, 32, 64) /
    sqrt(|G|), and twice that for Cohen & Welling's.

    Args:
        {arguments}
        depth: int, number of layers: 8, 14, 20, 26, 32, 38, 44, ...
        variant: None (normalisation after the convolutions, which have no bias; head `"invariant"`,
            downsampling `"exact"`), or a published form: `"report"`, the same blocks with the head
            `"orientations"` and downsampling `"stride"` (with `depth=44`: 661,338 parameters on Z2,
            660,082 on P4, 673,420 on P4M); `"cohen"`, Cohen & Welling's, with normalisation before
            the convolutions, biases, and the same head and downsampling (2,622,878 on P4M). `head`
            and `downsampling` given beside it have precedence.
        downsampling: `"exact"` (convolution, then an average that is exactly equivariant at every
            size) or `"stride"` (as published; breaks the equivariance unless every map
            that is halved has an odd size, and warns).

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
            f"depth={depth!r} has to be 6 n + 2 for a number n of blocks a stage, e.g. 20, 26 or "
            "44."
        )
    check_choice("variant", variant, tuple(_VARIANTS))
    body, ordinary, variant_head, variant_downsampling = _VARIANTS[variant]
    architecture = Architecture(
        name=f"resnet{layers}",
        stages=residual.STAGES,
        widths=ordinary,
        stage_of=residual.STAGES,
        body=partial(body, blocks=(layers - 2) // 6),
        top=_top,
        scale=4.0,  # photographs, to a mean near zero and a spread near one
        offset=-2.0,
        smallest=4,
    )
    return build(
        architecture,
        group,
        input_shape,
        classes,
        widths,
        parameters,
        variant_head if head is None else head,
        convolution=convolution,
        restrict_after=restrict_after,
        downsampling=variant_downsampling if downsampling is None else downsampling,
        include_top=include_top,
        classifier_activation=classifier_activation,
        weights=weights,
        data_format=data_format,
        name=name,
    )


def _of_depth(depth: int) -> Callable[..., keras.Model]:
    """`resnet` with its depth fixed, and with its signature and documentation."""

    def build(*args, **kwargs) -> keras.Model:
        signature.bind(*args, **kwargs)  # refuses another depth, under this name
        return resnet(*args, depth=depth, **kwargs)

    signature = inspect.signature(resnet)
    parameters = [one for name, one in signature.parameters.items() if name != "depth"]
    signature = signature.replace(parameters=parameters)
    _, _, rest = resnet.__doc__.partition("\n")
    without = re.sub(r" {8}depth: .*\n", "", rest).replace("depth=20", f"depth={depth}")
    build.__name__ = build.__qualname__ = f"resnet{depth}"
    build.__doc__ = f"Builds a residual network of {depth} layers for small images.\n{without}"
    build.__signature__ = signature
    return build


resnet20 = _of_depth(20)
resnet26 = _of_depth(26)
resnet44 = _of_depth(44)
