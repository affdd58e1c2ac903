"""Follows tensors through a model and tries every operation by itself."""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np

from keras_gcnn import groups
from keras_gcnn.analysis.audit.channel_types import Field
from keras_gcnn.analysis.audit.remedies import remedy
from keras_gcnn.analysis.audit.tokens import token_fields
from keras_gcnn.analysis.audit.trial import BATCH, Traced, Trial
from keras_gcnn.groups import Group
from keras_gcnn.layers import Restriction
from keras_gcnn.model_graph import find_data_format, is_graph, own_group, run_graph


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
            group: under which its inputs may turn.
            shapes: of its inputs, without the batch.
        """
        field = Field("trivial", group)
        inputs = [Traced((BATCH, *shape), (field,), group) for shape in shapes]
        outputs = keras.tree.flatten(self._model(model, inputs, ""))
        return _smallest(outputs).group

    def _model(self, model: keras.Model, inputs: list[Traced], prefix: str):
        if isinstance(model, keras.Sequential):
            (traced,) = inputs
            for layer in model.layers:
                traced = self._follow(layer, prefix, (traced,), {})
            return traced

        def operation(op):
            return lambda *args, **kwargs: self._follow(op, prefix, args, kwargs)

        return run_graph(model, inputs, operation)

    def _follow(self, op, prefix: str, args, kwargs):
        """Tries one operation, notes the finding, and returns its traced outputs."""
        trial = Trial(op, args, kwargs, self.data_format, self.generator)
        if is_graph(op):
            return self._model(op, trial.traced, f"{prefix}{op.name}/")
        before = _smallest(trial.traced)
        with trial:
            judge = self._judge_restriction if isinstance(op, Restriction) else self._judge
            held, after, fields, trouble = judge(op, before, trial)
        shapes = [output.shape for output in trial.outputs]
        pooled_by = next((one.pooled_by for one in trial.traced if one.pooled_by), None)
        if before.fields[0].type == "regular" and len(before.shape) == 4 and len(shapes[0]) == 2:
            pooled_by = op.name
        self.findings.append(
            Finding(
                prefix + op.name,
                type(op).__name__,
                str(fields[0][0]),
                held.name,
                tuple(shapes[0][1:]),
                *(trouble or ()),
            )
        )
        outputs = [
            Traced(shape, one, after, pooled_by if one[0].type == "regular" else None)
            for shape, one in zip(shapes, fields, strict=True)
        ]
        return keras.tree.pack_sequence_as(trial.output_structure, outputs)

    def _judge(self, op, before: Traced, trial: Trial):
        """The group a layer holds, the one to go on with, its outputs' fields, and the trouble."""
        held, fields = trial.explain(before.group)
        if held == before.group:
            return held, held, fields, None
        trouble = remedy(op, before, held, trial.knows_the_axes())
        # A layer on a smaller group keeps that group; any other is taken as if mended.
        own = own_group(op)
        if own is not None and not own.contains(before.group):
            return held, held, fields, trouble
        mended = [(self._mended(op, one.shape, before),) for one in trial.outputs]
        return held, before.group, mended, trouble

    def _judge_restriction(self, op: Restriction, before: Traced, trial: Trial):
        """Likewise for a restriction, which is there to leave only the subgroup."""
        target = next(one for one in groups.subgroups(before.group) if op.subgroup.contains(one))
        wanted = Field("regular", op.subgroup)
        if before.fields[-1] == Field("regular", op.group):
            return target, target, [(wanted,)], None
        held, fields = trial.explain(before.group)
        trouble = (
            f"made for feature maps on {op.group.name}, the input is {before.fields[-1]}",
            "name the group of the layer before it",
        )
        return held, held, fields, trouble

    def _mended(self, op, shape: tuple[int, ...], before: Traced) -> Field:
        """What the output of a broken layer would be, were it mended."""
        first = before.fields[0]
        trivial = Field("trivial", before.group)
        if first.type in ("steerable", "tokens") and first.fits(shape, self.data_format):
            return first
        if len(shape) not in (2, 4):
            tokens = token_fields([first], [before.shape], [trivial])
            fitting = (one for one in tokens if one.fits(shape, self.data_format))
            return next(fitting, Field("invariant", before.group))
        if first.type in ("steerable", "tokens"):
            return trivial
        regular = Field("regular", before.fields[0].group)
        if before.fields[0].type == "trivial":
            regular = Field("regular", own_group(op) or before.group)
        oriented = before.fields[0].type == "regular" or "Conv" in type(op).__name__
        if len(shape) == 4 and oriented and regular.fits(shape, self.data_format):
            return regular
        return trivial


def _smallest(traced: list[Traced]) -> Traced:
    """The tensor that obeys the smallest group, which decides for all that meet it.

    Of several, one whose channels turn.
    """
    return min(traced, key=lambda one: (one.group.order, one.fields[0].type == "trivial"))
