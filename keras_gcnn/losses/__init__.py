"""Losses that Keras does not have."""

from keras_gcnn.losses.dice_cross_entropy import DiceCrossEntropy

__all__ = ["DiceCrossEntropy"]
