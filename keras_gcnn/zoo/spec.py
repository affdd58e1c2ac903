"""Descriptions of the networks on groups, and the options that their builders share."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from keras_gcnn.arguments import all_counts
from keras_gcnn.types import GroupLike, RestrictAfter
from keras_gcnn.zoo.graph_builder import GraphBuilder, Maps

HEADS = ("invariant", "orientations", "flatten")
CONVOLUTIONS = ("full", "g", "gc")
DOWNSAMPLING = ("exact", "stride")

Body = Callable[[GraphBuilder, Maps, tuple[int, ...]], Maps]
Top = Callable[[GraphBuilder, Maps, int, str, str | None], Maps]


@dataclass(frozen=True)
class Architecture:
    """A network whose group and size are still open.

    Attributes:
        name: name of the builder.
        stages: names of the stages, in order; the equivariance can be restricted after each.
        widths: channels of an ordinary network, one number per width.
        stage_of: for every width, the stage that contains its convolutions.
        body: adds all layers from the pixels to the features.
        top: adds the head and the layers after it up to the logits, given the number of classes,
            the head and the activation.
        scale, offset: the body receives `scale * pixel + offset`.
        smallest: the smallest number of rows and columns of an image.
        counts_channels: whether the last width counts channels instead of fields under a head that
            keeps the orientations, so that it yields as many features as in an ordinary network.
        head: the head where the options leave it open.
        downsampling: the downsampling where the options leave it open.
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
    head: str = "invariant"
    downsampling: str = "exact"


@dataclass(frozen=True)
class Options:
    """The arguments that the builders on groups share; see `docs.ARGUMENTS`.

    A head or downsampling of None is that of the architecture.
    """

    group: GroupLike
    input_shape: Sequence[int]
    classes: int
    widths: Sequence[int] | None
    parameters: int | None
    head: str | None
    convolution: str
    restrict_after: RestrictAfter
    include_top: bool
    classifier_activation: str | None
    weights: str | os.PathLike | None
    data_format: str | None
    name: str | None
    downsampling: str | None = None
    multiply_adds: int | None = None


def check_shape(
    input_shape: Sequence[int], data_format: str, smallest: int
) -> tuple[int, int, int]:
    """Returns the rows, columns and channels of an input shape, or raises a `ValueError`."""
    sizes = all_counts(input_shape)
    if len(sizes) != 3:
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
