"""Checks of sizes that TensorFlow knows only when a graph runs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.ops import control_flow_util

# While these packages trace a function, the graph is for a file, which can hold no Python.
_WRITERS = ("keras.src.export", "tensorflow.python.saved_model", "tensorflow.lite", "tf2onnx")


def supports(layer: Any, maps: tf.Tensor, report: Callable[..., None]) -> bool:
    """Whether rows or columns of the maps are unknown."""
    del report
    return None in layer.sizes(maps.shape)


def check(layer: Any, maps: tf.Tensor, report: Callable[..., None]) -> None:
    """Adds a call of `layer.check_sizes` to the graph, if the sizes can make a difference.

    A graph for a file gets no check, and neither does one that XLA compiles, which cannot call
    Python; there the missing check is reported at once.

    Args:
        layer: `keras_gcnn.backend.sizes.SizeChecked`.
        maps: its input.
        report: called with the layer, the problem, the remedy and `layer.equivariance`.

    Raises:
        ValueError: if the layer is strict and XLA compiles it for any size.
    """
    if not tf.is_symbolic_tensor(maps) or _is_written():
        return
    broken = _broken_remainders(layer)
    if control_flow_util.GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph()):
        if broken.any():
            report(
                layer,
                "on some sizes it is not exact, and XLA compiles it for any size, unchecked",
                "compile the model with jit_compile=False, so that sizes are checked as they come, "
                "or state the size in keras.Input",
                layer.equivariance,
            )
        return
    smallest = layer.smallest_sizes
    if not broken.any() and max(smallest) == 1:
        return
    first = 1 if layer.data_format == "channels_last" else 2
    sizes = tf.shape(maps)[first : first + 2]
    suspicious = tf.reduce_any(sizes < smallest) | tf.gather_nd(broken, sizes % broken.shape)
    tf.cond(
        suspicious,
        lambda: tf.numpy_function(_Report(layer, maps.shape), [sizes], tf.bool),
        lambda: False,
    )


def check_square(maps: Any, rows: int, message: str) -> None:
    """Lets a graph that TensorFlow traces check that maps are square; files get no check."""
    if tf.is_tensor(maps) and tf.is_symbolic_tensor(maps) and not _is_written():
        sizes = tf.shape(maps)
        tf.debugging.assert_equal(sizes[rows], sizes[rows + 1], message)


def check_multiples(maps: Any, rows: int, multiple: int, message: str) -> Any:
    """Returns maps that a traced graph computes after a check; files get no check."""
    if not (tf.is_tensor(maps) and tf.is_symbolic_tensor(maps)) or _is_written():
        return maps
    remainders = tf.shape(maps)[rows : rows + 2] % multiple
    with tf.control_dependencies([tf.debugging.assert_equal(remainders, 0, message)]):
        return tf.identity(maps)


class _Report:
    """A function that checks the sizes with which the graph calls it."""

    def __init__(self, layer: Any, shape: tf.TensorShape):
        self._layer, self._shape = layer, tuple(shape)

    def __call__(self, sizes: np.ndarray) -> np.ndarray:
        shape = list(self._shape)
        first = 1 if self._layer.data_format == "channels_last" else 2
        shape[first : first + 2] = sizes.tolist()
        self._layer.check_sizes(tuple(shape))
        return np.array(True)


def _broken_remainders(layer: Any) -> np.ndarray:
    """For every pair of remainders by the strides, whether such sizes break equivariance.

    Sizes with the same remainder behave alike, except small ones, which break less. A layer that is
    broken on every size was reported when it was built, so for it all are False.
    """
    broken = np.zeros(layer.strides, bool)
    if layer.equivariance == "ignore":
        return broken
    multiples = [
        4 * extent * stride for extent, stride in zip(layer.extents, layer.strides, strict=True)
    ]
    for remainder in np.ndindex(*layer.strides):
        sizes = [multiple + more for multiple, more in zip(multiples, remainder, strict=True)]
        shape = (1, *sizes, 1) if layer.data_format == "channels_last" else (1, 1, *sizes)
        broken[remainder] = layer.equivariance_problem(shape) is not None
    return np.zeros_like(broken) if broken.all() else broken


def _is_written() -> bool:
    """Whether a package that writes files traces the graph."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith(_WRITERS):
            return True
        frame = frame.f_back
    return False
