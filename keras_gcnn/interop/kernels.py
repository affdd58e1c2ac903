"""Reads kernels in the layouts of other libraries of group convolutions."""

from __future__ import annotations

import keras
import numpy as np

from keras_gcnn.arguments import check_choice
from keras_gcnn.layers import GConv2D, LiftingConv2D

LAYOUTS = ("groupy-torch", "groupy-tensorflow")


def load_kernel(layer: keras.Layer, array: np.ndarray, layout: str = "groupy-torch") -> None:
    """Gives a layer a kernel that was trained with another library.

    - `"groupy-torch"`: `(c_out, c_in, orientations of the input, rows, columns)`, the layout of
      GrouPy for Chainer and PyTorch and of its descendants. The input of a lifting layer has one
      orientation.
    - `"groupy-tensorflow"`: `(rows, columns, orientations * c_in, c_out)`, where the orientation is
      the slow index; the layout of GrouPy for TensorFlow and keras-gcnn.

    Both have the elements in the order of this library: quarter turns counter-clockwise, then their
    mirror images. If the other library orders the channels of feature maps differently, biases and
    normalisations per channel have to be permuted; values per field are in the same order.

    Args:
        layer: `LiftingConv2D` or `GConv2D` on `"z2"`, `"p4"` or `"p4m"` that is built.
        array: the kernel, a NumPy array or a tensor of PyTorch.
        layout: one of the above.

    Raises:
        TypeError: for another layer.
        ValueError: for an unknown layout, a layer that is not built or on another group, or an
            array of another shape.

    Example:

    >>> import numpy as np
    >>> from keras_gcnn import interop, layers
    >>> layer = layers.LiftingConv2D(8, 3, group="p4")
    >>> layer.build((None, 28, 28, 1))
    >>> interop.load_kernel(layer, np.ones((8, 1, 1, 3, 3)))
    """
    check_choice("layout", layout, LAYOUTS)
    if not isinstance(layer, (LiftingConv2D, GConv2D)):
        raise TypeError(
            f"{type(layer).__name__} has no such kernel. Give a LiftingConv2D or a GConv2D."
        )
    if not layer.built:
        raise ValueError(
            f"{layer.name!r} has no kernel yet. Call it on an input first, or build it."
        )
    if layer.group.name not in ("z2", "p4", "p4m"):
        raise ValueError(
            f"{layer.name!r} is on {layer.group.name}; kernels of other libraries can be read on "
            "z2, p4 and p4m."
        )
    array = np.asarray(array.detach().cpu() if hasattr(array, "detach") else array)  # PyTorch
    if array.dtype.kind not in "iuf" or not np.isfinite(array).all():
        raise ValueError(f"array of {array.dtype} has to hold real, finite numbers.")
    orientations, rows, columns, fields, filters = layer.kernel.shape
    expected: tuple[int, ...] = (filters, fields, orientations, rows, columns)
    if layout == "groupy-tensorflow":
        expected = (rows, columns, orientations * fields, filters)
    if array.shape != expected:
        raise ValueError(
            f"array has the shape {array.shape}; the kernel of {layer.name!r} in the layout "
            f"{layout!r} has {expected}. Build the layer with the filters, kernel_size and group "
            "of the trained layer."
        )
    if layout == "groupy-tensorflow":
        kernel = array.reshape(rows, columns, orientations, fields, filters)
        kernel = kernel.transpose(2, 0, 1, 3, 4)
    else:
        kernel = array.transpose(2, 3, 4, 1, 0)
    layer.kernel.assign(np.ascontiguousarray(kernel))
