"""Any Keras model to the same network of layers on a group: `convert` and its rule book."""

from keras_gcnn.rewriting.equivariant.conversion import convert
from keras_gcnn.rewriting.equivariant.report import Conversion

__all__ = ["Conversion", "convert"]
