"""Builds a model on a group from an architecture and the user's options."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import keras

from keras_gcnn import groups
from keras_gcnn.arguments import check_choice, check_count, check_flag
from keras_gcnn.layers import EquivarianceWarning
from keras_gcnn.layers.common.reporting import frames_to_caller
from keras_gcnn.layers.common.stock_in_graphs import Rescaling
from keras_gcnn.zoo.budget import choose_widths
from keras_gcnn.zoo.graph_builder import GraphBuilder, Maps
from keras_gcnn.zoo.restrictions import find_subgroups
from keras_gcnn.zoo.spec import (
    CONVOLUTIONS,
    DOWNSAMPLING,
    HEADS,
    Architecture,
    Options,
    check_open_size_budget,
    check_shape,
)
from keras_gcnn.zoo.weight_files import load_weights


def build(architecture: Architecture, options: Options) -> keras.Model:
    """Builds a network of the zoo.

    Raises:
        ValueError: see `docs.RETURNS`.
    """
    group = groups.get(options.group)
    classes = check_count("classes", options.classes)
    include_top = check_flag("include_top", options.include_top)
    head = architecture.head if options.head is None else options.head
    check_choice("head", head, HEADS)
    convolution = check_choice("convolution", options.convolution, CONVOLUTIONS)
    downsampling = options.downsampling
    if downsampling is None:
        downsampling = architecture.downsampling
    check_choice("downsampling", downsampling, DOWNSAMPLING)
    data_format = options.data_format or keras.config.image_data_format()
    rows, columns, channels = check_shape(
        options.input_shape, data_format, architecture.smallest, open_sizes=architecture.open_sizes
    )
    shape = tuple(None if size is None else int(size) for size in options.input_shape)
    check_open_size_budget(shape, options.multiply_adds)
    subgroups = find_subgroups(group, architecture.stages, options.restrict_after)

    def assemble(
        widths: tuple[int, ...], pixels: keras.KerasTensor | None = None
    ) -> tuple[GraphBuilder, Maps]:
        net = GraphBuilder(group, convolution, subgroups, downsampling, data_format)
        features = architecture.body(net, Maps(channels, None, (rows, columns), pixels), widths)
        if include_top:
            activation = options.classifier_activation
            features = architecture.top(net, features, classes, head, activation)
        return net, features

    ratio = _ratio(architecture, group, subgroups, head)
    widths = choose_widths(
        lambda widths: assemble(widths)[0],
        ratio,
        options.widths,
        parameters=options.parameters,
        multiply_adds=options.multiply_adds,
    )
    inputs = keras.Input(shape, name="image")
    pixels = Rescaling(architecture.scale, architecture.offset, name="normalization")(inputs)
    net, outputs = assemble(widths, pixels)
    default_name = f"{architecture.name}_{group.name}_{convolution}".removesuffix("_full")
    model = keras.Model(inputs, outputs.tensor, name=options.name or default_name)
    model.widths, model.stages = widths, architecture.stages
    model.multiply_adds = None if None in shape else net.multiply_adds
    _warn_of_strides(model)
    return load_weights(model, options.weights)


def _warn_of_strides(model: keras.Model) -> None:
    """Warns once per network, instead of once per layer, if strides break the equivariance."""
    broken = [
        layer.name
        for layer in model.layers
        if hasattr(layer, "equivariance_problem") and layer.equivariance_problem(layer.input.shape)
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
    """Returns the fields per width that keep the number of weights about equal for every group.

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
