"""Weights from other libraries."""

from keras_gcnn.interop.kernels import load_kernel

__all__ = ["load_kernel"]
