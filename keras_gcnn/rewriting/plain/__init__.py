"""Group and steerable layers to stock layers of Keras: `to_plain` and its rule books."""

from keras_gcnn.rewriting.plain.conversion import PlainBook, to_plain

__all__ = ["PlainBook", "to_plain"]
