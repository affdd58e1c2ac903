"""The residual blocks of the wide ResNets, of layers on groups or of steerable layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from keras_gcnn.layers import Fields
from keras_gcnn.zoo import steerable_graph_builder as steerable
from keras_gcnn.zoo.graph_builder import GraphBuilder, Maps
from keras_gcnn.zoo.residual_blocks import STAGES
from keras_gcnn.zoo.steerable_graph_builder import FieldMaps, SteerableGraphBuilder

M = TypeVar("M", Maps, FieldMaps)
Width = TypeVar("Width")  # a number of fields, or `Fields`
Taken = TypeVar("Taken", contravariant=True)


class BlockLayers(Protocol[M, Taken]):
    """Adds the layers of residual blocks to a network."""

    def convolve(self, x: M, width: Taken, kernel_size: int, name: str) -> M:
        """Adds a convolution without bias."""

    def halve(self, x: M, name: str) -> M:
        """Halves the maps by an average that is exactly equivariant at every size."""

    def activate(self, x: M, name: str, number: str = "") -> M:
        """Adds batch normalisation and the activation."""

    def drop(self, x: M, rate: float, name: str) -> M:
        """Adds dropout of whole fields, unless the rate is zero."""

    def add(self, x: M, other: M, name: str) -> M:
        """Adds the sum of a residual connection."""

    def end_stage(self, x: M, stage: str) -> M:
        """Adds the restriction that follows a stage, if there is one."""


class OnGroup:
    """Layers on a group of the pixel grid; see `BlockLayers`."""

    def __init__(self, net: GraphBuilder):
        self._net = net

    def convolve(self, x: Maps, width: int, kernel_size: int, name: str) -> Maps:
        return self._net.convolution(x, width, kernel_size, name, use_bias=False)

    def halve(self, x: Maps, name: str) -> Maps:
        return self._net.average(x, name)

    def activate(self, x: Maps, name: str, number: str = "") -> Maps:
        x = self._net.normalization(x, f"{name}_bn{number}")
        return self._net.relu(x, f"{name}_relu{number}")

    def drop(self, x: Maps, rate: float, name: str) -> Maps:
        return self._net.dropout(x, rate, name)

    def add(self, x: Maps, other: Maps, name: str) -> Maps:
        return self._net.add(x, other, name)

    def end_stage(self, x: Maps, stage: str) -> Maps:
        return self._net.end_stage(x, stage)


class OfFields:
    """Steerable layers; see `BlockLayers`."""

    def __init__(self, net: SteerableGraphBuilder):
        self._net = net

    def convolve(self, x: FieldMaps, width: Fields, kernel_size: int, name: str) -> FieldMaps:
        return self._net.convolution(x, width, kernel_size, name)

    def halve(self, x: FieldMaps, name: str) -> FieldMaps:
        return self._net.average(x, steerable.POOLING, name)

    def activate(self, x: FieldMaps, name: str, number: str = "") -> FieldMaps:
        x = self._net.normalization(x, f"{name}_bn{number}")
        return self._net.activation(x, f"{name}_activation{number}")

    def drop(self, x: FieldMaps, rate: float, name: str) -> FieldMaps:
        return self._net.dropout(x, rate, name)

    def add(self, x: FieldMaps, other: FieldMaps, name: str) -> FieldMaps:
        return self._net.add(x, other, name)

    def end_stage(self, x: FieldMaps, stage: str) -> FieldMaps:
        return self._net.end_stage(x, stage)


def add_wide_blocks(
    layers: BlockLayers[M, Width],
    x: M,
    widths: Sequence[Width],
    blocks: int,
    kernel_size: int,
    dropout: float,
) -> M:
    """Adds the blocks of Zagoruyko & Komodakis 2016, from the image to the features.

    Normalisation and activation come before the convolutions. In the first block of a stage, which
    changes the shape, the shortcut starts after them, and so does a restriction: restricted fields
    need not be functions on the subgroup, which the activation would ask for.

    Args:
        layers: adds the layers.
        x: the image.
        widths: of the stem and of the stages.
        blocks: number of blocks per stage.
        kernel_size: rows and columns of the kernels.
        dropout: rate between the convolutions of a block.
    """
    stem, *of_stages = widths
    x = layers.convolve(x, stem, kernel_size, "stem_conv")
    for number, (stage, width) in enumerate(zip(STAGES, of_stages, strict=True)):
        for block in range(1, blocks + 1):
            name = f"stage{stage}_block{block}"
            y = layers.activate(x, name, "1")
            halved = block == 1 and number > 0
            if block == 1:
                y = layers.end_stage(y, STAGES[number - 1]) if number else y
                x = layers.halve(y, f"{name}_shortcut_pool") if halved else y
                x = layers.convolve(x, width, 1, f"{name}_shortcut")
            y = layers.convolve(y, width, kernel_size, f"{name}_conv1")
            y = layers.halve(y, f"{name}_pool") if halved else y
            y = layers.activate(y, name, "2")
            y = layers.drop(y, dropout, f"{name}_dropout")
            y = layers.convolve(y, width, kernel_size, f"{name}_conv2")
            x = layers.add(x, y, f"{name}_add")
    return layers.end_stage(layers.activate(x, "final"), STAGES[-1])
