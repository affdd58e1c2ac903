"""Walks a model and counts, layer by layer, what it costs."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras

from keras_gcnn.arguments import all_counts
from keras_gcnn.layers import Symmetrized
from keras_gcnn.layers.common.cost import multiply_adds_of
from keras_gcnn.model_graph import is_graph, run_graph
from keras_gcnn.types import Shape


@dataclass(frozen=True)
class LayerCost:
    """What one call of a layer costs for one image.

    Args:
        layer: name of the layer, after the names of the models around it.
        class_name: name of its class.
        shape: shape of its output, or of the first output, without the batch.
        parameters: number of its trainable parameters; 0 from the second call on, and where an
            earlier layer has the same weights.
        multiply_adds: see `keras_gcnn.layers.common.cost`; None if they are unknown.
        bytes: size of its outputs.
    """

    layer: str
    class_name: str
    shape: tuple[int, ...]
    parameters: int
    multiply_adds: int | None
    bytes: int


def layer_costs(
    model: keras.Model, input_shape: Shape | Sequence[Shape] | None = None
) -> tuple[LayerCost, ...]:
    """Returns the costs of all calls of layers in a model, those of models inside it included.

    Args:
        model: a functional or sequential model that is built. It is not changed.
        input_shape: shape of an image without the batch, for a model whose sizes are open, or a
            list of shapes for a model of several inputs.

    Raises:
        ValueError: for another model, or if sizes stay unknown or do not fit the model.
    """
    if not is_graph(model):
        raise ValueError(
            f"The layers of functional and sequential models can be counted; "
            f"{type(model).__name__} is neither, or has a call of its own. Count the functional "
            "models inside it."
        )
    if not model.built:
        raise ValueError(
            f"The model {model.name!r} is not built. Give it an input, e.g. "
            "keras.Input((28, 28, 1)), or call it once."
        )
    shapes = _shapes_of(model, input_shape)
    images = [
        keras.KerasTensor((tensor.shape[0] or 1, *shape), dtype=tensor.dtype)
        for tensor, shape in zip(model.inputs, shapes, strict=True)
    ]
    walk = _Walk()
    walk.model(model, images, "")
    return tuple(walk.costs)


def _shapes_of(
    model: keras.Model, input_shape: Shape | Sequence[Shape] | None
) -> list[tuple[int, ...]]:
    """Returns the shapes of the inputs without the batch, with open sizes as they were given."""
    given: Any = [None] * len(model.inputs) if input_shape is None else input_shape
    if input_shape is not None and all_counts(input_shape):
        given = [input_shape] * len(model.inputs)
    if not isinstance(given, Sequence) or len(given) != len(model.inputs):
        raise ValueError(
            f"input_shape={input_shape!r} has to be a shape without the batch, or a list with one "
            f"for each of the {len(model.inputs)} inputs of {model.name!r}."
        )
    return [
        _known_shape(tensor.name, tuple(tensor.shape[1:]), shape)
        for tensor, shape in zip(model.inputs, given, strict=True)
    ]


def _known_shape(name: str, shape: Shape, given: Any) -> tuple[int, ...]:
    known = tuple(size for size in shape if size is not None)
    if given is None:
        if len(known) < len(shape):
            example = tuple(size or 96 for size in shape)
            raise ValueError(
                f"The input {name!r} has unknown sizes: {shape} without the batch. Say for which "
                f"sizes to count, e.g. input_shape={example}."
            )
        return known
    counts = all_counts(given)
    if len(counts) != len(shape) or any(
        size not in (None, number) for size, number in zip(shape, counts, strict=True)
    ):
        raise ValueError(
            f"input_shape={given!r} does not fit the input {name!r}, whose shape without the "
            f"batch is {shape}. Give positive integers, and repeat the known sizes."
        )
    return counts


class _Walk:
    """One walk through a model, which computes shapes only."""

    def __init__(self) -> None:
        self.costs: list[LayerCost] = []
        self._counted: set[int] = set()  # variables, by their id

    def model(self, model: keras.Model, inputs: list[keras.KerasTensor], prefix: str) -> Any:
        """Counts the calls in a model; returns its outputs."""
        if isinstance(model, keras.Sequential):
            (tensor,) = inputs
            for layer in model.layers:
                tensor = self._call(layer, prefix, (tensor,), {})
            return tensor

        def counting(operation: keras.Operation) -> Callable:
            return lambda *args, **kwargs: self._call(operation, prefix, args, kwargs)

        return run_graph(model, inputs, counting)

    def _call(
        self, operation: keras.Operation, prefix: str, args: tuple, kwargs: dict[str, Any]
    ) -> Any:
        """Counts one call; returns its outputs, as symbolic tensors."""
        inputs = _tensors((args, kwargs))
        if is_graph(operation):
            return self.model(operation, inputs, f"{prefix}{operation.name}/")
        outputs = _outputs(operation, args, kwargs)
        if isinstance(operation, Symmetrized):
            self._orbit(operation, prefix, args)
            return outputs
        made = _tensors(outputs)
        shapes = [tensor.shape for tensor in _without_masks(operation, args, kwargs)]
        self.costs.append(
            LayerCost(
                layer=prefix + operation.name,
                class_name=type(operation).__name__,
                shape=tuple(made[0].shape[1:]),
                parameters=self._new_parameters(getattr(operation, "trainable_variables", ())),
                multiply_adds=multiply_adds_of(
                    operation, shapes[0] if len(shapes) == 1 else shapes, made[0].shape
                ),
                bytes=sum(_bytes(tensor) for tensor in made),
            )
        )
        return outputs

    def _orbit(self, layer: Symmetrized, prefix: str, args: tuple) -> None:
        """Counts the calls in a model that runs on every image in all orientations."""
        start, times = len(self.costs), len(layer.poses)
        self._call(layer.model, f"{prefix}{layer.name}/", args, {})
        self.costs[start:] = [
            replace(
                row,
                multiply_adds=None if row.multiply_adds is None else times * row.multiply_adds,
                bytes=times * row.bytes,
            )
            for row in self.costs[start:]
        ]

    def _new_parameters(self, variables: Iterable[keras.Variable]) -> int:
        """Returns the number of parameters in variables that were not counted before."""
        new = {
            id(variable): variable for variable in variables if id(variable) not in self._counted
        }
        self._counted.update(new)
        return sum(math.prod(variable.shape) for variable in new.values())


def _outputs(operation: keras.Operation, args: tuple, kwargs: dict[str, Any]) -> Any:
    """Returns the outputs of a call as symbolic tensors of known sizes."""
    # Unlike a call this adds nothing to the graph of the layer, which belongs to the user.
    try:
        outputs = operation.compute_output_spec(*args, **kwargs)
        if any(None in tensor.shape for tensor in _tensors(outputs)):
            # Some layers, e.g. EinsumDense, repeat an open size of their arguments; this runs
            # `call`.
            outputs = keras.Operation.compute_output_spec(operation, *args, **kwargs)
    except ValueError as error:
        shapes = " and ".join(str(tuple(each.shape)) for each in _tensors((args, kwargs)))
        raise ValueError(
            f"{type(operation).__name__} {operation.name!r} does not take inputs of shape {shapes}:"
            f" {error} Give another input_shape, such as one of larger images."
        ) from error
    return outputs


def _without_masks(
    operation: keras.Operation, args: tuple, kwargs: dict[str, Any]
) -> list[keras.KerasTensor]:
    """Returns the tensors of a call that are no masks, in the order of the parameters."""
    given = inspect.signature(operation.call).bind(*args, **kwargs).arguments
    return _tensors([value for name, value in given.items() if not name.endswith("mask")])


def _tensors(structure: Any) -> list[keras.KerasTensor]:
    leaves = keras.tree.flatten(structure)
    return [leaf for leaf in leaves if isinstance(leaf, keras.KerasTensor)]


def _bytes(tensor: keras.KerasTensor) -> int:
    """Returns the size of a tensor for one image, in whole bytes."""
    bits = re.search(r"\d+", keras.backend.standardize_dtype(tensor.dtype))
    return math.prod(tensor.shape[1:]) * (int(bits.group()) if bits else 8) // 8
