"""The graph of a Keras model: its layers, their calls, data format and group."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import keras

from keras_gcnn import groups
from keras_gcnn.arguments import is_integer
from keras_gcnn.groups import Group
from keras_gcnn.groups.fields import Fields
from keras_gcnn.groups.point_group import PointGroup
from keras_gcnn.types import Shape


def is_graph(model: object) -> bool:
    """Whether a model is only the graph of its layers: a functional or a sequential model.

    A subclass with a `call` of its own may compute anything there.
    """
    if not isinstance(model, keras.Model):
        return False
    graph = isinstance(model, keras.Sequential) or hasattr(model, "_run_through_graph")
    caller = next(base for base in type(model).__mro__ if "call" in vars(base))
    return graph and caller.__module__.startswith("keras.")


# Keras has no public walk over a graph. Its own cloning of models uses these private members.
def run_graph(
    model: keras.Model,
    inputs: Any,
    replacement: Callable[[keras.Operation], Callable],
) -> Any:
    """Returns the outputs of a functional model with other operations in place of its own.

    Args:
        model: functional model.
        inputs: tensors, or objects that stand for them, in any structure.
        replacement: function that returns what to call in place of an operation.
    """
    return model._run_through_graph(keras.tree.flatten(inputs), operation_fn=replacement)


def calls_in(model: keras.Model) -> list[Any]:
    """Returns the calls of operations in a functional model, as nodes of Keras.

    Each has an `operation` and its `input_tensors`; the model's inputs are left out.
    """
    nodes = [node for level in model._nodes_by_depth.values() for node in level]
    return [node for node in nodes if not node.is_input]


def output_of(layer: keras.Operation, model: keras.Model) -> Any:
    """Returns the symbolic output of a layer in a functional model.

    `layer.output` is that of the layer's first call, which another model may have made.
    """
    tensors = next(call.output_tensors for call in calls_in(model) if call.operation is layer)
    return tensors[0] if len(tensors) == 1 else tensors


def shape_built_for(model: keras.Model) -> Shape | None:
    """Returns the shape of one input, without the batch, with which a model was built.

    A subclassed model has no symbolic inputs, but it remembers this shape. The result is None if
    the model is not built or has several inputs.
    """
    shape = (model.get_build_config() or {}).get("input_shape")
    if not isinstance(shape, list | tuple):
        return None
    return tuple(shape[1:]) if all(size is None or is_integer(size) for size in shape) else None


def all_layers(model: keras.Model) -> Iterator[keras.Layer]:
    """Yields the layers of a model, of the models inside it, and inside wrappers."""
    for layer in model.layers:
        yield layer
        if isinstance(layer, keras.layers.Wrapper):
            layer = unwrap(layer)
            yield layer
        if isinstance(layer, keras.Model):
            yield from all_layers(layer)


def unwrap(layer: object) -> object:
    """Returns the layer inside wrappers such as `SpectralNormalization`."""
    while isinstance(layer, keras.layers.Wrapper):
        layer = layer.layer
    return layer


def find_data_format(target: object) -> str:
    """Returns `first_data_format` of a layer or model, or else Keras's data format."""
    return first_data_format(target) or keras.config.image_data_format()


def first_data_format(target: object) -> str | None:
    """Returns the data format of a layer, or of the first layer with one in a model, or None."""
    formats = [getattr(target, "data_format", None)]
    if isinstance(target, keras.Model):
        formats += [getattr(layer, "data_format", None) for layer in all_layers(target)]
    elif callable(modules := getattr(target, "modules", None)):  # a torch.nn.Module
        formats += [getattr(module, "data_format", None) for module in modules()]
    return next(filter(None, formats), None)


def group_of(layer: object) -> Group | None:
    """Returns the group of one of our layers under which it is exact, or None for others."""
    layer = unwrap(layer)
    group = getattr(layer, "group", None)
    if (fields := _fields_of(layer)) is not None:
        return fields.group.pixel_group
    if isinstance(group, PointGroup):
        return group.pixel_group
    return group if isinstance(group, Group) else None


def group_to_test(target: object) -> Group | None:
    """Returns the group of a layer, or the largest of a model's layers; None if they have none.

    Raises:
        ValueError: if all fields are of groups such as C_5, which no pixel grid shows.
    """
    if not isinstance(target, keras.Model):
        layers, group = [target], group_of(target)
    else:
        layers = _without_scalars([*all_layers(target)])
        found = [group for layer in layers if (group := group_of(layer))]
        largest = max(found, key=lambda group: group.order, default=groups.get("z2"))
        group = largest if largest.order > 1 else None
    if group is None or group.order == 1:
        rotating = [each.group for each in map(_fields_of, layers) if each is not None]
        if hidden := next((each for each in rotating if each.order > 1), None):
            raise ValueError(
                f"The fields of {getattr(target, 'name', target)} are of {hidden}, and no rotation "
                f"of {hidden} moves every pixel to a pixel, so that nothing can be tested exactly. "
                'Name another group, e.g. group="p4", to see how far its elements are obeyed.'
            )
    return group


def _fields_of(layer: object) -> Fields | None:
    """Returns the fields that a steerable layer makes."""
    fields = getattr(unwrap(layer), "fields_out", None)
    return fields if isinstance(fields, Fields) else None


def _without_scalars(layers: list[keras.Layer]) -> list[keras.Layer]:
    """Leaves out layers of scalar fields, if others have fields: no group changes scalars."""
    fields = {id(layer): _fields_of(layer) for layer in layers}
    if all(each is None or each.is_trivial for each in fields.values()):
        return layers
    return [layer for layer in layers if (each := fields[id(layer)]) is None or not each.is_trivial]


def fitting_group(group: Group, shape: Shape, data_format: str) -> Group:
    """Returns the largest subgroup under which images of this shape, batch included, keep it."""
    if len(shape) < 3 or not group.swaps_axes:
        return group
    first = 2 if len(shape) == 4 and data_format == "channels_first" else 1
    if shape[first] == shape[first + 1]:
        return group
    return next(subgroup for subgroup in groups.subgroups(group) if not subgroup.swaps_axes)
