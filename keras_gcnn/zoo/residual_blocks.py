"""The residual blocks and stages of the ResNets."""

from __future__ import annotations

from collections.abc import Iterator

from keras_gcnn.zoo.graph_builder import GraphBuilder, Maps

STAGES = ("1", "2", "3")


def post_activation(net: GraphBuilder, x: Maps, widths: tuple[int, ...], blocks: int) -> Maps:
    """Adds blocks as in He et al. 2016a.

    The convolutions have no bias, normalisation follows each of them, and ReLU follows the sum.
    """
    x = net.convolution(x, widths[0], 3, "stem_conv", use_bias=False)
    x = net.normalization(x, "stem_bn")
    x = net.relu(x, "stem_relu")
    for stage, block, width, strides, name in _blocks(widths, blocks):
        y = net.convolution(x, width, 3, f"{name}_conv1", strides=strides, use_bias=False)
        y = net.normalization(y, f"{name}_bn1")
        y = net.relu(y, f"{name}_relu1")
        y = net.convolution(y, width, 3, f"{name}_conv2", use_bias=False)
        y = net.normalization(y, f"{name}_bn2")
        if _changes_shape(x, width, strides):
            x = net.convolution(x, width, 1, f"{name}_shortcut", strides=strides, use_bias=False)
            x = net.normalization(x, f"{name}_shortcut_bn")
        x = net.relu(net.add(x, y, f"{name}_add"), f"{name}_relu2")
        if block == blocks:
            x = net.end_stage(x, stage)
    return x


def pre_activation(net: GraphBuilder, x: Maps, widths: tuple[int, ...], blocks: int) -> Maps:
    """Adds blocks as in He et al. 2016b, with the details of Cohen & Welling.

    The convolutions have biases, normalisation and ReLU precede them, and the shortcut starts from
    the input of the block before its normalisation.
    """
    x = net.convolution(x, widths[0], 3, "stem_conv")
    for stage, block, width, strides, name in _blocks(widths, blocks):
        y = net.relu(net.normalization(x, f"{name}_bn1"), f"{name}_relu1")
        y = net.convolution(y, width, 3, f"{name}_conv1", strides=strides)
        y = net.relu(net.normalization(y, f"{name}_bn2"), f"{name}_relu2")
        y = net.convolution(y, width, 3, f"{name}_conv2")
        if _changes_shape(x, width, strides):
            x = net.convolution(x, width, 1, f"{name}_shortcut", strides=strides)
        x = net.add(x, y, f"{name}_add")
        if block == blocks:
            x = net.end_stage(x, stage)
    return net.relu(net.normalization(x, "final_bn"), "final_relu")


def _changes_shape(x: Maps, width: int, strides: int) -> bool:
    """Whether the output of a block has another shape than its input."""
    return strides > 1 or x.fields != width


def _blocks(widths: tuple[int, ...], blocks: int) -> Iterator[tuple[str, int, int, int, str]]:
    """Yields the stage, the number from 1, the width, the stride and the name of every block."""
    for stage, width in zip(STAGES, widths, strict=True):
        for block in range(1, blocks + 1):
            strides = 2 if block == 1 and stage != STAGES[0] else 1
            yield stage, block, width, strides, f"stage{stage}_block{block}"
