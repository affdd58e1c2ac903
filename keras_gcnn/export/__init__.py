"""Trained networks for use without this library: as plain Keras models and as files to serve."""

from keras_gcnn.export.loading import load
from keras_gcnn.export.saving import save
from keras_gcnn.rewriting.inference import for_inference
from keras_gcnn.rewriting.plain import to_plain

__all__ = ["for_inference", "load", "save", "to_plain"]
