"""Descriptions of the networks on groups, and the options that their builders share."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from keras_gcnn.arguments import all_counts, as_count
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
        open_sizes: whether rows and columns of the image may be left open. The body is then told
            that they are `smallest`.
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
    open_sizes: bool = False


@dataclass(frozen=True)
class Options:
    """The arguments that the builders on groups share; see `docs.ARGUMENTS`.

    A head or downsampling of None is that of the architecture.
    """

    input_shape: Sequence[int | None]
    classes: int
    widths: Sequence[int] | None
    parameters: int | None
    include_top: bool
    classifier_activation: str | None
    weights: str | os.PathLike | None
    data_format: str | None
    name: str | None
    group: GroupLike = "z2"
    convolution: str = "full"
    restrict_after: RestrictAfter = None
    head: str | None = None
    downsampling: str | None = None
    multiply_adds: int | None = None


def check_shape(
    input_shape: Sequence[int | None], data_format: str, smallest: int, *, open_sizes: bool = False
) -> tuple[int, int, int]:
    """Returns the rows, columns and channels of an input shape, or raises a `ValueError`.

    Args:
        input_shape: the shape.
        data_format: `"channels_last"` or `"channels_first"`.
        smallest: the smallest number of rows and columns.
        open_sizes: whether rows and columns may be None, for which `smallest` is returned.
    """
    filled = input_shape
    if open_sizes and isinstance(input_shape, list | tuple):
        channel_axis = 0 if data_format == "channels_first" else len(input_shape) - 1
        filled = [
            smallest if size is None and axis != channel_axis else size
            for axis, size in enumerate(input_shape)
        ]
    sizes = all_counts(filled)
    if len(sizes) != 3:
        raise ValueError(
            f"input_shape={input_shape} has to be three positive integers, e.g. (28, 28, 1)"
            f"{', or (None, None, 1)' if open_sizes else ''}."
        )
    channels, *spatial = sizes if data_format == "channels_first" else (sizes[2], *sizes[:2])
    if min(spatial) < smallest:
        raise ValueError(
            f"input_shape={input_shape}, read as {data_format}, is too small: this network needs "
            f"at least {smallest} rows and columns."
        )
    return spatial[0], spatial[1], channels


def check_open_size_budget(shape: tuple[int | None, ...], multiply_adds: int | None) -> None:
    """Raises a `ValueError` if multiply-adds are to be counted for images of an open size."""
    if None in shape and multiply_adds is not None:
        raise ValueError(
            f"multiply_adds={multiply_adds!r} needs the size of the images, which "
            f"input_shape={shape} leaves open. Give the size, or a budget of parameters."
        )


def check_kernel_size(kernel_size: int) -> int:
    """Returns the rows and columns of a kernel, or raises a `ValueError` unless they are odd."""
    size = as_count(kernel_size)
    if size is None or size % 2 == 0:
        raise ValueError(f"kernel_size={kernel_size!r} has to be an odd positive integer, e.g. 5.")
    return size
