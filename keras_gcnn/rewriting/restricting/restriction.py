"""A trained network on a group as a network on a subgroup, with equal outputs."""

from __future__ import annotations

from typing import Any

import keras

from keras_gcnn import groups
from keras_gcnn.groups import Group
from keras_gcnn.layers import Restriction
from keras_gcnn.layers.common.lineage_walk import lineage
from keras_gcnn.model_graph import all_layers
from keras_gcnn.rewriting.engine import Rewriting, as_functional, rewrite
from keras_gcnn.rewriting.restricting.orders import RESTRICTED, Orders, read_as
from keras_gcnn.rewriting.restricting.rules import RestrictingBook
from keras_gcnn.rewriting.rule_book import RuleBook
from keras_gcnn.rewriting.translator import take_name
from keras_gcnn.types import GroupLike


def restrict(
    model: keras.Model, subgroup: GroupLike, *, from_stage: str | int | None = None
) -> keras.Model:
    """Returns a network on a subgroup with the outputs of a network on a group.

    The new network has the same channels and takes the same operations, but `|G| / |H|` times the
    weights, which can then be trained freely: "train equivariant, finish free". After
    `restrict(model, "z2")` no weights are shared and the network is an ordinary one, of
    convolutions on Z2; `keras_gcnn.export.to_plain` writes them as layers of Keras. In training,
    batch normalisations have statistics for each of the new fields, and dropout drops each of them
    by itself. A `GSeparableConv2D` of variant "g" becomes a `GConv2D`.

    Args:
        model: functional or sequential model of layers of this library and of Keras, models inside
            it included. It is not changed.
        subgroup: str or `keras_gcnn.groups.Group`, the group under which the new network is
            equivariant as long as it is not trained.
        from_stage: restrict only a part: the name of a layer whose input becomes a map on the
            subgroup, by a `Restriction`, for this layer and all that follow; or, in networks of the
            zoo, the name of their stage. All that follows has to read this one map alone.

    Returns:
        A functional model. Where an output is a map on a group, the new model returns what
        `Restriction` makes of it.

    Raises:
        TypeError: if `model` is no `keras.Model`.
        ValueError: if the model is no graph of layers or has none on a group; if its group does not
            contain the subgroup; for an unknown stage or one that others bypass; or if there is no
            rule for a layer, such as a steerable one, whose name the message says.

    Example:

    >>> import keras_gcnn
    >>> network = keras_gcnn.zoo.lenet("p4m", widths=(1, 2))
    >>> free = keras_gcnn.restrict(network, "z2")
    >>> [model.get_layer("conv2").count_params() for model in (network, free)]
    [402, 3216]

    References:
        Weiler & Cesa 2019, "General E(2)-Equivariant Steerable CNNs", section 2.7.
    """
    chosen = groups.get(subgroup)
    model = as_functional(model)
    _check_group(model, chosen)
    if from_stage is None:
        return Rewriting(model, RestrictingBook(Orders(model, None, chosen), chosen), False).build()
    return _restrict_from(model, chosen, str(from_stage))


def _check_group(model: keras.Model, subgroup: Group) -> None:
    found = {layer.group for layer in all_layers(model) if type(layer) in RESTRICTED}
    largest = max(found, key=lambda group: group.order, default=groups.get("z2"))
    if largest.order == 1:
        raise ValueError(
            f"{model.name!r} has no layer on a group larger than z2, such as GConv2D, whose "
            "equivariance could become smaller. For fields of steerable layers there is "
            "SteerableRestriction, a layer to build a network with."
        )
    if not largest.contains(subgroup):
        names = ", ".join(group.name for group in groups.subgroups(largest))
        raise ValueError(
            f"{subgroup.name} is no subgroup of {largest.name}, the group of {model.name!r}. "
            f"Choose one of {names}."
        )


def _restrict_from(model: keras.Model, subgroup: Group, stage: str) -> keras.Model:
    """Returns the model with a `Restriction` before a stage, and what follows restricted."""
    copy: Any = rewrite(model, RuleBook())  # a cut adds to the graph that it divides
    layer = _first_layer(copy, stage)
    tensor = layer.input
    origin = lineage(tensor) if isinstance(tensor, keras.KerasTensor) else None
    group = origin.channels if origin else None
    if not isinstance(group, Group) or origin is None or not group.contains(subgroup):
        raise ValueError(
            f"from_stage={stage!r}: {type(layer).__name__} {layer.name!r} does not read a map on a "
            f"group that contains {subgroup.name}. Name a layer that does."
        )
    try:
        first = keras.Model(copy.inputs, tensor)
        rest = keras.Model(tensor, copy.outputs)
    except ValueError as error:
        raise ValueError(
            f"from_stage={stage!r}: what follows the input of {layer.name!r} also reads other maps "
            "of the network, as in the middle of a residual block. Name the first layer of a block."
        ) from error
    names: set[str] = set()
    inputs = [
        keras.Input(batch_shape=one.shape, dtype=one.dtype, name=one.name) for one in model.inputs
    ]
    data_format = "channels_last" if origin.axis == -1 else "channels_first"
    maps = Rewriting(first, RuleBook(), False, taken=names).run(inputs)
    name = take_name(f"restrict_{layer.name}", names)
    maps = Restriction(group, subgroup, data_format=data_format, name=name)(
        keras.tree.flatten(maps)[0]
    )
    order = read_as(group, subgroup, tensor.shape[origin.axis])
    book = RestrictingBook(Orders(rest, order, subgroup, origin.axis), subgroup)
    outputs = Rewriting(rest, book, False, taken=names).run([maps])
    outputs = keras.tree.pack_sequence_as(model.output, keras.tree.flatten(outputs))
    structure = keras.tree.pack_sequence_as(model.input, inputs)
    return keras.Model(structure, outputs, name=model.name)


def _first_layer(model: keras.Model, stage: str) -> keras.Layer:
    """Returns the layer with this name, or the first one of this stage of the zoo."""
    for layer in model.layers:
        if layer.name in (stage, f"conv{stage}") or layer.name.startswith(f"stage{stage}_"):
            return layer
    names = ", ".join(layer.name for layer in model.layers)
    raise ValueError(
        f"from_stage={stage!r} is the name of no layer and no stage. The layers are {names}."
    )
