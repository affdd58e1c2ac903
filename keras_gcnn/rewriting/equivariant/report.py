"""What `convert` did with each layer, and how exact the new network is."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from keras_gcnn import groups
from keras_gcnn.groups import Group, window_problem
from keras_gcnn.layers.common.cost import multiply_adds_of
from keras_gcnn.rewriting.equivariant.measuring import measure
from keras_gcnn.rewriting.equivariant.roles import Role
from keras_gcnn.types import Shape, Tensor

_TELLING = 1e-4  # relative difference of two images, far above the error of rounding
_OF_KERAS = (keras.layers.MaxPooling2D, keras.layers.AveragePooling2D)


@dataclass
class Call:
    """One call of a new layer.

    Args:
        layer: the layer, or an operation that was kept.
        input_shape: shape of what it read, batch included.
        output_shape: shape of what it returned.
    """

    layer: keras.Operation
    input_shape: Any
    output_shape: Any


@dataclass
class Record:
    """What became of one layer or operation of the plain model.

    Args:
        operation: the layer or operation.
        notes: what changed, one clause each.
        calls: the calls of the layers in its place.
        problem, fix: why the conversion itself is not exact, and how to make it so; or "".
    """

    operation: keras.Operation
    notes: list[str] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    problem: str = ""
    fix: str = ""

    def note(self, change: str) -> None:
        """Adds what changed, once."""
        if change not in self.notes:
            self.notes.append(change)

    def add(self, layer: keras.Operation, input_shape: Any, outputs: Tensor) -> None:
        """Adds a call of a new layer."""
        output_shape = keras.tree.map_structure(lambda each: each.shape, outputs)
        self.calls.append(Call(layer, input_shape, output_shape))

    @property
    def new_layers(self) -> list[keras.Operation]:
        """The layers in its place, each once."""
        return list({id(call.layer): call.layer for call in self.calls}.values())


@dataclass(frozen=True)
class Converted:
    """A line of the report.

    Args:
        name: name of the layer.
        before: its class.
        after: the classes of the layers in its place; empty if none is.
        changes: what changed besides, such as the padding.
        parameters: trainable parameters before and after.
        multiply_adds: of one image, before and after; None if sizes are unknown.
        problem: why it is not exact at the size of the input, or "".
        fix: how to make it exact, or "".
    """

    name: str
    before: str
    after: tuple[str, ...]
    changes: tuple[str, ...]
    parameters: tuple[int, int]
    multiply_adds: tuple[int | None, int | None]
    problem: str
    fix: str


class Conversion:
    """The report of `convert`; printed, it is a table that ends with the measured error.

    Args:
        model: the new network.
        plain: the plain model.
        group: the group of the new network.
        roles: how each of the outputs transforms.
        lines: a line for each layer of the plain model.
    """

    def __init__(
        self,
        model: keras.Model,
        plain: keras.Model,
        group: Group,
        roles: list[Role],
        lines: tuple[Converted, ...],
    ):
        self._model = weakref.ref(model)
        self._name = plain.name
        self.group = group.name
        self.lines = lines
        self._roles = roles
        self._sentence: str | None = None

    @property
    def problems(self) -> tuple[Converted, ...]:
        """The lines of the layers that are not exact at the size of the input."""
        return tuple(line for line in self.lines if line.problem)

    def errors(self, input_shape: Shape | None = None, seed: int = 0) -> dict[str, float]:
        """Measures the network with its present weights under every element of the group.

        Args:
            input_shape: shape of one image; default that of the network.
            seed: of the images, which are uniform in [0, 1], or in 0, ..., 255 for integers.

        Returns:
            From the names of elements to the largest relative error of all outputs. Where images
            are not square, the elements are those that keep their shape.

        Raises:
            ValueError: if the sizes of the images are open or differ, an output is zero
                everywhere, or the network exists no more.
        """
        model = self._model()
        if model is None:
            raise ValueError("The network of this report exists no more.")
        return measure(model, groups.get(self.group), self._roles, input_shape, seed)[1]

    def as_table(self) -> str:
        """Returns the lines as a Markdown table."""
        heads = ("layer", "was", "became", "parameters", "multiply-adds", "changes", "not exact")
        rows = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
        for line in self.lines:
            after = " + ".join(line.after) or "left out"
            after = "kept" if line.after == (line.before,) else after
            problem = f"{line.problem}: {line.fix}" if line.problem else ""
            cells = (
                line.name,
                line.before,
                after,
                _pair(line.parameters),
                _pair(line.multiply_adds),
                "; ".join(line.changes),
                problem,
            )
            rows.append(f"| {' | '.join(cells)} |")
        return "\n".join(rows)

    def _repr_markdown_(self) -> str:
        """Returns the report for notebooks, which show it as a table."""
        return str(self)

    def __str__(self) -> str:
        inexact = len(self.problems)
        verdict = "every layer is exact at the size of the input"
        if inexact:
            verdict = f"{inexact} layer(s) are not exact at the size of the input, see the table"
        return (
            f"{self._name} on {self.group}\n\n{self.as_table()}\n\n"
            f"Parameters {self._total('parameters')}, multiply-adds of one image "
            f"{self._total('multiply_adds')}; "
            f"{verdict}.\n{self._measured()}"
        )

    def _total(self, name: str) -> str:
        before, after = (sum(getattr(line, name)[at] or 0 for line in self.lines) for at in (0, 1))
        return _pair((before, after))

    def _measured(self) -> str:
        if self._sentence is None:
            self._sentence = self._measure()
        return self._sentence

    def _measure(self) -> str:
        model = self._model()
        if model is None:
            return "The error was not measured, since the network exists no more."
        group = groups.get(self.group)
        try:
            found, errors, difference = measure(model, group, self._roles, None, 0)
        except ValueError as error:
            return f"The error was not measured: {str(error).removesuffix('.')}."
        element = max(errors, key=errors.__getitem__)
        batch = " and a mixed batch" if "mixed" in errors else ""
        why = "" if found == group else ", since other elements change the shape of the images"
        text = (
            f"Largest relative error over the {found.order} elements of {found.name}{batch}{why}: "
            f"{errors[element]:.1e} ({element}), where two different images differ by "
            f"{difference:.1e}."
        )
        if difference < _TELLING:
            text += (
                " The outputs hardly depend on the image yet, so that this says little: train the "
                "network and call model.conversion.errors()."
            )
        return text


def _pair(values: tuple[int | None, int | None]) -> str:
    before, after = values
    if before is None or after is None:
        return "unknown"
    if before == after:
        return f"{before:,}" if before else ""
    return f"{before:,} to {after:,}"


def line_of(record: Record, group: Group, plain_calls: list[tuple[Any, Any]]) -> Converted:
    """Returns the line of the report for a layer or operation.

    Args:
        record: what became of it.
        group: the group of the new network.
        plain_calls: shapes of its inputs and outputs in each call in the plain model.
    """
    operation, problem, fix = record.operation, record.problem, record.fix
    for call in record.calls:
        found = _problem(call, group)
        if found is not None:
            problem, fix = found
    return Converted(
        operation.name,
        type(operation).__name__,
        tuple(type(layer).__name__ for layer in record.new_layers),
        tuple(record.notes),
        (_trainable([operation]), _trainable(record.new_layers)),
        (
            _multiply_adds([(operation, *shapes) for shapes in plain_calls]),
            _multiply_adds(
                [(call.layer, call.input_shape, call.output_shape) for call in record.calls]
            ),
        ),
        problem,
        fix,
    )


def _trainable(operations: list[Any]) -> int:
    weights = [weight for each in operations for weight in getattr(each, "trainable_variables", ())]
    return sum(int(np.prod(weight.shape)) for weight in weights)


def _multiply_adds(calls: list[tuple[Any, Any, Any]]) -> int | None:
    """Returns the multiply-adds of calls of layers, or None if a size or a layer is unknown."""
    total = 0
    for layer, input_shape, output_shape in calls:
        if not isinstance(layer, keras.Layer):
            continue
        try:
            counted = multiply_adds_of(layer, input_shape, output_shape)
        except ValueError:  # a size that only a batch has
            counted = None
        if counted is None:
            return None
        total += counted
    return total


def _problem(call: Call, group: Group) -> tuple[str, str] | None:
    """Returns why a new layer is not exact on its input, and the fix; None if it is."""
    layer = call.layer
    if hasattr(layer, "equivariance_problem"):
        found = layer.equivariance_problem(call.input_shape)
        if found is None or max(layer.strides) == 1 or "Transpose" in type(layer).__name__:
            return found
        problem, fix = found
        return problem, f'use downsampling="exact", or change the input or this layer: {fix}'
    if not isinstance(layer, _OF_KERAS):
        return None
    first = 2 if layer.data_format == "channels_first" else 1
    sizes = call.input_shape[first : first + 2]
    found = window_problem(group, sizes, layer.pool_size, layer.strides, layer.padding)
    return None if found is None else (found, 'use downsampling="exact"')
