"""Tensor operations that `keras.ops` lacks, or that one backend does better in its own way.

This is the only file that asks which backend is in use. The folders `jax`, `torch` and `tensorflow`
hold what only that backend can do, each operation beside a predicate `supports` with the arguments
of the operation. The files of this folder choose: the special operation where it is supported, and
`keras.ops` otherwise. The folder `common` holds what several of those share.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_gcnn.types import Tensor

_NAME = keras.backend.backend()  # Keras fixes it when it is imported


def name() -> str:
    """The name of the backend in use: `"jax"`, `"tensorflow"` or `"torch"`."""
    return _NAME


def on(backend: str) -> bool:
    """Whether the backend in use has this name."""
    return backend == _NAME


if on("torch"):
    from keras_gcnn.backend.torch import convolution as torch_convolution
    from keras_gcnn.backend.torch import normalization as torch_normalization
    from keras_gcnn.backend.torch import parity as torch_parity
elif on("jax"):
    from keras_gcnn.backend.jax import convolution as jax_convolution
    from keras_gcnn.backend.jax import parity as jax_parity
    from keras_gcnn.backend.jax import programs as jax_programs
elif on("tensorflow"):
    from keras_gcnn.backend.tensorflow import convolution as tensorflow_convolution
    from keras_gcnn.backend.tensorflow import distribution as tensorflow_distribution
    from keras_gcnn.backend.tensorflow import normalization as tensorflow_normalization


def compiled(function: Callable) -> Callable:
    """Makes one program of a function that changes nothing, on JAX, and returns it elsewhere.

    Outside of `fit`, `evaluate` and `predict` JAX compiles every operation by itself, which takes
    seconds for a hundred of them. Positional arguments are tensors or lists of tensors,
    keyword-only ones are hashable values.
    """
    return jax_programs.compiled(function) if on("jax") else function


def widened(tensor: Tensor) -> Tensor:
    """The tensor in float32 if it is in half precision, and unchanged otherwise."""
    half = keras.backend.standardize_dtype(tensor.dtype) in ("float16", "bfloat16")
    return ops.cast(tensor, "float32") if half else tensor


def product(left: Tensor, right: Tensor) -> Tensor:
    """Matrix product; on PyTorch `ops.matmul` would compute float64 in float32."""
    double = keras.backend.standardize_dtype(left.dtype) == "float64"
    if double and on("torch"):
        return ops.convert_to_tensor(left) @ ops.convert_to_tensor(right)
    return ops.matmul(left, right)


def mean(tensor: Tensor, axis: int | tuple[int, ...], keepdims: bool = False) -> Tensor:
    """Mean in the tensor's own precision; on JAX and PyTorch `ops.mean` goes through float32.

    On PyTorch the gradient of `ops.mean` is also a whole map in memory, while that of a sum is a
    view of a small one.
    """
    dtype = keras.backend.standardize_dtype(tensor.dtype)
    if dtype != "float64" and not (dtype == "float32" and on("torch")):
        return ops.mean(tensor, axis=axis, keepdims=keepdims)
    sizes = ops.shape(tensor)
    # A list, since PyTorch's compiler refuses a generator here.
    count = math.prod([sizes[i] for i in (axis if isinstance(axis, tuple) else (axis,))])
    total = ops.sum(tensor, axis=axis, keepdims=keepdims)
    return total / (ops.cast(count, dtype) if on("tensorflow") else count)


def maximum(tensor: Tensor, axis: int | tuple[int, ...], keepdims: bool = False) -> Tensor:
    """Maximum along axes, also of an empty batch.

    `ops.max` would break the graph of PyTorch's compiler. There, and on TensorFlow unless it has an
    initial value, it refuses every empty tensor.
    """
    axes = axis if isinstance(axis, tuple) else (axis,)
    initial = None
    if all(tensor.shape[i] for i in axes):
        if on("torch"):
            return ops.amax(tensor, axis=axis, keepdims=keepdims)
        if on("tensorflow"):
            initial = _lowest(tensor)
    return ops.max(tensor, axis=axis, keepdims=keepdims, initial=initial)


def _lowest(tensor: Tensor) -> float:
    """The lowest number that the type of a tensor holds."""
    dtype = keras.backend.standardize_dtype(tensor.dtype)
    if "float" in dtype:
        return -math.inf
    return 0 if dtype == "bool" else int(np.iinfo(dtype).min)


def minimum(tensor: Tensor, axis: int, highest: float) -> Tensor:
    """Minimum along an axis of numbers up to `highest`, also of tensors without elements.

    PyTorch's compiler refuses `ops.min`, and TensorFlow reduces an empty tensor only from an
    initial value.
    """
    if on("torch"):
        return ops.amin(tensor, axis=axis)
    return ops.min(tensor, axis=axis, initial=highest)


def repeated(values: Tensor, times: int) -> Tensor:
    """Repeats every number of a vector several times in a row.

    `ops.repeat` without an axis would break the graph of PyTorch's compiler.
    """
    return ops.reshape(ops.broadcast_to(values[:, None], (values.shape[0], times)), (-1,))


def replicas() -> int:
    """Number of replicas of a model that share a batch: above 1 only under `tf.distribute`."""
    return tensorflow_distribution.replicas() if on("tensorflow") else 1


def convolve(
    inputs: Tensor,
    kernel: Tensor,
    strides: tuple[int, int],
    padding: str,
    data_format: str,
    dilation_rate: tuple[int, int],
    *,
    bias: Tensor | None = None,
    trained: bool = True,
    channels: tuple[Any, Any] | None = None,
) -> Tensor:
    """Convolution with a kernel of shape `(rows, columns, c_in, c_out)`.

    Args:
        inputs: map of channels last or first.
        kernel: the kernel.
        strides: along rows and columns.
        padding: `"same"` or `"valid"`.
        data_format: `"channels_last"` or `"channels_first"`.
        dilation_rate: along rows and columns.
        bias: a number for every output channel, or None.
        trained: whether gradients are taken too; if not, only the forward pass has to be fast.
        channels: the groups or fields of input and output, if the kernel is equivariant.
    """
    window = (strides, padding, data_format, dilation_rate)
    # On TensorFlow it would take longer, most of all in training.
    parity = torch_parity if on("torch") else jax_parity if on("jax") else None
    if parity and channels and parity.supports(inputs, kernel, *window, channels):
        return parity.convolve(inputs, kernel, padding, channels, bias)
    if on("torch") and torch_convolution.supports(inputs, kernel, *window, bias):
        return torch_convolution.convolve(inputs, kernel, *window, bias)
    if on("jax") and jax_convolution.supports(inputs, kernel, *window, trained):
        outputs = jax_convolution.convolve(inputs, kernel, *window, trained)
    elif on("tensorflow") and tensorflow_convolution.supports(inputs, kernel, *window):
        outputs = tensorflow_convolution.convolve(inputs, kernel, *window)
    else:
        outputs = ops.conv(inputs, kernel, *window)
    if bias is None:
        return outputs
    shape = (1, -1, 1, 1) if data_format == "channels_first" else (1, 1, 1, -1)
    return ops.add(outputs, ops.reshape(bias, shape))


def convolve_transposed(
    inputs: Tensor,
    kernel: Tensor,
    strides: tuple[int, int],
    padding: str,
    output_padding: int | tuple[int, int] | None,
    data_format: str,
    dilation_rate: tuple[int, int],
) -> Tensor:
    """Transposed convolution with a kernel of shape `(rows, columns, c_out, c_in)`.

    The other arguments are those of `convolve` and of `keras.ops.conv_transpose`.
    """
    window = (strides, padding, output_padding, data_format, dilation_rate)
    if on("torch") and torch_convolution.supports_transposed(inputs, kernel, *window):
        return torch_convolution.convolve_transposed(inputs, kernel, *window)
    if on("tensorflow") and tensorflow_convolution.supports_transposed(inputs, kernel, *window):
        return tensorflow_convolution.convolve_transposed(inputs, kernel, *window)
    return ops.conv_transpose(inputs, kernel, *window)


def convolve_depthwise(
    inputs: Tensor,
    kernel: Tensor,
    strides: tuple[int, int],
    padding: str,
    data_format: str,
    dilation_rate: tuple[int, int],
) -> Tensor:
    """Convolution of every channel with its own filters.

    Args:
        inputs: map of channels last or first.
        kernel: of shape `(rows, columns, channels, m)`, m filters for every channel; what filter n
            makes of channel c is channel `c * m + n` of the output.
        strides: along rows and columns, equal (TensorFlow has no other).
        padding: `"same"` or `"valid"`.
        data_format: `"channels_last"` or `"channels_first"`.
        dilation_rate: along rows and columns.
    """
    window = (strides, padding, data_format, dilation_rate)
    if on("torch"):
        apart = ops.reshape(kernel, (*kernel.shape[:2], 1, -1))
        if torch_convolution.supports(inputs, apart, *window):
            return torch_convolution.convolve(inputs, apart, *window)
    if on("tensorflow") and tensorflow_convolution.supports(inputs, kernel, *window):
        return tensorflow_convolution.convolve_depthwise(inputs, kernel, *window)
    return ops.depthwise_conv(inputs, kernel, *window)


def has_fast_depthwise() -> bool:
    """Whether `convolve_depthwise` is faster than a convolution of all channels with all."""
    return not on("jax") or jax_convolution.has_fast_depthwise()


def has_fast_filters() -> bool:
    """Whether one filter slid over a map is faster than a matrix for rows and one for columns."""
    return on("tensorflow")


def activate(maps: Tensor, activation: Callable[[Tensor], Tensor] | None) -> Tensor:
    """Applies an activation, or None, to maps that nothing else reads, in place if possible."""
    if on("torch") and torch_convolution.supports_in_place(maps, activation):
        return torch_convolution.activate_in_place(maps, activation)
    return maps if activation is None else activation(maps)


def moments(inputs: Tensor, axis: int, synchronized: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    """The map to normalise, and the mean and variance of every channel over all other axes.

    Args:
        inputs: map in float32 or float64.
        axis: of the channels, negative or not.
        synchronized: whether to take them over the maps of all replicas.
    """
    if not synchronized:
        if on("torch") and torch_normalization.supports_moments(inputs, axis):
            return torch_normalization.moments(inputs, axis)
        if on("tensorflow") and tensorflow_normalization.supports(inputs, axis):
            return tensorflow_normalization.moments(inputs, axis)
    rank = len(inputs.shape)
    axes = [i for i in range(rank) if i != axis % rank]
    mean, variance = ops.moments(inputs, axes=axes, synchronized=synchronized)
    return inputs, mean, variance


def batch_normalization(
    inputs: Tensor,
    mean: Tensor,
    variance: Tensor,
    axis: int,
    offset: Tensor | None = None,
    scale: Tensor | None = None,
    epsilon: float = 1e-3,
) -> Tensor:
    """`keras.ops.batch_normalization`, in fewer passes over the map where a backend has them."""
    arguments = (inputs, mean, variance, axis, offset, scale, epsilon)
    if on("torch") and torch_normalization.supports(inputs, axis):
        return torch_normalization.batch_normalization(*arguments)
    if on("tensorflow") and tensorflow_normalization.supports(inputs, axis):
        return tensorflow_normalization.batch_normalization(*arguments)
    return ops.batch_normalization(*arguments)


def has_layer_normalization(inputs: Tensor, axis: int) -> bool:
    """Whether `layer_normalization` takes such a map, and in fewer passes than other operations."""
    return on("torch") and torch_normalization.supports_layer(inputs, axis)


def layer_normalization(
    inputs: Tensor, channels: int, scale: Tensor | None, offset: Tensor | None, epsilon: float
) -> Tensor:
    """Normalises every fibre along the last axis, where there is an operation for that."""
    return torch_normalization.layer_normalization(inputs, channels, scale, offset, epsilon)
