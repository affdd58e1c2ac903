"""Lets PyTorch's converter to ONNX write operations of Keras that it refuses.

Keras computes the channels of a layer normalisation and the padding of a pooling from the shape of
the map, which in a trace are tensors, where the converter needs numbers. The operation of RMS
normalisation it does not know.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from keras_gcnn.types import Tensor


@contextmanager
def known() -> Iterator[None]:
    """Replaces, for a while, functions of PyTorch by equal ones that the converter knows."""
    functional: Any = import_module("torch.nn.functional")
    replaced = {
        "layer_norm": _layer_norm_of_numbers(functional.layer_norm),
        "rms_norm": _rms_norm,
        "max_pool2d": _pool_of_numbers(functional.max_pool2d),
        "avg_pool2d": _pool_of_numbers(functional.avg_pool2d),
    }
    before = {name: getattr(functional, name) for name in replaced}
    for name, function in replaced.items():
        setattr(functional, name, function)
    try:
        yield
    finally:
        for name, function in before.items():
            setattr(functional, name, function)


def _layer_norm_of_numbers(layer_norm: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def call(inputs: Tensor, sizes: Any, *args: Any, **kwargs: Any) -> Tensor:
        return layer_norm(inputs, [int(size) for size in sizes], *args, **kwargs)

    return call


def _pool_of_numbers(pool: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def call(inputs: Tensor, *args: Any, padding: Any = 0, **kwargs: Any) -> Tensor:
        if not isinstance(padding, int):
            padding = [int(width) for width in padding]
        return pool(inputs, *args, padding=padding, **kwargs)

    return call


def _rms_norm(inputs: Tensor, sizes: Any, weight: Tensor, eps: float) -> Tensor:
    axes = tuple(range(-len(sizes), 0))
    normal = inputs * (inputs.square().mean(axes, keepdim=True) + eps).rsqrt()
    return normal if weight is None else normal * weight
