"""Tries one operation on random inputs and on the same inputs rotated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_gcnn import groups
from keras_gcnn.analysis.auditing.candidates import candidate_types
from keras_gcnn.analysis.auditing.channel_types import ChannelType, move_each, relative_error
from keras_gcnn.analysis.precision import dtype_policy, in_float32, tolerance_of
from keras_gcnn.groups import Group
from keras_gcnn.model_graph import unwrap

BATCH = 4
TOLERANCE = 1e-4  # relative, or that of half precision; a broken layer differs by far more


Values = list[tuple[keras.Variable, np.ndarray]]


def _values(variables: list[keras.Variable]) -> Values:
    """Returns variables with copies of their values."""
    return [(variable, np.array(keras.ops.convert_to_numpy(variable))) for variable in variables]


def _assign(values: Values) -> None:
    for variable, value in values:
        variable.assign(value)


class Explanation(NamedTuple):
    """What an operation does to inputs that are moved.

    Attributes:
        held: the largest group under which all outputs have known types.
        types: the types of each output.
        error: the largest relative error under the whole group, infinite if the operation does not
            take the moved inputs.
    """

    held: Group
    types: list[tuple[ChannelType, ...]]
    error: float


class Traced:
    """Stands for a tensor during the walk.

    Args:
        shape: shape, batch included.
        types: types of its channels. There are two if all orientations are equal: then the tensor
            is trivial and regular at once.
        group: the largest group under which it has these types.
        pooled_by: name of the layer that pooled the positions of a map and kept its orientations,
            or None.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        types: tuple[ChannelType, ...],
        group: Group,
        pooled_by: str | None = None,
    ):
        self.shape = shape
        self.pooled_by = pooled_by
        self.types = types
        self.group = group

    def draw(self, generator: np.random.Generator, data_format: str) -> np.ndarray:
        """Returns random values that have all the types."""
        x = generator.standard_normal(self.shape)
        elements = range(self.group.order)
        for channel_type in self.types[1:]:
            moved = [channel_type.permute(x, self.group, g, data_format) for g in elements]
            x = np.mean(moved, axis=0)
        return x.astype("float32")


