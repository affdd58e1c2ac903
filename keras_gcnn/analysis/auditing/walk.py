"""Follows tensors through a model and tries each operation by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_gcnn import groups
from keras_gcnn.analysis.auditing.channel_types import ChannelType, channel_type_of
from keras_gcnn.analysis.auditing.remedies import remedy
from keras_gcnn.analysis.auditing.tokens import token_types
from keras_gcnn.analysis.auditing.trial import BATCH, Traced, Trial
from keras_gcnn.groups import Group
from keras_gcnn.layers import Restriction, SteerableRestriction
from keras_gcnn.model_graph import find_data_format, group_of, is_graph, run_graph

_RESTRICTIONS = (Restriction, SteerableRestriction)


@dataclass(frozen=True)
class Finding:
    """The result of the audit for one layer.

    Args:
        layer: name of the layer, with the names of the models around it.
        kind: name of its class.
        field: type of its output channels.
        group: the largest group under which this layer, by itself, is equivariant.
        shape: shape of its output, without the batch.
        problem: what is wrong, or None.
        fix: what to do about it, or None.
        error: the largest difference between the output for moved inputs and the moved output,
            relative to the largest value, under the group that the layer should keep. It is
            infinite if the layer does not take moved inputs, and None for a restriction, which is
            meant to leave a smaller group.
    """

    layer: str
    kind: str
    field: str
    group: str
    shape: tuple[int, ...]
    problem: str | None = None
    fix: str | None = None
    error: float | None = None


class Judgement(NamedTuple):
    """The verdict on one operation.

    Attributes:
        held: the largest group under which it is equivariant.
        after: the group with which the walk goes on.
        types: channel types of each output.
        problem: the problem and the fix, or None.
        error: the relative error under the group before it, or None.
    """

    held: Group
    after: Group
    types: Sequence[tuple[ChannelType, ...]]
    problem: tuple[str, str] | None = None
    error: float | None = None


class Walk:
    """One walk through a model, collecting findings.

    Args:
        model: the model.
        generator: for random weights and inputs.
    """

    def __init__(self, model: keras.Model, generator: np.random.Generator):
        self.data_format = find_data_format(model)
        self.generator = generator
        self.findings: list[Finding] = []

    def start(self, model: keras.Model, group: Group, shapes: list[tuple[int, ...]]) -> Group:
        """Walks through the whole model; returns the group that its outputs obey.

        Args:
            model: the model.
            group: the group that acts on its inputs.
            shapes: shapes of its inputs, without the batch.
        """
        images = ChannelType("trivial", group)
        inputs = [Traced((BATCH, *shape), (images,), group) for shape in shapes]
        outputs = keras.tree.flatten(self._model(model, inputs, ""))
        return _smallest(outputs).group

    def _model(self, model: keras.Model, inputs: list[Traced], prefix: str) -> Any:
        if isinstance(model, keras.Sequential):
            (traced,) = inputs
            for layer in model.layers:
                traced = self._follow(layer, prefix, (traced,), {})
            return traced

        def follow(op: keras.Operation) -> Callable:
            return lambda *args, **kwargs: self._follow(op, prefix, args, kwargs)

        return run_graph(model, inputs, follow)

    def _follow(self, op: keras.Operation, prefix: str, args: tuple, kwargs: dict[str, Any]) -> Any:
        """Tries one operation, records the finding, and returns its traced outputs."""
        trial = Trial(op, args, kwargs, self.data_format, self.generator)
        if is_graph(op):
            return self._model(op, trial.traced, f"{prefix}{op.name}/")
        before = _smallest(trial.traced)
        with trial:
            judge = self._judge_restriction if isinstance(op, _RESTRICTIONS) else self._judge
            held, after, types, broken, error = judge(op, before, trial)
        problem, fix = broken or (None, None)
        shapes = [output.shape for output in trial.outputs]
        pooled_by = next((traced.pooled_by for traced in trial.traced if traced.pooled_by), None)
        if before.types[0].name == "regular" and len(before.shape) == 4 and len(shapes[0]) == 2:
            pooled_by = op.name
        self.findings.append(
            Finding(
                prefix + op.name,
                type(op).__name__,
                str(types[0][0]),
                held.name,
                tuple(shapes[0][1:]),
                problem,
                fix,
                error,
            )
        )
        outputs = [
            Traced(shape, each, after, pooled_by if each[0].name == "regular" else None)
            for shape, each in zip(shapes, types, strict=True)
        ]
        return keras.tree.pack_sequence_as(trial.output_structure, outputs)

    def _judge(self, op: keras.Operation, before: Traced, trial: Trial) -> Judgement:
        held, types, error = trial.explain(before.group)
        if held == before.group:
            return Judgement(held, held, types, error=error)
        problem = remedy(op, before, held, trial.knows_the_axes())
        # After a layer on a smaller group the walk goes on with that group, after any other broken
        # layer as if it were mended.
        layer_group = group_of(op)
        if layer_group is not None and not layer_group.contains(before.group):
            return Judgement(held, held, types, problem, error)
        mended = [(self._mended(op, output.shape, before),) for output in trial.outputs]
        return Judgement(held, before.group, mended, problem, error)

    def _judge_restriction(
        self, op: Restriction | SteerableRestriction, before: Traced, trial: Trial
    ) -> Judgement:
        """Judges a restriction, which is meant to leave only the subgroup."""
        reads, makes = _types_of(op)
        if before.types[-1] == reads:
            smaller = groups.subgroups(before.group)
            target = next(subgroup for subgroup in smaller if makes.group.contains(subgroup))
            return Judgement(target, target, [(makes,)])
        if isinstance(op, SteerableRestriction):
            return self._judge(op, before, trial)
        held, types, error = trial.explain(before.group)
        problem = (
            f"made for feature maps on {op.group.name}, the input is {before.types[-1]}",
            "name the group of the layer before it",
        )
        return Judgement(held, held, types, problem, error)

    def _mended(self, op: keras.Operation, shape: tuple[int, ...], before: Traced) -> ChannelType:
        """Returns the type that the output of a broken layer would have if it were mended."""
        first = before.types[0]
        trivial = ChannelType("trivial", before.group)
        if first.name in ("steerable", "tokens") and first.fits(shape, self.data_format):
            return first
        if len(shape) not in (2, 4):
            tokens = token_types([first], [before.shape], [trivial])
            fitting = (t for t in tokens if t.fits(shape, self.data_format))
            return next(fitting, ChannelType("invariant", before.group))
        if first.name in ("steerable", "tokens"):
            return trivial
        regular = ChannelType("regular", first.group)
        if first.name == "trivial":
            regular = ChannelType("regular", group_of(op) or before.group)
        oriented = first.name == "regular" or "Conv" in type(op).__name__
        if len(shape) == 4 and oriented and regular.fits(shape, self.data_format):
            return regular
        return trivial


def _types_of(op: Restriction | SteerableRestriction) -> tuple[ChannelType, ChannelType]:
    """Returns the types of the channels that a restriction reads and makes."""
    if isinstance(op, Restriction):
        return ChannelType("regular", op.group), ChannelType("regular", op.subgroup)
    reads, makes = op.fields, op.fields_out
    return (
        channel_type_of(reads, reads.group.pixel_group),
        channel_type_of(makes, makes.group.pixel_group),
    )


def _smallest(traced: list[Traced]) -> Traced:
    """Returns the tensor that obeys the smallest group, which limits all tensors it is joined with.

    Of several, it is one whose channels are not trivial.
    """
    return min(traced, key=lambda tensor: (tensor.group.order, tensor.types[0].name == "trivial"))
