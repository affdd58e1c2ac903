"""Converts a plain Keras model to the same network of layers on a group."""

from __future__ import annotations

from typing import Any

import keras

from keras_gcnn import groups
from keras_gcnn.arguments import check_choice, is_image_shape
from keras_gcnn.groups import Group
from keras_gcnn.layers import GPooling
from keras_gcnn.model_graph import find_data_format
from keras_gcnn.rewriting.engine import Rewriting, as_functional
from keras_gcnn.rewriting.equivariant.book import GroupBook
from keras_gcnn.rewriting.equivariant.flow import follow
from keras_gcnn.rewriting.equivariant.report import Conversion, line_of
from keras_gcnn.rewriting.equivariant.roles import Role, has_positions, with_sizes_of
from keras_gcnn.rewriting.equivariant.shape_rules import RULES
from keras_gcnn.rewriting.equivariant.widths import Widths, fit_network
from keras_gcnn.types import GroupLike, Shape, Tensor
from keras_gcnn.zoo.budget import find_budget


def convert(
    model: keras.Model,
    group: GroupLike = "p4m",
    *,
    keep: str | None = None,
    downsampling: str = "stride",
    head: str = "invariant",
    input_shape: Shape | None = None,
    on_unknown: str = "raise",
    parameters: int | None = None,
    multiply_adds: int | None = None,
) -> keras.Model:
    """Makes any Keras model equivariant: the same network of layers on a group, untrained.

    The first convolution lifts images to maps on the group, and all layers behind it act on such
    maps: their features rotate and mirror with the image. A classifier pools over the orientations
    together with the positions, so that its outputs are invariant. An output with positions, such
    as a segmentation, rotates with the image.

    The report `model.conversion` has a line for each layer: what it became, what changed,
    parameters and multiply-adds before and after, and where the network is not exact.

    Args:
        model: functional or sequential model, models inside it included. It is not changed. Its
            weights are not used, only its architecture: see `keras_gcnn.symmetrize` for a model
            that must keep them. Statistics of a `Normalization` layer are copied.
        group: str or `keras_gcnn.groups.Group`. With `"z2"` the result is the same plain network.
        keep: what stays equal, if no budget is given. `"channels"` (None, the default): each layer
            has the same channels and costs the same multiply-adds, with `1 / |G|` of the weights.
            `"parameters"`: `1 / sqrt(|G|)` fields in place of each channel, the same number of
            weights, and `|G|` times the multiply-adds. `"fields"`: a field in place of each
            channel, `|G|` times the weights and `|G|^2` times the multiply-adds. Numbers of fields
            are rounded, and the report lists where.
        downsampling: `"stride"` (default): windows with strides stay, which is exact at the sizes
            that they fit; the report names them. `"exact"`: convolutions with strides become
            convolutions without and averages, and poolings get windows that fit, which is exact at
            every size. A convolution then costs as much as one without strides.
        head: `"invariant"` (default): outputs have no orientations. A classifier takes the maxima
            over the orientations, `1 / |G|` as many features as channels, which `keep="fields"` or
            a budget makes more. `"orientations"`: the features
            of a classifier keep their orientations, as in the plain network, and outputs with
            positions are maps on the group, for a head of your own. With `"invariant"` a layer
            with a kernel that makes the channels of such an output has a field for each of them,
            whose orientations are averaged: this layer costs `|G|` times as much.
        input_shape: shape of one image for the new network; default that of the model. Where
            several inputs are images, all get these rows and columns, and each keeps its channels.
        on_unknown: what to do with a layer that has no counterpart: `"raise"` (default), or
            `"keep"` it if a trial shows that it treats every channel and position alike.
        parameters: int, a budget of trainable parameters, in place of `keep`: the widths stay in
            proportion, and the network uses at least 98 % of the budget and never more. The model
            is converted some ten times to find it. With `"z2"` the plain network is made narrower
            or wider, on layers of this library.
        multiply_adds: int, the same for the multiply-adds of one image, see
            `keras_gcnn.analysis.cost`.

    Returns:
        A functional `keras.Model` with the names of the given one's layers, and with the layers of
        inner models as its own. It is not compiled, and no layer of it is frozen.

    Raises:
        TypeError: if `model` is no `keras.Model`.
        ValueError: for an unknown argument; a model that is no graph of layers, is not built or
            takes no images; a budget that cannot be met or is given beside `keep`; or a layer that
            cannot be converted: the message has its name, the reason and what to do.

    Example:

    >>> import keras, keras_gcnn
    >>> plain = keras.Sequential([
    ...     keras.Input((33, 33, 3)),
    ...     keras.layers.Conv2D(16, 3, padding="same", activation="relu"),
    ...     keras.layers.Conv2D(32, 3, strides=2, padding="same", activation="relu"),
    ...     keras.layers.GlobalAveragePooling2D(),
    ...     keras.layers.Dense(10),
    ... ])
    >>> network = keras_gcnn.convert(plain, "p4m")
    >>> plain.count_params(), network.count_params()
    (5418, 686)

    References:
        Cohen & Welling 2016, "Group Equivariant Convolutional Networks", for the layers.
    """
    group = groups.get(group)
    check_choice("keep", keep, ("channels", "parameters", "fields", None))
    check_choice("downsampling", downsampling, ("stride", "exact"))
    check_choice("head", head, ("invariant", "orientations"))
    check_choice("on_unknown", on_unknown, ("raise", "keep"))
    budget = find_budget(parameters, multiply_adds)
    if budget is not None and keep is not None:
        raise ValueError(
            f"keep={keep!r} and {budget[0]}={budget[1]!r} exclude each other: the widths follow "
            "from a budget. Leave one of them out."
        )
    plain = as_functional(
        model, "convert the functional models inside it, or use keras_gcnn.symmetrize"
    )
    _check_inputs(plain, group, input_shape)

    def make(widths: Widths) -> keras.Model:
        return _convert(plain, group, widths, downsampling, head, input_shape, on_unknown)

    if budget is None:
        return make(Widths(group.order, keep or "channels"))
    return fit_network(make, group.order, *budget)


