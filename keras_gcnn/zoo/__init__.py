"""Builders of group-equivariant networks: images in [0, 1] in, logits out."""

from keras_gcnn.zoo.lenet import lenet

__all__ = ["lenet"]
