"""What the builders share: from a description and the user's arguments to a model."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import keras

from keras_gcnn import groups
from keras_gcnn.arguments import as_counts, check_choice, check_count, check_flag
from keras_gcnn.layers import EquivarianceWarning
from keras_gcnn.layers.common.base import SizeDependent, frames_to_caller
from keras_gcnn.layers.common.stock_in_graphs import Rescaling
from keras_gcnn.zoo.assembly import Assembly, Maps
from keras_gcnn.zoo.budget import choose_widths
from keras_gcnn.zoo.published import by_stage
from keras_gcnn.zoo.weights import load_weights

HEADS = ("invariant", "orientations", "flatten")
KINDS = ("full", "g", "gc")
DOWNSAMPLING = ("exact", "stride")

Body = Callable[[Assembly, Maps, tuple[int, ...]], Maps]
Top = Callable[[Assembly, Maps, int, str, str | None], Maps]


@dataclass(frozen=True)
class Architecture:
    """A network without its group and its size.

    Attributes:
        name: of the builder.
        stages: names of the stages, in order, after each of which equivariance can stop.
        widths: channels of an ordinary network, one per width.
        stage_of: for every width, the stage whose convolutions it counts.
        body: adds everything from pixels to the features.
        top: adds the head and what follows, up to the logits; given the number of classes, the
            head and the activation.
        scale, offset: of the pixels: `scale * pixel + offset` is what the body sees.
        smallest: rows and columns that the network needs at least.
        counts_channels: whether the last width counts channels, not fields, under a head that
            keeps the orientations: an ordinary network has as many features there.
    """

    name: str
    stages: tuple[str, ...]
    widths: tuple[int, ...]
    stage_of: tuple[str, ...]
    body: Body
    top: Top
    scale: float
    offset: float
    smallest: int
    counts_channels: bool = False


def check_shape(
    input_shape: Sequence[int], data_format: str, smallest: int
) -> tuple[int, int, int]:
    """Returns rows, columns and channels of an input shape, or raises a `ValueError`."""
    sizes = as_counts(input_shape)
    if len(sizes) != 3 or None in sizes:
        raise ValueError(
            f"input_shape={input_shape} has to be three positive integers, e.g. (28, 28, 1)."
        )
    channels, *spatial = sizes if data_format == "channels_first" else (sizes[2], *sizes[:2])
    if min(spatial) < smallest:
        raise ValueError(
            f"input_shape={input_shape}, read as {data_format}, is too small: this network needs "
            f"at least {smallest} rows and columns."
        )
    return spatial[0], spatial[1], channels


def find_subgroups(
    group: groups.Group,
    stages: Sequence[str],
    restrict_after: str | int | Mapping[str | int, str | groups.Group] | None,
) -> dict[str, groups.Group]:
    """Reads `restrict_after`.

    Args:
        group: at the first stage.
        stages: names of the stages, in order.
        restrict_after: see the builders.

    Returns:
        dict from stages to the subgroup that is left after them, in the order of the stages.

    Raises:
        ValueError: for an unknown stage, a group that is no subgroup of the one before, or what
            names no stages at all.
    """
    restrict_after = by_stage(restrict_after)
    unknown = [stage for stage in restrict_after if stage not in stages]
    if unknown:
        raise ValueError(
            f"restrict_after={restrict_after} names the stage {unknown[0]!r}. The stages of "
            f"this network are {', '.join(stages)}."
        )
    found = {}
    for stage in stages:
        if stage in restrict_after:
            subgroup = groups.get(restrict_after[stage])
            if not group.contains(subgroup):
                names = ", ".join(one.name for one in groups.subgroups(group))
                raise ValueError(
                    f"restrict_after={restrict_after}: {subgroup.name} is no subgroup of "
                    f"{group.name}, the group of stage {stage!r}. Choose one of {names}."
                )
            found[stage] = group = subgroup
    return found


def build(
    architecture: Architecture,
    group: str | groups.Group,
    input_shape: Sequence[int],
    classes: int,
    widths: Sequence[int] | None,
    parameters: int | None,
    head: str,
    *,
    convolution: str,
    restrict_after: str | int | Mapping[str | int, str | groups.Group] | None,
    downsampling: str = "exact",
    include_top: bool,
    classifier_activation: str | None,
    weights: str | os.PathLike | None,
    data_format: str | None,
    name: str | None,
) -> keras.Model:
    """Builds a network of the zoo; the arguments are those of its builders.

    Raises:
        ValueError: see `builder.ARGUMENTS`.
    """
    group = groups.get(group)
    classes = check_count("classes", classes)
    include_top = check_flag("include_top", include_top)
    check_choice("head", head, HEADS)
    check_choice("convolution", convolution, KINDS)
    check_choice("downsampling", downsampling, DOWNSAMPLING)
    data_format = data_format or keras.config.image_data_format()
    *sizes, channels = check_shape(input_shape, data_format, architecture.smallest)
    subgroups = find_subgroups(group, architecture.stages, restrict_after)

    def assemble(widths: tuple[int, ...], pixels=None) -> tuple[Assembly, Maps]:
        net = Assembly(group, convolution, subgroups, downsampling, data_format)
        features = architecture.body(net, Maps(channels, None, tuple(sizes), pixels), widths)
        if include_top:
            features = architecture.top(net, features, classes, head, classifier_activation)
        return net, features

    ratio = _ratio(architecture, group, subgroups, head)
    widths = choose_widths(lambda widths: assemble(widths)[0].parameters, ratio, widths, parameters)

    inputs = keras.Input(tuple(map(int, input_shape)), name="image")
    pixels = Rescaling(architecture.scale, architecture.offset, name="normalization")(inputs)
    _, outputs = assemble(widths, pixels)
    model = keras.Model(
        inputs,
        outputs.tensor,
        name=name or "_".join([architecture.name, group.name, convolution]).removesuffix("_full"),
    )
    model.widths, model.stages = widths, architecture.stages
    _warn_of_broken(model)
    return load_weights(model, weights)


def _warn_of_broken(model: keras.Model) -> None:
    """Says once if strides break the equivariance, instead of once a layer."""
    broken = [
        layer.name
        for layer in model.layers
        if isinstance(layer, SizeDependent) and layer.equivariance_problem(layer.input.shape)
    ]
    if broken:
        warnings.warn(
            f"{model.name} is not equivariant: strides break it in {', '.join(broken)} at this "
            'size of the image. To fix: use downsampling="exact".',
            EquivarianceWarning,
            stacklevel=frames_to_caller(),
        )


def _ratio(
    architecture: Architecture,
    group: groups.Group,
    subgroups: Mapping[str, groups.Group],
    head: str,
) -> list[float]:
    """Fields per width that keep the number of weights about equal for every group.

    A convolution on a group has `|G|` times the weights of an ordinary one of as many fields.
    """
    current, orders = group, {}
    for stage in architecture.stages:
        orders[stage] = current.order
        current = subgroups.get(stage, current)
    ratio = [
        width / orders[stage] ** 0.5
        for width, stage in zip(architecture.widths, architecture.stage_of, strict=True)
    ]
    if architecture.counts_channels and head != "invariant":
        order = orders[architecture.stage_of[-1]]
        ratio = [*architecture.widths[:-1], architecture.widths[-1] / order]
    return ratio
