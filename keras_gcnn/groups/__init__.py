"""The mathematics of the groups, in NumPy: elements, products, and actions on arrays.

`Fields`, the channels of a map under rotations by any angle, is defined in this package and public
as `keras_gcnn.layers.Fields`.
"""

from keras_gcnn.groups.borders import border_widths
from keras_gcnn.groups.exactness import exact_window, nearest_exact_sizes, window_problem
from keras_gcnn.groups.group import Group
from keras_gcnn.groups.kernel_layout import expansion_index
from keras_gcnn.groups.planar import get, names, register, subgroups

__all__ = [
    "Group",
    "border_widths",
    "exact_window",
    "expansion_index",
    "get",
    "names",
    "nearest_exact_sizes",
    "register",
    "subgroups",
    "window_problem",
]
