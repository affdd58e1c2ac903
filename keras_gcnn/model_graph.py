"""What the measures ask of a model: its layers, its data format, its group."""

from __future__ import annotations

from collections.abc import Iterator

import keras

from keras_gcnn import groups
from keras_gcnn.groups import Group
from keras_gcnn.groups.fields import Fields
from keras_gcnn.layers.common.lineage import is_graph

__all__ = [
    "all_layers",
    "find_data_format",
    "fitting_group",
    "is_graph",
    "largest_group",
    "own_group",
]


def all_layers(model: keras.Model) -> Iterator[keras.Layer]:
    """The layers of a model, of the models inside it, and in wrappers."""
    for layer in model.layers:
        yield layer
        if isinstance(layer, keras.layers.Wrapper):
            layer = unwrap(layer)
            yield layer
        if isinstance(layer, keras.Model):
            yield from all_layers(layer)


def unwrap(layer: object) -> object:
    """The layer inside wrappers, such as `SpectralNormalization`."""
    while isinstance(layer, keras.layers.Wrapper):
        layer = layer.layer
    return layer


def find_data_format(target: object) -> str:
    """Data format of a layer, of the first layer of a model that has one, or Keras's."""
    return told_data_format(target) or keras.config.image_data_format()


def told_data_format(target: object) -> str | None:
    """Data format of a layer, or of the first layer of a model or module that has one, or None."""
    found = [getattr(target, "data_format", None)]
    if isinstance(target, keras.Model):
        found += [getattr(layer, "data_format", None) for layer in all_layers(target)]
    elif callable(modules := getattr(target, "modules", None)):  # a torch.nn.Module
        found += [getattr(module, "data_format", None) for module in modules()]
    return next(filter(None, found), None)


def own_group(layer: object) -> Group | None:
    """The group that one of our layers names, or None; of a steerable one, the quarter turns."""
    layer = unwrap(layer)
    group = getattr(layer, "group", None)
    if isinstance(getattr(layer, "fields_out", None), Fields):
        return groups.get("p4")
    return group if isinstance(group, Group) else None


def largest_group(model: keras.Model) -> Group | None:
    """The largest group that a layer of the model names, or None if they name none."""
    named = [group for layer in all_layers(model) if (group := own_group(layer))]
    largest = max(named, key=lambda one: one.order, default=groups.get("z2"))
    return largest if largest.order > 1 else None


def fitting_group(group: Group, shape: tuple[int, ...], data_format: str) -> Group:
    """The largest subgroup under which images of this shape, batch included, keep their shape."""
    if len(shape) < 3 or not group.swaps_axes:
        return group
    first = 2 if len(shape) == 4 and data_format == "channels_first" else 1
    if shape[first] == shape[first + 1]:
        return group
    return next(one for one in groups.subgroups(group) if not one.swaps_axes)
