"""What the backends do differently."""

from __future__ import annotations

import math

import keras
from keras import ops


def widened(tensor):
    """The tensor in float32, if it is in half precision."""
    half = keras.backend.standardize_dtype(tensor.dtype) in ("float16", "bfloat16")
    return ops.cast(tensor, "float32") if half else tensor


def product(left, right):
    """Matrix product; Keras computes that of float64 in float32 on PyTorch."""
    double = keras.backend.standardize_dtype(left.dtype) == "float64"
    if double and keras.backend.backend() == "torch":
        return ops.convert_to_tensor(left) @ ops.convert_to_tensor(right)
    return ops.matmul(left, right)


def mean(tensor, axis: int | tuple[int, ...], keepdims: bool = False):
    """Mean in the tensor's own precision: `ops.mean` goes through float32 on JAX and PyTorch.

    On PyTorch its gradient is also a map of its own, of which that of a sum is a view.
    """
    dtype, backend = keras.backend.standardize_dtype(tensor.dtype), keras.backend.backend()
    if dtype != "float64" and (dtype, backend) != ("float32", "torch"):
        return ops.mean(tensor, axis=axis, keepdims=keepdims)
    sizes = ops.shape(tensor)
    # A list, as PyTorch's compiler takes no generator here.
    number = math.prod([sizes[one] for one in (axis if isinstance(axis, tuple) else (axis,))])
    total = ops.sum(tensor, axis=axis, keepdims=keepdims)
    return total / (ops.cast(number, dtype) if backend == "tensorflow" else number)


def maximum(tensor, axis: int | tuple[int, ...], keepdims: bool = False):
    """Maximum along axes; PyTorch's compiler breaks the graph in `ops.max`."""
    if keras.backend.backend() != "torch" or 0 in tensor.shape:
        return ops.max(tensor, axis=axis, keepdims=keepdims)
    return ops.amax(tensor, axis=axis, keepdims=keepdims)


def repeated(values, times: int):
    """Every number of a vector several times in a row.

    At `ops.repeat` without an axis PyTorch's compiler breaks the graph.
    """
    return ops.reshape(ops.broadcast_to(values[:, None], (values.shape[0], times)), (-1,))


def replicas() -> int:
    """How many replicas of a model see a part of the batch each; 1 but for `tf.distribute`."""
    if keras.backend.backend() != "tensorflow":
        return 1
    import tensorflow as tf

    return tf.distribute.get_strategy().num_replicas_in_sync


def convolve(inputs, kernel, strides, padding, data_format, dilation_rate, trained: bool = True):
    """The backend's own convolution, chosen for its gradients too if it is `trained`."""
    if keras.backend.backend() == "torch":
        from keras_gcnn.backend.torch import convolution as torch_convolution

        return torch_convolution.convolve(
            inputs, kernel, strides, padding, data_format, dilation_rate
        )
    if keras.backend.backend() == "jax" and data_format == "channels_last":
        from keras_gcnn.backend.jax import convolution as jax_convolution

        if tuple(kernel.shape[:2]) == strides == (1, 1):
            # On a CPU in a third of the time, both ways; in more axes the gradient takes longer.
            flat = ops.matmul(ops.reshape(inputs, (-1, kernel.shape[2])), kernel[0, 0])
            return ops.reshape(flat, (*inputs.shape[:3], kernel.shape[3]))
        window = (strides, padding, dilation_rate)
        if _on_cpu() and jax_convolution.is_faster(inputs, kernel, *window, trained):
            return jax_convolution.convolve(inputs, kernel, padding, dilation_rate)
    return _in_a_format_it_has(
        ops.conv,
        inputs,
        kernel,
        data_format,
        strides=strides,
        padding=padding,
        dilation_rate=dilation_rate,
    )


def convolve_transposed(
    inputs, kernel, strides, padding, output_padding, data_format, dilation_rate
):
    """The backend's own transposed convolution; the kernel is `(rows, columns, c_out, c_in)`."""
    if max(dilation_rate) > 1 and keras.backend.backend() == "tensorflow":
        # On a CPU TensorFlow has it in float32 only, so the zeros go into the kernel.
        kernel, dilation_rate = _dilated(kernel, dilation_rate), (1, 1)
    if keras.backend.backend() == "torch":
        from keras_gcnn.backend.torch import convolution as torch_convolution

        kernel = torch_convolution.plain_strides(kernel)
    return _in_a_format_it_has(
        ops.conv_transpose,
        inputs,
        kernel,
        data_format,
        strides=strides,
        padding=padding,
        output_padding=output_padding,
        dilation_rate=dilation_rate,
    )


def has_fast_depthwise() -> bool:
    """Whether a convolution of every channel by itself is faster than one of all with all.

    XLA's is not on a CPU: in a training step it takes twice the time of a full convolution, and
    written as a sum of shifted maps it still takes as long as that.
    """
    return keras.backend.backend() != "jax" or not _on_cpu()


def _on_cpu() -> bool:
    return all(device.startswith("cpu") for device in keras.distribution.list_devices())


def convolve_depthwise(inputs, kernel, strides, padding, data_format, dilation_rate):
    """Every channel with a filter of its own; the kernel is `(rows, columns, 1, channels)`."""
    if keras.backend.backend() == "torch":
        return convolve(inputs, kernel, strides, padding, data_format, dilation_rate)
    return _in_a_format_it_has(
        ops.depthwise_conv,
        inputs,
        ops.transpose(kernel, (0, 1, 3, 2)),
        data_format,
        strides=strides,
        padding=padding,
        dilation_rate=dilation_rate,
    )


def _in_a_format_it_has(operation, inputs, kernel, data_format, **window):
    """Calls an operation on channels-last tensors where it takes no others.

    TensorFlow on a CPU has no complete set of channels-first kernels (float64 and every gradient
    in float64 are missing), so there the tensor is turned around it.
    """
    around = (
        data_format == "channels_first"
        and keras.backend.backend() == "tensorflow"
        and not keras.distribution.list_devices("gpu")
    )
    if around:
        inputs, data_format = ops.transpose(inputs, (0, 2, 3, 1)), "channels_last"
    outputs = operation(inputs, kernel, data_format=data_format, **window)
    return ops.transpose(outputs, (0, 3, 1, 2)) if around else outputs


def _dilated(kernel, dilation_rate):
    """Puts zeros between the positions of a kernel."""
    rows, columns, *channels = kernel.shape
    spread = ops.reshape(kernel, (rows, 1, columns, 1, *channels))
    zeros = [(0, 0), (0, dilation_rate[0] - 1), (0, 0), (0, dilation_rate[1] - 1), (0, 0), (0, 0)]
    shape = (rows * dilation_rate[0], columns * dilation_rate[1], *channels)
    spread = ops.reshape(ops.pad(spread, zeros), shape)
    return spread[: shape[0] - dilation_rate[0] + 1, : shape[1] - dilation_rate[1] + 1]
