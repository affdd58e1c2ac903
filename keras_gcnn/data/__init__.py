"""Data sets by name, their splits and rotations, as NumPy arrays for any Keras backend."""

from keras_gcnn.data.dataset import Dataset, Split
from keras_gcnn.data.loading import load, names
from keras_gcnn.data.rotation import random_angles, rotate
from keras_gcnn.data.tfds import DataNotFoundError

__all__ = [
    "DataNotFoundError",
    "Dataset",
    "Split",
    "load",
    "names",
    "random_angles",
    "rotate",
]
