"""The check of a size that TensorFlow knows only when a graph runs."""

from __future__ import annotations

import sys

import numpy as np
import tensorflow as tf
from tensorflow.python.ops import control_flow_util

from keras_gcnn.layers.common.base import SizeDependent, report_broken

# While these packages trace a function, the graph is for a file, which can hold no Python.
_WRITERS = ("keras.src.export", "tensorflow.python.saved_model", "tensorflow.lite", "tf2onnx")


def check(layer: SizeDependent, maps) -> None:
    """Has the graph call `layer.check_sizes` when it runs, if the size can make a difference.

    A graph for a file stays without the check, and so does what XLA compiles, which cannot call
    Python; that the sizes go unchecked there is reported at once.

    Args:
        layer: the layer.
        maps: its input, of which a size is unknown.

    Raises:
        ValueError: if the layer is strict and XLA compiles it for any size.
    """
    if not tf.is_symbolic_tensor(maps) or _is_written():
        return
    broken = _broken_remainders(layer)
    if control_flow_util.GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph()):
        if broken.any():
            report_broken(
                layer,
                "on some sizes it is not exact, and XLA compiles it for any, unchecked",
                "compile the model with jit_compile=False, so that sizes are checked as they come, "
                "or state the size in keras.Input",
                layer.equivariance,
            )
        return
    smallest = layer.smallest_sizes if layer.padding == "valid" else (1, 1)
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


class _Report:
    """Checks the sizes with which it is called."""

    def __init__(self, layer: SizeDependent, shape: tf.TensorShape):
        self._layer, self._shape = layer, tuple(shape)

    def __call__(self, sizes: np.ndarray) -> np.ndarray:
        shape = list(self._shape)
        first = 1 if self._layer.data_format == "channels_last" else 2
        shape[first : first + 2] = sizes.tolist()
        self._layer.check_sizes(tuple(shape))
        return np.array(True)


def _broken_remainders(layer: SizeDependent) -> np.ndarray:
    """For every pair of remainders by the strides, whether the layer is broken on such sizes.

    Sizes of one remainder are alike, but for small ones, on which less is broken. What is broken on
    every size was reported when the layer was built.
    """
    found = np.zeros(layer.strides, bool)
    if layer.equivariance == "ignore":
        return found
    multiples = [
        4 * smallest * stride
        for smallest, stride in zip(layer.smallest_sizes, layer.strides, strict=True)
    ]
    for remainder in np.ndindex(*layer.strides):
        sizes = [multiple + more for multiple, more in zip(multiples, remainder, strict=True)]
        shape = (1, *sizes, 1) if layer.data_format == "channels_last" else (1, 1, *sizes)
        found[remainder] = layer.equivariance_problem(shape) is not None
    return np.zeros_like(found) if found.all() else found


def _is_written() -> bool:
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith(_WRITERS):
            return True
        frame = frame.f_back
    return False
