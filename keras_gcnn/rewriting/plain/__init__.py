"""Group and steerable layers to stock layers of Keras: `to_plain` and its rule books."""

from keras_gcnn.rewriting.plain.conversion import to_plain

__all__ = ["to_plain"]
