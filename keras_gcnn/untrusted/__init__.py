"""Files that nobody vouches for: what they may ask for is bounded before it is given to them.

Every module raises a `ValueError` whose text goes on a sentence that begins with the file's name.
"""

from keras_gcnn.untrusted.classes import first_foreign
from keras_gcnn.untrusted.hdf5 import count_elements
from keras_gcnn.untrusted.loading import load_model
from keras_gcnn.untrusted.text import parse_json

__all__ = ["count_elements", "first_foreign", "load_model", "parse_json"]
