"""Both sides of `f(g x) = g f(x)`, computed for a layer or model and the elements of a group."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_gcnn import groups
from keras_gcnn.analysis.auditing.channel_types import (
    RANKS,
    TYPES,
    ChannelType,
    channel_type_of,
    move_each,
    relative_error,
)
from keras_gcnn.analysis.calling import function_of, name_of
from keras_gcnn.arguments import check_choice
from keras_gcnn.groups.fields import Fields
from keras_gcnn.layers.common.lineage_walk import lineage
from keras_gcnn.model_graph import (
    first_data_format,
    fitting_group,
    group_of,
    group_to_test,
    is_graph,
)
from keras_gcnn.types import GroupLike


@dataclass(frozen=True)
class BothSides:
    """Both sides of `f(g x) = g f(x)` for a batch x.

    Args:
        group: the group that acts.
        data_format: `"channels_last"` or `"channels_first"`.
        inputs: the batch x.
        outputs: f(x).
        input_type: type of the channels of x.
        output_types: the types that the channels of f(x) may have.
        trials: for the name of each trial the elements that act on the images of the batch.
        outputs_of_moved: f(g x) for the name of each trial.
    """

    group: groups.Group
    data_format: str
    inputs: np.ndarray
    outputs: np.ndarray
    input_type: ChannelType
    output_types: Sequence[ChannelType]
    trials: Mapping[str, Sequence[int]]
    outputs_of_moved: Mapping[str, np.ndarray]

    def moved_inputs(self, trial: str) -> np.ndarray:
        """Returns g x."""
        return move_each(
            self.input_type, self.inputs, self.group, self.trials[trial], self.data_format
        )

    def moved_outputs(self, trial: str, output_type: ChannelType) -> np.ndarray:
        """Returns g f(x), where the channels of f(x) have this type."""
        return move_each(
            output_type, self.outputs, self.group, self.trials[trial], self.data_format
        )

    def errors(self, output_type: ChannelType) -> dict[str, float]:
        """Returns the relative difference of both sides for each trial."""
        if len(self.outputs) != len(self.inputs):  # the images of the batch were mixed
            return dict.fromkeys(self.trials, float("inf"))
        if not np.isfinite(self.outputs).all():
            return dict.fromkeys(self.trials, float("nan"))
        return {trial: self._error(trial, output_type) for trial in self.trials}

    def _error(self, trial: str, output_type: ChannelType) -> float:
        try:
            moved_outputs = self.moved_outputs(trial, output_type)
        except ValueError:  # outputs that were no maps have different shapes when they are rotated
            return float("inf")
        return relative_error(self.outputs_of_moved[trial], moved_outputs)

    def best_type(self) -> tuple[ChannelType, dict[str, float]]:
        """Returns the type of the output with the smallest errors, and the errors."""
        by_type = [(each, self.errors(each)) for each in self.output_types]
        return min(by_type, key=lambda pair: max(pair[1].values()))


def compute_both_sides(
    target: Callable,
    group: groups.Group,
    inputs: np.ndarray,
    *,
    input_type: str | Fields | None = None,
    output_type: str | Fields | None = None,
    data_format: str | None = None,
    training: bool = False,
    seed: int = 0,
    elements: Sequence[int] | None = None,
) -> BothSides:
    """Calls a layer or model on a batch and on the batch moved by elements of a group.

    Args:
        target: layer, model or function; this and the others as of `equivariance_error`.
        group: the group that acts.
        inputs: the batch.
        input_type: type of the channels of the inputs.
        output_type: type of the channels of the outputs.
        data_format: of inputs and outputs.
        training: bool, whether to call with `training=True`.
        seed: int, seed of the elements of the entry `"mixed"`.
        elements: indices of the elements to try; None for all, and for the entry `"mixed"`, in
            which each image has its own element.

    Raises:
        ValueError: as `equivariance_error`.
    """
    if data_format is not None:
        check_choice("data_format", data_format, ("channels_last", "channels_first"))
    known_format = data_format or first_data_format(target)
    data_format = known_format or keras.config.image_data_format()
    _check_square(target, group, inputs, data_format)
    _check_rank("input", inputs)
    evaluate = function_of(target, training)
    outputs = evaluate(inputs)  # builds a layer, which may know the fields of its output only then
    _check_rank("output", outputs)
    input_type, output_type = _find_types(target, group, input_type, output_type)
    for name, channels, array in (("input", input_type, inputs), ("output", output_type, outputs)):
        if isinstance(channels, Fields):
            _check_fields(name, channels, group, array, data_format)
    if not outputs.any():
        raise ValueError("The output is zero everywhere, which shows nothing. Give other inputs.")
    if elements is None:
        trials = _trials(group, inputs, data_format, seed, training)
    else:
        trials = {group.elements[g]: [g] * len(inputs) for g in elements}
    channel_type = channel_type_of(input_type, group)
    try:
        outputs_of_moved = {
            name: evaluate(move_each(channel_type, inputs, group, each, data_format))
            for name, each in trials.items()
        }
    except (ValueError, RuntimeError) as error:
        if known_format:
            raise
        raise ValueError(
            f"{getattr(target, 'name', type(target).__name__)} accepts inputs of shape "
            f"{inputs.shape}, but not when they are rotated. They were read as {data_format}, "
            "since the target has no data format. Give data_format, 'channels_first' or "
            "'channels_last'."
        ) from error
    output_types = _fitting_types(output_type, group, outputs, data_format)
    return BothSides(
        group, data_format, inputs, outputs, channel_type, output_types, trials, outputs_of_moved
    )


def find_group(target: Callable, group: GroupLike | None) -> groups.Group:
    """Returns the group, by default that of the layer or the largest of the model's layers.

    Raises:
        ValueError: if there is none, or none of that name.
    """
    if group is None:
        group = group_to_test(target)
    if group is None:
        raise ValueError(
            f'{type(target).__name__} does not belong to a group. Give one, e.g. group="p4".'
        )
    return groups.get(group)


def _find_types(
    target: Callable,
    group: groups.Group,
    input_type: str | Fields | None,
    output_type: str | Fields | None,
) -> tuple[str | Fields, str | Fields | None]:
    """Returns the types of the channels, by default those that the layer or model knows."""
    if input_type is None:
        reads_fibres = group_of(target) is not None and not getattr(target, "lifting", False)
        layer_fields = getattr(target, "fields_in", None)
        input_type = layer_fields or ("regular" if reads_fibres else "trivial")
    if output_type is None:
        output_type = getattr(target, "fields_out", None) or _fields_of_output(target, group)
    names = (*TYPES, "vectors")
    for argument, value, allowed in (
        ("input_type", input_type, names),
        ("output_type", output_type, (*names, "invariant")),
    ):
        if value is not None and not isinstance(value, Fields) and value not in allowed:
            raise ValueError(
                f"{argument}={value!r} is unknown. Choose one of {', '.join(allowed)}, or give "
                "Fields."
            )
    return input_type, output_type


def _fields_of_output(target: Any, group: groups.Group) -> Fields | None:
    """Returns the fields in which a functional model ends, if they know a group, or None."""
    if not (is_graph(target) and target.built and len(target.outputs) == 1):
        return None
    channels = lineage(target.outputs[0]).channels
    if isinstance(channels, Fields) and channels.group.pixel_group.contains(group):
        return channels
    return None


def _check_fields(
    what: str, fields: Fields, group: groups.Group, array: np.ndarray, data_format: str
) -> None:
    """Raises a `ValueError` unless an array can be fields that know all elements of a group."""
    exact = fields.group.pixel_group
    if not (fields.is_trivial or exact.contains(group)):
        raise ValueError(
            f"The {what} is {fields!r}, and {group.name} is not in {fields.group}, their group. "
            f"Give group={exact.name!r}, its elements that move pixels to pixels."
        )
    if not channel_type_of(fields, group).fits(array.shape, data_format):
        raise ValueError(
            f"The {what} has shape {array.shape}, and {fields!r} have {fields.channels} channels. "
            f"Give other Fields as {what}_type, or leave it out."
        )


def _trials(
    group: groups.Group, x: np.ndarray, data_format: str, seed: int, training: bool
) -> dict[str, list[int]]:
    """Returns for each trial the elements that act on the images of the batch."""
    trials = {name: [g] * len(x) for g, name in enumerate(group.elements)}
    if fitting_group(group, x.shape, data_format) == group:
        drawn = np.random.default_rng(seed).integers(group.order, size=len(x))
        trials["mixed"] = drawn.tolist()
    elif training:
        raise ValueError(
            f"Images of shape {x.shape[1:]} that are rotated differently do not fit into one "
            "batch. Use square images with training=True."
        )
    return trials


def _fitting_types(
    output_type: str | Fields | None, group: groups.Group, y: np.ndarray, data_format: str
) -> list[ChannelType]:
    """Returns the given type of the output, or all types, as far as its shape allows them.

    An array that does not change may have any shape. Without a type only one of three axes is taken
    for such an array: maps rotate, and features, which have no positions, are trivial.
    """
    if output_type == "invariant":
        return [channel_type_of(output_type, group)]
    names = (output_type,) if output_type else (*TYPES, "invariant")
    types = [channel_type_of(name, group) for name in names]
    types = [channel_type for channel_type in types if channel_type.fits(y.shape, data_format)]
    if not types:
        if output_type == "vectors":
            raise ValueError(
                f"The output has shape {y.shape}, whose channels are no pairs: it holds no "
                'vectors. Use output_type="trivial".'
            )
        raise ValueError(
            f"The output has shape {y.shape}, whose channels are no multiple of {group.order}: it "
            f'is not regular on {group.name}. Use output_type="trivial".'
        )
    return types


def _check_square(target: Callable, group: groups.Group, x: np.ndarray, data_format: str) -> None:
    """Raises a `ValueError` if rotated images would not fit into a model of a fixed size."""
    shape = getattr(target, "input_shape", None) if isinstance(target, keras.Model) else None
    if not shape or None in shape[1:] or fitting_group(group, x.shape, data_format) == group:
        return
    raise ValueError(
        f"{name_of(target)} takes images of shape {shape[1:]}, which do not fit into it any more "
        f"when {group.name} rotates them. Use square images, or a group without quarter turns, "
        "e.g. 'pmm'."
    )


def _check_rank(what: str, array: np.ndarray) -> None:
    if array.ndim not in RANKS:
        raise ValueError(
            f"The {what} has shape {array.shape}. It has to be a batch of images, "
            "(batch, rows, columns, channels), or of features, (batch, channels)."
        )
