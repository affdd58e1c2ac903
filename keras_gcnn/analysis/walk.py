"""Follows tensors through a model and measures every operation by itself."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import keras
import numpy as np

from keras_gcnn import groups
from keras_gcnn.analysis.fields import TYPES, Field, move_each, relative_error
from keras_gcnn.analysis.remedies import remedy
from keras_gcnn.groups import Group
from keras_gcnn.layers import Restriction

_TOLERANCE = 1e-4  # of the largest value, in float32; what is broken is off by far more
_BATCH = 4


@dataclass(frozen=True)
class Finding:
    """What the audit found about one layer.

    Args:
        layer: name of the layer, with the names of the models around it.
        kind: name of its class.
        field: what its output channels are.
        group: the largest group under which this layer, by itself, is equivariant.
        shape: shape of its output, without the batch.
        problem: what is wrong, or None.
        fix: what to do about it, or None.
    """

    layer: str
    kind: str
    field: str
    group: str
    shape: tuple[int, ...]
    problem: str | None = None
    fix: str | None = None


@dataclass(frozen=True)
class Traced:
    """Stands for a tensor: its shape with the batch, its channels, and the group it obeys."""

    shape: tuple[int, ...]
    field: Field
    group: Group

    @classmethod
    def image(cls, shape: tuple[int | None, ...], group: Group) -> Traced:
        """An input of the model."""
        return cls((_BATCH, *shape[1:]), Field("trivial", group), group)


def all_layers(model: keras.Model) -> Iterator[keras.Layer]:
    """The layers of a model and of the models inside it."""
    for layer in model.layers:
        yield layer
        if isinstance(layer, keras.Model):
            yield from all_layers(layer)


class Walk:
    """One walk through a model, collecting findings.

    Args:
        model: the model; its layers say where the channels are.
        generator: for random weights and inputs.
    """

    def __init__(self, model: keras.Model, generator: np.random.Generator):
        formats = (getattr(layer, "data_format", None) for layer in all_layers(model))
        self.data_format = next(filter(None, formats), keras.config.image_data_format())
        self.generator = generator
        self.findings: list[Finding] = []

    def model(self, model: keras.Model, inputs: list[Traced], prefix: str = ""):
        """Follows tensors through a model and returns its traced outputs."""
        if isinstance(model, keras.Sequential):
            (traced,) = inputs
            for layer in model.layers:
                traced = self._follow(layer, prefix, (traced,), {})
            return traced

        def operation(op):
            return lambda *args, **kwargs: self._follow(op, prefix, args, kwargs)

        # Keras has no public walk over a graph; its own cloning of models uses this one.
        return model._run_through_graph(inputs, operation_fn=operation)

    def _follow(self, op, prefix: str, args, kwargs):
        """Measures one operation, notes the finding, and returns its traced output."""
        call = _Call(op, args, kwargs, self.data_format, self.generator)
        if isinstance(op, keras.Model):
            return self.model(op, call.traced, f"{prefix}{op.name}/")
        before = min(call.traced, key=lambda one: one.group.order)
        held, field = call.explain(before.group)
        shape = call.output_shape
        problem = fix = None
        after = held, field
        if held.order < before.group.order and not isinstance(op, Restriction):
            problem, fix = remedy(op, before.shape, before.field, before.group, held)
            # A layer on a smaller group keeps that group; any other is taken as if mended.
            if getattr(op, "group", before.group) == before.group:
                after = before.group, self._mended(op, shape, before)
        self.findings.append(
            Finding(
                prefix + op.name,
                type(op).__name__,
                str(after[1]),
                held.name,
                tuple(shape[1:]),
                problem,
                fix,
            )
        )
        return Traced(shape, after[1], after[0])

    def _mended(self, op, shape: tuple[int, ...], before: Traced) -> Field:
        """What the output of a broken layer would be, were it mended."""
        regular = Field("regular", before.group)
        oriented = before.field.type == "regular" or "Conv" in type(op).__name__
        if len(shape) == 4 and oriented and regular.fits(shape, self.data_format):
            return regular
        return Field("trivial", before.group)


class _Call:
    """One operation with its arguments, ready to be tried on random inputs."""

    def __init__(self, op, args, kwargs, data_format: str, generator: np.random.Generator):
        self.structure = (args, kwargs)
        self.leaves = keras.tree.flatten(self.structure)
        self.traced = [leaf for leaf in self.leaves if isinstance(leaf, Traced)]
        self.data_format = data_format
        self.generator = generator
        self.drawn = [
            generator.standard_normal(leaf.shape).astype("float32")
            if isinstance(leaf, Traced)
            else leaf
            for leaf in self.leaves
        ]
        if isinstance(op, keras.Model):
            return
        self.op = self._twin(op)
        self.output = self._run(self.drawn)
        self.output_shape = self.output.shape

    def _twin(self, op):
        """A float32 copy of a layer with random weights, so that no symmetry is an accident."""
        if not isinstance(op, keras.Layer):
            return op
        try:
            twin = type(op).from_config({**op.get_config(), "dtype": "float32"})
            args, kwargs = keras.tree.pack_sequence_as(self.structure, self.drawn)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                twin(*args, **kwargs)
        except (TypeError, ValueError, NotImplementedError):
            return op  # a layer that cannot be copied is measured as it is
        for variable in twin.variables:
            if "float" in str(variable.dtype):
                drawn = self.generator.standard_normal(variable.shape)
                # Moving variances have to be positive.
                variable.assign(drawn if variable.trainable else np.abs(drawn) + 0.5)
        return twin

    def _run(self, leaves, **options) -> np.ndarray:
        args, kwargs = keras.tree.pack_sequence_as(self.structure, leaves)
        outputs = self.op(*args, **kwargs, **options)
        return keras.ops.convert_to_numpy(keras.tree.flatten(outputs)[0])

    def _moved(self, group: Group, elements: list[int]) -> list:
        """The drawn inputs, with every image of the batch turned by its own element."""
        return [
            move_each(leaf.field, x, group, elements, self.data_format)
            if isinstance(leaf, Traced)
            else x
            for leaf, x in zip(self.leaves, self.drawn, strict=True)
        ]

    def explain(self, group: Group) -> tuple[Group, Field]:
        """The largest subgroup under which the output turns as some field does, and that field."""
        for held in groups.subgroups(group):
            for name in TYPES:
                field = Field(name, held)
                if field.fits(self.output_shape, self.data_format) and self._holds(held, field):
                    return held, field
        raise AssertionError("unreachable: every output is a trivial field of z2")

    def _holds(self, held: Group, field: Field) -> bool:
        trials = [([g] * _BATCH, {}) for g in range(1, held.order)]
        if held.order > 1 and self._has_statistics():
            # Neither half of the batch may learn how the other is turned.
            trials.append(([g % held.order for g in range(1, _BATCH + 1)], {"training": True}))
        for elements, options in trials:
            base = self._run(self.drawn, **options) if options else self.output
            try:
                found = self._run(self._moved(held, elements), **options)
            except (TypeError, ValueError, RuntimeError):
                return False  # the operation insists on the shape that a turn changes
            expected = move_each(field, base, held, elements, self.data_format)
            if not relative_error(found, expected, float(np.abs(base).max())) < _TOLERANCE:
                return False
        return True

    def _has_statistics(self) -> bool:
        variables = getattr(self.op, "non_trainable_variables", ())
        return any("float" in str(variable.dtype) for variable in variables)
