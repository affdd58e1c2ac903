"""How functions are traced for converters."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from keras_gcnn.backend.ops import on


def without_xla() -> AbstractContextManager[None]:
    """A scope in which TensorFlow compiles no functions; on other backends it does nothing.

    Keras has XLA compile the convolutions that TensorFlow does not support on a CPU, such as those
    of separate groups of channels. tf2onnx knows no calls of compiled functions, and ONNX Runtime
    needs none.
    """
    if not on("tensorflow"):
        return nullcontext()
    from keras_gcnn.backend.tensorflow import tracing

    return tracing.without_xla()
