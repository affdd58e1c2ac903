"""Tries one operation on random inputs and on the same inputs turned."""

from __future__ import annotations

import keras
import numpy as np

from keras_gcnn import groups
from keras_gcnn.analysis.audit.channel_types import (
    ROTATIONS,
    Field,
    SteerableField,
    field_of,
    move_each,
    relative_error,
)
from keras_gcnn.analysis.audit.tokens import token_fields
from keras_gcnn.groups import Group
from keras_gcnn.groups.fields import Fields
from keras_gcnn.model_graph import own_group, unwrap

BATCH = 4
_TOLERANCE = 1e-4  # of the largest value, in float32; what is broken is off by far more


def _values(variables: list[keras.Variable]) -> list[tuple[keras.Variable, np.ndarray]]:
    """Variables with copies of their values."""
    return [(one, np.array(keras.ops.convert_to_numpy(one))) for one in variables]


def _assign(values: list[tuple[keras.Variable, np.ndarray]]) -> None:
    for variable, value in values:
        variable.assign(value)


def _steers(field: Field) -> bool:
    return isinstance(field, SteerableField)


class Traced:
    """Stands for a tensor: its shape with the batch, its channels, and the group it obeys.

    Args:
        shape: shape, batch included.
        fields: the fields as which it turns. More than one only if all its orientations are equal:
            then it is trivial and regular at once.
        group: the group under which it turns so.
        pooled_by: name of the layer that pooled a map and left its orientations, or None.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        fields: tuple[Field, ...],
        group: Group,
        pooled_by: str | None = None,
    ):
        self.shape = shape
        self.pooled_by = pooled_by
        self.fields = fields
        self.group = group

    def draw(self, generator: np.random.Generator, data_format: str) -> np.ndarray:
        """Random values that turn as all the fields."""
        x = generator.standard_normal(self.shape)
        for field in self.fields[1:]:
            moved = [field.permute(x, self.group, g, data_format) for g in range(self.group.order)]
            x = np.mean(moved, axis=0)
        return x.astype("float32")


class Trial:
    """One operation with its arguments, ready to be tried.

    Layers are tried as a float32 copy with random weights, so that no symmetry is an accident of
    fresh weights; one that cannot be copied gets random weights for the time of the trial. Use it
    in a `with` statement, which puts them back.

    Args:
        op: layer or operation.
        args, kwargs: its arguments, with `Traced` in the place of tensors.
        data_format: of the model.
        generator: for weights and inputs.
    """

    def __init__(self, op, args, kwargs, data_format: str, generator: np.random.Generator):
        self.op = op
        self.structure = (args, kwargs)
        self.leaves = keras.tree.flatten(self.structure)
        self.traced = [leaf for leaf in self.leaves if isinstance(leaf, Traced)]
        self.data_format = data_format
        self.generator = generator

    def __enter__(self) -> Trial:
        self.drawn = [
            leaf.draw(self.generator, self.data_format) if isinstance(leaf, Traced) else leaf
            for leaf in self.leaves
        ]
        self._kept: list = []
        if isinstance(self.op, keras.Layer):
            self._prepare()
        self.outputs = self._run(self.drawn, False)
        return self

    def __exit__(self, *exception) -> None:
        _assign(self._kept)

    def _prepare(self) -> None:
        args, kwargs = keras.tree.pack_sequence_as(self.structure, self.drawn)
        try:
            config = {**self.op.get_config(), "dtype": "float32"}
            if "equivariance" in config:
                config["equivariance"] = "ignore"
            twin = type(self.op).from_config(config)
            twin(*args, **kwargs)
            self.op = twin
        except Exception:  # of any kind: then the layer itself is tried
            self._kept = _values(self.op.variables)
        for variable in self.op.variables:
            if "float" in str(variable.dtype):
                drawn = self.generator.standard_normal(variable.shape)
                # Moving variances have to be positive.
                variable.assign(drawn if variable.trainable else np.abs(drawn) + 0.5)

    def _run(self, leaves, training: bool) -> list[np.ndarray]:
        args, kwargs = keras.tree.pack_sequence_as(self.structure, leaves)
        kept = []
        if isinstance(self.op, keras.Layer):
            # Said always: the layers that augment images do so unless they are told not to.
            kwargs = {**kwargs, "training": training}
            variables = self.op.variables if training else self.op.non_trainable_variables
            kept = _values(variables)
        try:
            outputs = self.op(*args, **kwargs)
        finally:
            # Some layers change their weights in a call, and all runs have to begin with the same.
            _assign(kept)
        self.output_structure = outputs
        return [keras.ops.convert_to_numpy(one) for one in keras.tree.flatten(outputs)]

    def _moved(self, held: Group, elements: list[int]) -> list:
        return [
            move_each(leaf.fields[0], x, held, elements, self.data_format)
            if isinstance(leaf, Traced)
            else x
            for leaf, x in zip(self.leaves, self.drawn, strict=True)
        ]

    def explain(self, group: Group) -> tuple[Group, list[tuple[Field, ...]]]:
        """The largest subgroup under which every output turns as some field, and those fields."""
        for held in groups.subgroups(group):
            fields = self.fields_under(held)
            if all(fields):
                return held, fields
        raise ValueError(f"{group.name} has no trivial subgroup among the known groups.")

    def fields_under(self, held: Group) -> list[tuple[Field, ...]]:
        """For each output, the fields as which it turns under a group; none if there is none."""
        found = [self._candidates(held, output) for output in self.outputs]
        if held.order == 1:
            return [tuple(fields[:1]) or (Field("invariant", held),) for fields in found]
        for elements, training in self._choices(held):
            turned = self._try_turned(held, elements, training)
            if turned is None:
                return [()]
            base = self._run(self.drawn, True) if training else self.outputs
            found = [
                [field for field in fields if self._turns(field, held, elements, *pair)]
                for fields, *pair in zip(found, base, turned, strict=True)
            ]
        # Trivial and regular at once means equal orientations; two regular fields are a chance.
        return [
            tuple(fields[:2])
            if fields and fields[0].type == "trivial" and output.ndim in (2, 4)
            else tuple(fields[:1])
            for fields, output in zip(found, self.outputs, strict=True)
        ]

    def _try_turned(self, held: Group, elements: list[int], training: bool):
        """What the operation makes of turned inputs, or None if it insists on another shape."""
        try:
            moved = self._moved(held, elements)
        except ValueError:  # turned images of different shapes make no batch
            return None
        try:
            return self._run(moved, training)
        except Exception:  # each backend has errors of its own
            # On inputs of the shapes that it was made for, an error is none of the turn's.
            if [np.shape(one) for one in moved] == [np.shape(one) for one in self.drawn]:
                raise
            return None

    def _candidates(self, held: Group, output: np.ndarray) -> list[Field]:
        fibres = [field.group for one in self.traced for field in one.fields if not _steers(field)]
        fibres = dict.fromkeys([own_group(self.op) or held, *fibres, held])
        shapes = [one.shape for one in self.traced]
        fields = [Field("trivial", held), *(Field("regular", one) for one in fibres)]
        if ROTATIONS.contains(held):
            met = [field.fields for one in self.traced for field in one.fields if _steers(field)]
            own = getattr(unwrap(self.op), "fields_out", None)
            joined = self._joined() if met else []
            kinds = dict.fromkeys([*([own] if isinstance(own, Fields) else []), *met, *joined])
            fields += [field_of(kind, ROTATIONS) for kind in kinds if kind.frequencies[-1] > 0]
        fields += [*token_fields([one.fields[0] for one in self.traced], shapes, fields)]
        fields.append(Field("invariant", held))
        return [
            field
            for field in fields
            if field.group.contains(held)
            and output.shape[:1] == (BATCH,)
            and field.fits(output.shape, self.data_format)
        ]

    def knows_the_axes(self) -> bool:
        """Whether the shapes of all outputs show how they turn with the image."""
        pictures = {one.shape[1:] for one in self.traced if len(one.shape) == 3}
        for one in self.traced:
            if len(one.shape) == 4:
                pictures |= {one.shape[1:3], one.shape[2:4]}  # of channels last, and first
        return all(
            output.ndim in (2, 4)
            or output.shape[1:] in pictures
            or any(one.type == "tokens" for one in self._candidates(groups.get("z2"), output))
            for output in self.outputs
        )

    def _joined(self) -> list[Fields]:
        """What all inputs, concatenated, consist of, if they do of fields."""
        axis = -1 if self.data_format == "channels_last" else 1
        parts = []
        for one in self.traced:
            first = one.fields[0]
            if first.type == "regular":
                return []
            parts.append(first.fields if _steers(first) else Fields.trivial(one.shape[axis]))
        try:
            return [sum(parts[1:], parts[0])]
        except ValueError:  # they are in an order that no fields have
            return []

    def _choices(self, held: Group):
        """Elements for the images of the batch, and whether to try in training."""
        for g in range(1, held.order):
            yield [g] * BATCH, False
        # No image may learn how the others are turned, least of all through batch statistics.
        mixed = [g % held.order for g in range(BATCH)]
        yield mixed, False
        variables = getattr(self.op, "non_trainable_variables", ())
        kinds = {"float" in str(variable.dtype) for variable in variables}
        if kinds == {True}:  # what is random in training cannot be compared
            yield mixed, True

    def _turns(self, field: Field, held: Group, elements, base, turned) -> bool:
        expected = move_each(field, base, held, elements, self.data_format)
        return relative_error(turned, expected) < _TOLERANCE
