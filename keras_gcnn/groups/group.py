"""One class for every finite group of rotations and reflections of the pixel grid."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike


def _are_different_symmetries(matrices: np.ndarray, count: int) -> bool:
    """Whether these are as many different 2x2 matrices that move pixels to pixels."""
    if count == 0 or matrices.shape != (count, 2, 2) or not np.isin(matrices, (-1, 0, 1)).all():
        return False
    orthogonal = np.array_equal(
        matrices @ matrices.transpose(0, 2, 1), np.broadcast_to(np.eye(2), matrices.shape)
    )
    return orthogonal and len(np.unique(matrices, axis=0)) == count


def _matrices(name: str, elements: Mapping[str, ArrayLike]) -> np.ndarray:
    """Returns the matrices of the elements, of shape `(|G|, 2, 2)`, or raises a `ValueError`."""
    try:
        given = np.array(list(elements.values()), dtype=float)
    except (TypeError, ValueError):  # ragged, or no numbers
        given = np.empty(0)
    if not _are_different_symmetries(given, len(elements)):
        raise ValueError(
            f"Group {name!r}: the elements have to be different rotations and reflections of "
            "the pixel grid, 2x2 matrices with one entry of 1 or -1 in each row and column; the "
            f"identity, [[1, 0], [0, 1]], is the first. The elements were {dict(elements)}."
        )
    matrices = given.astype(int)
    matrices.setflags(write=False)  # groups are shared by all layers of a process
    return matrices


class Group:
    """A finite group of symmetries of the pixel grid that fix the centre of the image.

    An element is an integer 2x2 matrix acting on coordinates `(row, column)` with the origin at the
    centre. Everything else (order, product table, inverses, actions) follows from the matrices, so
    that a further group is one more table of matrices and needs no new code.

    Conventions (Cohen & Welling 2016, sections 4 and 6):

    - on a plane, `(L_g w)(x) = w(g^-1 x)`;
    - on a fibre, the `|G|` values of a field at one position, `(L_g f)(h) = f(g^-1 h)`;
    - on a feature map of group channels, `(L_g f)(x, h) = f(g^-1 x, g^-1 h)`.

    Args:
        name: str, the name of the group for `keras_gcnn.groups.get`, e.g. `"p4"`.
        elements: mapping from the element's name to its 2x2 integer matrix. The identity comes
            first; the order of the mapping is the order of the orientations in a feature map.

    Raises:
        ValueError: if the matrices are not a group, or the identity is not first.
    """

    def __init__(self, name: str, elements: Mapping[str, ArrayLike]) -> None:
        self.name = name
        self.elements = tuple(elements)
        self.matrices = _matrices(name, elements)
        self._index = {matrix.tobytes(): g for g, matrix in enumerate(self.matrices)}
        if not np.array_equal(self.matrices[0], np.eye(2)):
            raise ValueError(f"Group {name!r}: the first element has to be the identity.")
        try:
            self.product = np.array(
                [[self._index[(a @ b).tobytes()] for b in self.matrices] for a in self.matrices]
            )
        except KeyError:
            raise ValueError(
                f"Group {name!r}: the product of two of its elements is not among its elements."
            ) from None
        self.inverse = np.argmin(self.product, axis=1)

    @property
    def order(self) -> int:
        """Number of elements, `|G|`, and of orientations in a feature map."""
        return len(self.elements)

    @property
    def left_division(self) -> np.ndarray:
        """Table of `g^-1 h`, shape `(|G|, |G|)`: row g, column h."""
        return self.product[self.inverse]

    @property
    def swaps_axes(self) -> bool:
        """Whether some element exchanges rows and columns, as a quarter turn does."""
        return bool(self.matrices[:, 0, 1].any())

    @property
    def reverses_axis(self) -> tuple[bool, bool]:
        """For rows and for columns, whether some element reverses the direction of that axis."""
        rows, columns = (bool((self.matrices[:, axis] < 0).any()) for axis in (0, 1))
        return rows, columns

    def act_on_plane(
        self, array: np.ndarray, g: int, axes: tuple[int, int] = (-2, -1)
    ) -> np.ndarray:
        """Rotates and mirrors an array: `(L_g w)(x) = w(g^-1 x)`.

        Args:
            array: array with two spatial axes of any size.
            g: int, index of the element.
            axes: the row axis and the column axis.

        Returns:
            The transformed array; a quarter turn exchanges the two sizes.
        """
        swaps, flips = self.moves_on_plane(g)
        if swaps:
            array = np.swapaxes(array, *axes)
        return np.flip(array, tuple(axis for axis, flip in zip(axes, flips, strict=True) if flip))

    def moves_on_plane(self, g: int) -> tuple[bool, tuple[bool, bool]]:
        """Returns how `act_on_plane` moves an array: swapped axes first, then flips.

        Args:
            g: int, index of the element.

        Returns:
            Whether rows and columns are exchanged, and whether rows and columns are then reversed.
        """
        inverse = self.matrices[self.inverse[g]]
        if inverse[0, 1]:
            return True, (bool(inverse[1, 0] < 0), bool(inverse[0, 1] < 0))
        return False, (bool(inverse[0, 0] < 0), bool(inverse[1, 1] < 0))

    def act_on_fibre(self, array: np.ndarray, g: int, axis: int = -1) -> np.ndarray:
        """Permutes orientations, `(L_g f)(h) = f(g^-1 h)`, along a channel axis `c * |G| + h`."""
        axis %= array.ndim
        if array.shape[axis] % self.order:
            raise ValueError(
                f"Axis {axis} has {array.shape[axis]} channels, which is no multiple of the order "
                f"{self.order} of {self.name}. A feature map on {self.name} has channels "
                f"`c * {self.order} + orientation`."
            )
        split = (*array.shape[:axis], -1, self.order, *array.shape[axis + 1 :])
        moved = array.reshape(split).take(self.left_division[g], axis=axis + 1)
        return moved.reshape(array.shape)

    def index_of(self, matrix: np.ndarray) -> int:
        """Returns the index of the element with this matrix.

        Raises:
            ValueError: if the matrix belongs to no element.
        """
        index = self._index.get(np.asarray(matrix, dtype=int).tobytes())
        if index is None:
            raise ValueError(f"{np.asarray(matrix).tolist()} is no element of {self.name}.")
        return index

    def contains(self, other: Group) -> bool:
        """Whether `other` is a subgroup of this group; every group is a subgroup of itself."""
        return all(matrix.tobytes() in self._index for matrix in other.matrices)

    def embed(self, subgroup: Group) -> np.ndarray:
        """Returns the indices, in this group, of the elements of a subgroup.

        Raises:
            ValueError: if `subgroup` is no subgroup of this group.
        """
        if not self.contains(subgroup):
            raise ValueError(f"{subgroup.name} is no subgroup of {self.name}.")
        return np.array([self.index_of(matrix) for matrix in subgroup.matrices])

    def restriction(self, subgroup: Group) -> np.ndarray:
        """Returns the order in which a fibre of this group reads as fibres of a subgroup H.

        The left-regular action splits over the RIGHT cosets `H x_j`: entry `j * |H| + i` of the
        result is the index of `h_i x_j`. Keeping the order of the fibre instead is wrong for groups
        that are not abelian.

        Returns:
            int array of shape `(|G|,)`, a permutation.

        Raises:
            ValueError: if `subgroup` is no subgroup of this group.
        """
        members = self.embed(subgroup)
        order: list[int] = []
        for x in range(self.order):
            if x not in order:
                order.extend(self.product[members, x])
        return np.array(order)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Group):
            return NotImplemented
        return self.name == other.name and np.array_equal(self.matrices, other.matrices)

    def __hash__(self) -> int:
        return hash((self.name, self.matrices.tobytes()))

    def __repr__(self) -> str:
        return f"Group({self.name!r}, order={self.order}: {', '.join(self.elements)})"