class Trial:
    """One operation with its arguments, ready to be tried.

    A layer is tried as a float32 copy with random weights, so that no symmetry is an accident of
    fresh weights. A layer that cannot be copied gets random weights itself; use the trial in a
    `with` statement, which restores them. A layer that is exact by construction keeps its weights.
    What computes in half precision all the same may differ by its rounding.

    Args:
        op: layer or operation.
        args, kwargs: its arguments, with `Traced` objects in place of tensors.
        data_format: data format of the model.
        generator: for weights and inputs.
    """

    def __init__(
        self,
        op: keras.Operation,
        args: tuple,
        kwargs: dict[str, Any],
        data_format: str,
        generator: np.random.Generator,
    ):
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
        self._original_values: Values = []
        exact = getattr(unwrap(self.op), "exact_by_construction", False)
        try:
            if isinstance(self.op, keras.Layer) and not exact:
                self._prepare()
            self.outputs = self._run(self.drawn, False)
        except BaseException:
            self.__exit__()  # which Python calls only after a successful entry
            raise
        self._tolerance = max(TOLERANCE, tolerance_of(self.op))
        return self

    def __exit__(self, *exception: object) -> None:
        _assign(self._original_values)

    def _prepare(self) -> None:
        args, kwargs = keras.tree.pack_sequence_as(self.structure, self.drawn)
        try:
            config = {**in_float32(self.op.get_config()), "dtype": "float32"}
            if "equivariance" in config:
                config["equivariance"] = "ignore"
            with dtype_policy("float32"):  # for layers that it makes by itself
                twin = type(self.op).from_config(config)
                twin(*args, **kwargs)
            self.op = twin
        except Exception:  # a constructor may raise anything; then the layer itself is tried
            self._original_values = _values(self.op.variables)
        for variable in self.op.variables:
            if "float" in str(variable.dtype):
                drawn = self.generator.standard_normal(variable.shape)
                # Moving variances have to be positive.
                variable.assign(drawn if variable.trainable else np.abs(drawn) + 0.5)

    def _run(self, leaves: list, training: bool) -> list[np.ndarray]:
        args, kwargs = keras.tree.pack_sequence_as(self.structure, leaves)
        values: Values = []
        if isinstance(self.op, keras.Layer):
            # Always passed, since layers that augment images do so by default.
            kwargs = {**kwargs, "training": training}
            variables = self.op.variables if training else self.op.non_trainable_variables
            values = _values(variables)
        try:
            outputs = self.op(*args, **kwargs)
        finally:
            # Some layers change their weights in a call, and all runs have to start from the same.
            _assign(values)
        self.output_structure = outputs
        return [keras.ops.convert_to_numpy(output) for output in keras.tree.flatten(outputs)]

    def _moved(self, held: Group, elements: list[int]) -> list:
        """Returns the inputs with an element of a group applied to each image of the batch."""
        return [
            move_each(leaf.types[0], x, held, elements, self.data_format)
            if isinstance(leaf, Traced)
            else x
            for leaf, x in zip(self.leaves, self.drawn, strict=True)
        ]

    def explain(self, group: Group) -> Explanation:
        """Finds the largest subgroup under which all outputs have known types."""
        for held in groups.subgroups(group):
            types, found = self.types_under(held)
            if held == group:
                error = found
            if all(types):
                return Explanation(held, types, error)
        raise ValueError(f"{group.name} has no trivial subgroup among the known groups.")

    def types_under(self, held: Group) -> tuple[list[tuple[ChannelType, ...]], float]:
        """Returns for each output the types that it has under a group, and the largest error.

        An output without types has an empty tuple. The error is that of the types that fit best.
        """
        candidates = [self._candidates(held, output) for output in self.outputs]
        if held.order == 1:
            invariant = ChannelType("invariant", held)
            return [tuple(types[:1]) or (invariant,) for types in candidates], 0.0
        errors = [[0.0] * len(types) for types in candidates]
        for elements, training in self._choices(held):
            moved_outputs = self._try_moved(held, elements, training)
            if moved_outputs is None:
                return [()], np.inf
            outputs = self._run(self.drawn, True) if training else self.outputs
            for of_output, types, output, moved_output in zip(
                errors, candidates, outputs, moved_outputs, strict=True
            ):
                for place, channel_type in enumerate(types):
                    if np.isinf(of_output[place]):
                        continue  # an output of another shape, which need not fit any element
                    expected = move_each(channel_type, output, held, elements, self.data_format)
                    error = relative_error(moved_output, expected)
                    of_output[place] = np.inf if np.isnan(error) else max(of_output[place], error)
        fitting = [
            _first_fitting(types, of_output, output, self._tolerance)
            for types, of_output, output in zip(candidates, errors, self.outputs, strict=True)
        ]
        return fitting, max(min(of_output, default=np.inf) for of_output in errors)

    def _try_moved(
        self, held: Group, elements: list[int], training: bool
    ) -> list[np.ndarray] | None:
        """Returns the outputs for moved inputs, or None if the operation refuses their shape."""
        try:
            moved = self._moved(held, elements)
        except ValueError:  # moved images of different shapes make no batch
            return None
        try:
            return self._run(moved, training)
        except Exception:  # each backend has errors of its own
            # If the shapes are unchanged, the error has another cause.
            if [np.shape(leaf) for leaf in moved] == [np.shape(leaf) for leaf in self.drawn]:
                raise
            return None

    def _candidates(self, held: Group, output: np.ndarray) -> list[ChannelType]:
        """Returns the channel types that an output may have by its shape."""
        inputs = [(traced.shape, traced.types) for traced in self.traced]
        return [
            channel_type
            for channel_type in candidate_types(self.op, inputs, held, self.data_format)
            if channel_type.group.contains(held)
            and output.shape[:1] == (BATCH,)
            and channel_type.fits(output.shape, self.data_format)
        ]

    def knows_the_axes(self) -> bool:
        """Whether the shapes of all outputs show how they rotate with the image."""
        planes = {traced.shape[1:] for traced in self.traced if len(traced.shape) == 3}
        for traced in self.traced:
            if len(traced.shape) == 4:
                # Rows and columns with channels last, and with channels first.
                planes |= {traced.shape[1:3], traced.shape[2:4]}
        return all(
            output.ndim in (2, 4)
            or output.shape[1:] in planes
            or any(t.name == "tokens" for t in self._candidates(groups.get("z2"), output))
            for output in self.outputs
        )

    def _choices(self, held: Group) -> Iterator[tuple[list[int], bool]]:
        """Yields the elements for the images of the batch, and whether to run in training."""
        for g in range(1, held.order):
            yield [g] * BATCH, False
        # The output for an image must not depend on the elements of others, as by batch statistics.
        mixed = [g % held.order for g in range(BATCH)]
        yield mixed, False
        variables = getattr(self.op, "non_trainable_variables", ())
        are_floats = {"float" in str(variable.dtype) for variable in variables}
        if are_floats == {True}:  # others hold the state of a random generator
            yield mixed, True


def _first_fitting(
    types: list[ChannelType], errors: list[float], output: np.ndarray, tolerance: float
) -> tuple[ChannelType, ...]:
    """Returns the first type whose error is small, or two; empty if there is none."""
    fitting = [each for each, error in zip(types, errors, strict=True) if error < tolerance]
    # Trivial and regular at once means equal orientations; two regular types are a coincidence.
    both = fitting and fitting[0].name == "trivial" and output.ndim in (2, 4)
    return tuple(fitting[: 2 if both else 1])
