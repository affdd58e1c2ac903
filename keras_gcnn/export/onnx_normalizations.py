"""Lets PyTorch's converter to ONNX write two normalisations of Keras that it refuses.

Keras reads the number of channels of a layer normalisation from the map, which in a trace is a
tensor, where the converter needs a number. The operation of RMS normalisation it does not know.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from keras_gcnn.types import Tensor


@contextmanager
def known() -> Iterator[None]:
    """Replaces, for a while, both functions of PyTorch by equal ones that the converter knows."""
    functional: Any = import_module("torch.nn.functional")
    layer_norm, rms_norm = functional.layer_norm, functional.rms_norm

    def layer_norm_of_numbers(inputs: Tensor, sizes: Any, *args: Any, **kwargs: Any) -> Tensor:
        return layer_norm(inputs, [int(size) for size in sizes], *args, **kwargs)

    functional.layer_norm, functional.rms_norm = layer_norm_of_numbers, _rms_norm
    try:
        yield
    finally:
        functional.layer_norm, functional.rms_norm = layer_norm, rms_norm


def _rms_norm(inputs: Tensor, sizes: Any, weight: Tensor, eps: float) -> Tensor:
    axes = tuple(range(-len(sizes), 0))
    normal = inputs * (inputs.square().mean(axes, keepdim=True) + eps).rsqrt()
    return normal if weight is None else normal * weight
