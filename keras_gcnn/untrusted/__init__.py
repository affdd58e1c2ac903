"""Reads files from untrusted sources: checks what they ask for before code runs or memory fills.

Each module raises a `ValueError` whose message continues a sentence that begins with the name of
the file.
"""

from keras_gcnn.untrusted.classes import first_foreign
from keras_gcnn.untrusted.hdf5 import count_elements
from keras_gcnn.untrusted.loading import load_model
from keras_gcnn.untrusted.text import parse_json

__all__ = ["count_elements", "first_foreign", "load_model", "parse_json"]
