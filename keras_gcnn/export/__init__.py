"""Trained networks for use without this library: as plain Keras models and as files to serve."""

from keras_gcnn.export.plain import to_plain

__all__ = ["to_plain"]
