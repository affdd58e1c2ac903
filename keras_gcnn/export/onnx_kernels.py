"""Makes ONNX files of equivariant networks as small as the weights that were trained.

A convolution of ONNX has its kernel laid out: on P4M with every filter in eight orientations. Here
the file gets the trained weights instead, and the nodes that lay them out. They depend on constants
only, so that a runtime computes them once, when it loads the file.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_gcnn import groups
from keras_gcnn.layers.group.base_convolution import GroupConvolution
from keras_gcnn.layers.group.separable import GSeparableConv2D
from keras_gcnn.layers.group.symmetrized import Symmetrized
from keras_gcnn.layers.steerable.convolution import SteerableConv2D
from keras_gcnn.model_graph import all_layers, unwrap

# Kernels differ by the factors of folded normalisations, and by rounding.
_ROUNDING = 1e-6
_LEAST_SAVING = 0.75  # of what a kernel takes in the file; otherwise it stays as it is
# To channels out, channels in, rows, columns, as ONNX has them: field and channel of each.
_TO_ONNX = (5, 3, 4, 2, 0, 1)


@dataclass(frozen=True)
class _Source:
    """A kernel that trained weights make.

    Attributes:
        kernel: as ONNX has it, `(channels out, channels in, rows, columns)`.
        lay_out: adds the nodes that make the kernel, and returns its name.
    """

    kernel: np.ndarray
    lay_out: Callable[[_Program], str]

    def scales_to(self, kernel: np.ndarray) -> np.ndarray | None:
        """The factor of each output with which this is another kernel; None if it is not."""
        if self.kernel.shape != kernel.shape:
            return None
        own, axes = self.kernel.astype("float64"), (1, 2, 3)
        powers = (own**2).sum(axes, keepdims=True)
        scales = (own * kernel).sum(axes, keepdims=True) / np.where(powers > 0, powers, 1)
        error = np.abs(scales * own - kernel).max(initial=0)
        return scales if error <= _ROUNDING * np.abs(kernel).max(initial=0) else None


def compact(path: Path, model: keras.Model) -> bool:
    """Rewrites an ONNX file with weights in place of the kernels that they make.

    Args:
        path: of the file.
        model: the network of which it was written, with this library's layers.

    Returns:
        Whether anything was replaced.
    """
    import onnx
    from onnx import numpy_helper

    layers = {id(layer): layer for layer in _layers_in(model)}.values()
    sources = [source for layer in layers for source in _sources(layer)]
    if not sources:
        return False
    file = onnx.load(path)
    graph = file.graph
    read_by_convolutions = {n.input[1] for n in graph.node if n.op_type == "Conv"}
    nodes: list[Any] = []
    for entry in [*graph.initializer]:
        if entry.name not in read_by_convolutions:
            continue
        kernel = numpy_helper.to_array(entry)
        made = _Program(entry.name, kernel.dtype)
        for source in sources:
            if (scales := source.scales_to(kernel)) is not None:
                made.finish(source.lay_out(made), scales)
                break
        else:
            if (kernel == kernel[:1]).all():  # a blur, whose filter is that of every channel
                made.finish(made.constant(kernel[:1]), np.ones((len(kernel), 1, 1, 1)))
        if made.nodes and made.bytes <= _LEAST_SAVING * entry.ByteSize():
            graph.initializer.remove(entry)
            graph.initializer.extend(made.constants)
            nodes += made.nodes
    if nodes:
        nodes += graph.node
        del graph.node[:]
        graph.node.extend(nodes)
        onnx.checker.check_model(file)
        onnx.save(file, path)
    return bool(nodes)


def _layers_in(model: keras.Model) -> Iterator[Any]:
    """Yields the layers of a model, and of the models that are symmetrized in it."""
    for layer in map(unwrap, all_layers(model)):
        yield layer
        if isinstance(layer, Symmetrized) and isinstance(layer.model, keras.Model):
            yield from _layers_in(layer.model)


def _sources(layer: Any) -> Iterator[_Source]:
    if isinstance(layer, SteerableConv2D) and layer.built:
        yield _Source(_in_onnx(layer.expanded_kernel()), partial(_lay_out_fields, layer=layer))
    if isinstance(layer, GroupConvolution) and layer.built:
        base = layer.base_kernel().transpose(2, 3, 4, 1, 0)
        yield _of_group(layer.expanded_kernel(), base, layer)
    if isinstance(layer, GSeparableConv2D) and layer.built and layer.has_two_steps:
        pointwise, _ = layer.expanded_parts()
        yield _of_group(pointwise, keras.ops.convert_to_numpy(layer.pointwise_kernel), layer)


def _in_onnx(kernel: np.ndarray) -> np.ndarray:
    return kernel.transpose(3, 2, 0, 1)


def _of_group(kernel: np.ndarray, base: np.ndarray, layer: GroupConvolution) -> _Source:
    """The source of a kernel whose base has the shape `(|G_in|, rows, columns, c_in, c_out)`."""
    return _Source(_in_onnx(kernel), partial(_lay_out_orientations, base=base, layer=layer))


def _lay_out_orientations(made: _Program, base: np.ndarray, layer: GroupConvolution) -> str:
    window, fields = base.shape[1:3], base.shape[3:]
    index = groups.expansion_index(layer.group, window, layer.lifting)
    table = made.constant(base.reshape(-1, math.prod(fields)))
    entries = made.node("Gather", table, made.integers(index.reshape(-1)), axis=0)
    return made.as_kernel(entries, window, (layer.input_order, layer.group.order), fields)


def _lay_out_fields(made: _Program, layer: SteerableConv2D) -> str:
    rows = []
    for o in range(len(layer.fields_out.blocks)):
        blocks = range(len(layer.fields_in.blocks))
        parts = [_steerable_part(made, layer, i, o) for i in blocks]
        rows.append(made.node("Concat", *parts, axis=1))
    return made.node("Concat", *rows, axis=0)


def _steerable_part(made: _Program, layer: SteerableConv2D, i: int, o: int) -> str:
    """Adds the kernel from block i of the input to block o of the output."""
    block_in, block_out = layer.fields_in.blocks[i], layer.fields_out.blocks[o]
    fields = (block_in.field_count, block_out.field_count)
    sizes = (block_in.size, block_out.size)
    part = layer.part_of_basis(i, o)
    if part is None:
        shape = (block_out.channels, block_in.channels, *layer.kernel_size)
        return made.constant(np.zeros(shape))
    weight, waves, index, factor = part
    table = made.constant(weight.reshape(len(weight), -1))
    terms = []
    for places, scales in zip(index, factor, strict=True):
        taken = made.node("Gather", table, made.integers(places.reshape(-1)), axis=0)
        terms.append(made.node("Mul", taken, made.constant(scales.reshape(-1, 1))))
    total = terms[0]
    for term in terms[1:]:
        total = made.node("Add", total, term)
    coefficients = made.reshaped(total, (waves.shape[1], -1))
    kernel = made.node("MatMul", made.constant(waves), coefficients)
    return made.as_kernel(kernel, layer.kernel_size, sizes, fields)


class _Program:
    """Nodes that compute one tensor from constants."""

    def __init__(self, name: str, dtype: np.dtype) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._name, self._dtype = name, dtype

    @property
    def bytes(self) -> int:
        """The size in the file."""
        return sum(each.ByteSize() for each in (*self.constants, *self.nodes))

    def constant(self, values: np.ndarray) -> str:
        """Adds numbers of the kernel's precision; returns their name."""
        return self._add(np.ascontiguousarray(values, self._dtype))

    def integers(self, values: np.ndarray | tuple[int, ...], dtype: str = "int32") -> str:
        """Adds whole numbers; returns their name."""
        return self._add(np.ascontiguousarray(values, dtype))

    def _add(self, values: np.ndarray) -> str:
        from onnx import numpy_helper

        name = f"{self._name}/constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def node(self, operation: str, *inputs: str, **attributes: Any) -> str:
        """Adds a node; returns the name of its output."""
        from onnx import helper

        name = f"{self._name}/{operation}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operation, inputs, [name], name, **attributes))
        return name

    def reshaped(self, name: str, shape: tuple[int, ...]) -> str:
        """Adds a change of shape."""
        return self.node("Reshape", name, self.integers(shape, "int64"))

    def as_kernel(
        self,
        entries: str,
        window: tuple[int, ...],
        sizes: tuple[int, int],
        fields: tuple[int, ...],
    ) -> str:
        """Adds the order of the axes: from positions, channels of a field, and fields to ONNX's."""
        (channels_in, channels_out), (fields_in, fields_out) = sizes, fields
        kernel = self.reshaped(entries, (*window, *sizes, *fields))
        kernel = self.node("Transpose", kernel, perm=_TO_ONNX)
        shape = (fields_out * channels_out, fields_in * channels_in, *window)
        return self.reshaped(kernel, shape)

    def finish(self, kernel: str, scales: np.ndarray) -> None:
        """Adds a factor for each output, and gives the result the program's name."""
        self.node("Mul", kernel, self.constant(scales))
        self.nodes[-1].output[0] = self._name
