"""First calls of `torch.nn.Module`s that hold Keras layers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import keras
import torch


def supports(module: Any, inputs: torch.Tensor) -> bool:
    """Whether a callable is a module of PyTorch, as Keras layers are too."""
    del inputs
    return hasattr(module, "named_modules")


def call_first(module: Any, inputs: torch.Tensor) -> None:
    """Calls a module in inference, and names its layers by the attributes that hold them.

    Layers that have weights already, or a name that the user gave, keep their names.

    Raises:
        ValueError: if the call does not reach a layer of the module.
    """
    for path, layer in _keras_layers(module):
        if path and not layer.built and _has_automatic_name(layer):
            layer.name = path.replace(".", "_")
    modes = [(part, part.training) for part in module.modules()]
    try:
        module.eval()
        with torch.no_grad():
            module(inputs)
    finally:
        for part, mode in modes:
            part.training = mode
    missed = [layer.name for _, layer in _keras_layers(module) if not layer.built]
    if missed:
        raise ValueError(
            f"{type(module).__name__} did not call its layers {', '.join(map(repr, missed))}, "
            "which have no weights yet. Call them in forward, or build them by "
            "layer.build(input_shape)."
        )


def _keras_layers(module: Any) -> Iterator[tuple[str, keras.Layer]]:
    """The outermost Keras layers, with the paths of the attributes that hold them."""
    inside: set[int] = set()
    for path, part in module.named_modules():
        if isinstance(part, keras.Layer) and id(part) not in inside:
            inside |= {id(inner) for inner in part.modules()}
            yield path, part


def _has_automatic_name(layer: keras.Layer) -> bool:
    """Whether Keras made the name: the class in lower case, and a number."""
    plain = re.sub(r"_\d+$", "", layer.name)
    return plain.replace("_", "") == type(layer).__name__.lower().replace("_", "")
