"""Data sets by name or from a folder, their splits and rotations, for any Keras backend."""

from keras_gcnn.data.dataset import Dataset, Split
from keras_gcnn.data.folders.loading import load_folder
from keras_gcnn.data.loading import load, names
from keras_gcnn.data.rotation import random_angles, rotate
from keras_gcnn.data.tfds import DataNotFoundError

__all__ = [
    "DataNotFoundError",
    "Dataset",
    "Split",
    "load",
    "load_folder",
    "names",
    "random_angles",
    "rotate",
]
