"""Networks on a group restricted to a subgroup."""

from keras_gcnn.rewriting.restricting.restriction import restrict

__all__ = ["restrict"]