def _convert(
    plain: keras.Model,
    group: Group,
    widths: Widths,
    downsampling: str,
    head: str,
    input_shape: Shape | None,
    on_unknown: str,
) -> keras.Model:
    data_format = find_data_format(plain)
    axis = 1 if data_format == "channels_first" else -1
    book = GroupBook(
        RULES, group, widths, downsampling, head, on_unknown, data_format, follow(plain, axis)
    )
    rewriting = Rewriting(plain, book, flatten=True)
    inputs = _new_inputs(plain, input_shape, axis)
    outputs = rewriting.run(inputs)
    roles: list[Role] = []
    outputs = keras.tree.map_structure(lambda each: _output(each, book, roles), outputs)
    structure = keras.tree.pack_sequence_as(plain.input, inputs)
    network = keras.Model(structure, outputs, name=plain.name)
    lines = tuple(
        line_of(record, group, book.flow.shapes[key]) for key, record in book.records.items()
    )
    network.conversion = Conversion(network, plain, group, roles, lines)
    return network


def _check_inputs(plain: keras.Model, group: Group, input_shape: Shape | None) -> None:
    """Raises a `ValueError` unless the model takes images, and a new shape is one of an image."""
    axis = 1 if find_data_format(plain) == "channels_first" else -1
    images = [tensor for tensor in plain.inputs if len(tensor.shape) == 4]
    if group.order > 1 and not images:
        shapes = " and ".join(str(tuple(tensor.shape)) for tensor in plain.inputs)
        raise ValueError(
            f"{plain.name!r} takes no images, which have four axes with that of the batch: its "
            f"inputs have the shape {shapes}. Give images without channels an axis of one channel, "
            "e.g. keras.Input((28, 28, 1)); other data have no rotations."
        )
    if input_shape is not None and (not is_image_shape(input_shape) or not images):
        example = tuple(images[0].shape[1:]) if images else (32, 32, 3)
        raise ValueError(
            f"input_shape={input_shape!r} has to be the shape of one image, three positive "
            f"integers such as {example}, with None for open sizes."
        )
    if input_shape is None or len(images) == 1:
        return
    known = {with_sizes_of(each.shape[1:], input_shape, axis) for each in images}
    if tuple(input_shape) not in known:
        raise ValueError(
            f"input_shape={input_shape!r} has the channels of none of the {len(images)} images that"
            f" {plain.name!r} takes, which keep theirs. Give one of "
            f"{' and '.join(map(str, sorted(known, key=str)))}."
        )


def _new_inputs(plain: keras.Model, input_shape: Shape | None, axis: int) -> list[Tensor]:
    inputs = []
    several = sum(len(tensor.shape) == 4 for tensor in plain.inputs) > 1
    for tensor in plain.inputs:
        shape = tuple(tensor.shape)
        if input_shape is not None and len(shape) == 4:
            new = with_sizes_of(shape[1:], input_shape, axis) if several else input_shape
            shape = (shape[0], *new)
        inputs.append(keras.Input(batch_shape=shape, dtype=tensor.dtype, name=tensor.name))
    return inputs


def _output(tensor: Tensor, book: GroupBook, roles: list[Role]) -> Any:
    """Pools an output of the new network over orientations if it should have none."""
    book.check_output(tensor)
    if book.role(tensor) is Role.ON_GROUP and book.head == "invariant" and book.group.order > 1:
        tensor = GPooling("max", book.group, data_format=book.data_format)(tensor)
        positions = has_positions(tensor.shape, book.channel_axis)
        book.mark(tensor, Role.IMAGE if positions else Role.INVARIANT)
    roles.append(book.role(tensor))
    return tensor
