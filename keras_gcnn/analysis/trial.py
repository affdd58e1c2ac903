"""Tries one operation on random inputs and on the same inputs turned."""

from __future__ import annotations

import keras
import numpy as np

from keras_gcnn import groups
from keras_gcnn.analysis.fields import (
    ROTATIONS,
    Field,
    SteerableField,
    field_of,
    move_each,
    relative_error,
)
from keras_gcnn.analysis.models import own_group
from keras_gcnn.groups import Group
from keras_gcnn.groups.fields import Fields

BATCH = 4
_TOLERANCE = 1e-4  # of the largest value, in float32; what is broken is off by far more


def _steers(field: Field) -> bool:
    return isinstance(field, SteerableField)


class Traced:
    """Stands for a tensor: its shape with the batch, its channels, and the group it obeys.

    Args:
        shape: shape, batch included.
        fields: the fields as which it turns. More than one only if all its orientations are equal:
            then it is trivial and regular at once.
        group: the group under which it turns so.
    """

    def __init__(self, shape: tuple[int, ...], fields: tuple[Field, ...], group: Group):
        self.shape = shape
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
        for variable, value in self._kept:
            variable.assign(value)

    def _prepare(self) -> None:
        args, kwargs = keras.tree.pack_sequence_as(self.structure, self.drawn)
        try:
            config = {**self.op.get_config(), "dtype": "float32"}
            if "equivariance" in config:
                config["equivariance"] = "ignore"
            twin = type(self.op).from_config(config)
            twin(*args, **kwargs)
            self.op = twin
        except (TypeError, ValueError, NotImplementedError):
            variables = self.op.variables
            self._kept = [(one, keras.ops.convert_to_numpy(one)) for one in variables]
        for variable in self.op.variables:
            if "float" in str(variable.dtype):
                drawn = self.generator.standard_normal(variable.shape)
                # Moving variances have to be positive.
                variable.assign(drawn if variable.trainable else np.abs(drawn) + 0.5)

    def _run(self, leaves, training: bool) -> list[np.ndarray]:
        args, kwargs = keras.tree.pack_sequence_as(self.structure, leaves)
        if isinstance(self.op, keras.Layer):
            # Said always: the layers that augment images do so unless they are told not to.
            kwargs = {**kwargs, "training": training}
        outputs = self.op(*args, **kwargs)
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
            return [(Field("trivial", held),) for _ in self.outputs]
        for elements, training in self._choices(held):
            try:
                turned = self._run(self._moved(held, elements), training)
                base = self._run(self.drawn, True) if training else self.outputs
            except (TypeError, ValueError, RuntimeError):
                return [()]  # the operation insists on the shape that a turn changes
            found = [
                [field for field in fields if self._turns(field, held, elements, *pair)]
                for fields, *pair in zip(found, base, turned, strict=True)
            ]
        # Trivial and regular at once means equal orientations; two regular fields are a chance.
        return [
            tuple(fields[:2]) if fields and fields[0].type == "trivial" else tuple(fields[:1])
            for fields in found
        ]

    def _candidates(self, held: Group, output: np.ndarray) -> list[Field]:
        fibres = [field.group for one in self.traced for field in one.fields if not _steers(field)]
        fibres = dict.fromkeys([own_group(self.op) or held, *fibres, held])
        fields = [Field("trivial", held), *(Field("regular", one) for one in fibres)]
        if ROTATIONS.contains(held):
            met = [field.fields for one in self.traced for field in one.fields if _steers(field)]
            own = getattr(self.op, "fields_out", None)
            joined = self._joined() if met else []
            kinds = dict.fromkeys([*([own] if isinstance(own, Fields) else []), *met, *joined])
            fields += [field_of(kind, ROTATIONS) for kind in kinds if kind.frequencies[-1] > 0]
        return [
            field
            for field in fields
            if field.group.contains(held)
            and output.shape[:1] == (BATCH,)
            and field.fits(output.shape, self.data_format)
        ]

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
