"""The channels of a feature map under rotations by any angle: fields and their frequencies.

`Fields` is public as `keras_gcnn.layers.Fields`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from operator import index
from typing import Any

import numpy as np

from keras_gcnn.groups.harmonics import dimension, representation

_LARGEST_FREQUENCY = 100  # far beyond what an image of some hundred pixels can show


@dataclass(frozen=True)
class Block:
    """Neighbouring fields of the same frequencies.

    Attributes:
        field_count: int, number of fields.
        frequencies: the frequencies of each of them, increasing.
    """

    field_count: int
    frequencies: tuple[int, ...]

    @property
    def size(self) -> int:
        """Number of channels of one field."""
        return sum(map(dimension, self.frequencies))

    @property
    def channels(self) -> int:
        """Number of channels of all fields."""
        return self.field_count * self.size


class Fields:
    """The channels of a feature map that rotates with the image by any angle.

    A map consists of *fields*. Frequency 0 of a field is one channel, which keeps its value when
    the image is rotated; frequency k > 0 is a pair of channels, which rotates by k times the angle:
    `rho_k(t) = [[cos kt, -sin kt], [sin kt, cos kt]]`. The multiplicity of a frequency is the
    number of fields that have it: field c has the frequencies of multiplicity above c. Channels are
    ordered by field, and within a field by frequency, so that `{0: 8, 1: 4}` stands for four fields
    with the channels `(0, 1, 1)`, followed by four fields with the channel `(0)`.

    Args:
        multiplicities: dict from frequencies, 0 and above, to the number of fields that have them.

    Raises:
        TypeError: if `multiplicities` is not a dict.
        ValueError: if a frequency or a multiplicity is out of its range, or there are no channels.

    Example:

    >>> from keras_gcnn.layers import Fields
    >>> fields = Fields({0: 8, 1: 4})
    >>> fields.channels, fields.representation(0.5).shape
    (16, (16, 16))
    >>> Fields.regular(16, max_frequency=5)
    Fields.regular(16, max_frequency=5)
    >>> fields + Fields.trivial(3)  # the channels of two concatenated maps
    Fields({0: 11, 1: 4})
    """

    def __init__(self, multiplicities: Mapping[int, int]) -> None:
        if not isinstance(multiplicities, Mapping):
            raise TypeError(
                f"Fields takes a dict from frequencies to multiplicities, e.g. {{0: 8, 1: 4}}, not "
                f"{multiplicities!r}. For plain channels use Fields.trivial(n)."
            )
        checked: dict[int, int] = {}
        for key, value in multiplicities.items():
            frequency, multiplicity = _as_number(key), _as_number(value)
            if frequency is None or frequency > _LARGEST_FREQUENCY or multiplicity is None:
                raise ValueError(
                    f"Fields({dict(multiplicities)!r}): {key!r}: {value!r} has to be a frequency "
                    f"from 0 to {_LARGEST_FREQUENCY} and the number of fields that have it."
                )
            if multiplicity:
                checked[frequency] = multiplicity
        if not checked:
            raise ValueError(
                f"Fields({dict(multiplicities)!r}) has no channel. Give at least one frequency a "
                "multiplicity of 1 or more."
            )
        self._multiplicities = dict(sorted(checked.items()))

    @classmethod
    def trivial(cls, channels: int) -> Fields:
        """Returns ordinary channels, such as those of an image: frequency 0 only."""
        return cls({0: channels})

    @classmethod
    def regular(cls, fields: int, max_frequency: int) -> Fields:
        """Returns fields with all frequencies up to `max_frequency`: functions of the angle."""
        highest = _as_number(max_frequency)
        if highest is None or highest > _LARGEST_FREQUENCY:
            raise ValueError(
                f"max_frequency={max_frequency!r} has to be an integer from 0 to "
                f"{_LARGEST_FREQUENCY}."
            )
        return cls(dict.fromkeys(range(highest + 1), fields))

    @classmethod
    def of(cls, value: Fields | Mapping[int, int]) -> Fields:
        """Returns fields from `Fields`, from their multiplicities, or from `as_json`."""
        if isinstance(value, Fields):
            return value
        multiplicities: Any = value
        if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
            # From JSON, whose keys cannot be numbers.
            multiplicities = {
                int(key) if str(key).isdecimal() else key: number for key, number in value.items()
            }
        return cls(multiplicities)

    @property
    def multiplicities(self) -> dict[int, int]:
        """Number of fields that have a frequency, by frequency."""
        return dict(self._multiplicities)

    @property
    def frequencies(self) -> tuple[int, ...]:
        """The frequencies of the fields, increasing."""
        return tuple(self._multiplicities)

    @property
    def count(self) -> int:
        """Number of fields."""
        return max(self._multiplicities.values())

    @property
    def channels(self) -> int:
        """Number of channels."""
        return sum(dimension(k) * number for k, number in self._multiplicities.items())

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The fields in their order, grouped by equal frequencies."""
        steps = sorted(set(self._multiplicities.values()))
        blocks = []
        for below, number in zip((0, *steps), steps, strict=False):
            frequencies = tuple(k for k, fields in self._multiplicities.items() if fields >= number)
            blocks.append(Block(number - below, frequencies))
        return tuple(blocks)

    @property
    def channel_frequencies(self) -> np.ndarray:
        """The frequency of every channel."""
        return np.concatenate(
            [
                np.tile(
                    np.repeat(block.frequencies, [*map(dimension, block.frequencies)]),
                    block.field_count,
                )
                for block in self.blocks
            ]
        )

    @property
    def channel_fields(self) -> np.ndarray:
        """The field, counted from 0, of every channel."""
        return np.repeat(
            np.arange(self.count),
            [block.size for block in self.blocks for _ in range(block.field_count)],
        )

    def representation(self, angle: float) -> np.ndarray:
        """Returns the matrix by which a rotation of the image multiplies every fibre.

        Args:
            angle: in radians, counter-clockwise on the screen.

        Returns:
            float64 matrix of shape `(channels, channels)`.
        """
        matrix = np.zeros((self.channels, self.channels))
        at = 0
        for block in self.blocks:
            for frequency in block.frequencies * block.field_count:
                end = at + dimension(frequency)
                matrix[at:end, at:end] = representation(frequency, angle)
                at = end
        return matrix

    def as_json(self) -> dict[str, int]:
        """Returns the multiplicities with keys for JSON; `Fields.of` reads them."""
        return {str(frequency): number for frequency, number in self._multiplicities.items()}

    def __add__(self, other: Fields) -> Fields:
        """Returns the fields of two maps that are concatenated in this order.

        Raises:
            ValueError: if `Fields` does not order the channels like this.
        """
        if not isinstance(other, Fields):
            return NotImplemented
        frequencies = {*self._multiplicities, *other._multiplicities}
        both = Fields(
            {k: sum(each._multiplicities.get(k, 0) for each in (self, other)) for k in frequencies}
        )
        if both._frequencies_of_fields() != [
            *self._frequencies_of_fields(),
            *other._frequencies_of_fields(),
        ]:
            raise ValueError(
                f"{self!r} + {other!r}: concatenated, their channels are not in the order of "
                "Fields. Give all fields the same frequencies, or put those with more frequencies "
                "first, as in Fields.regular(4, max_frequency=2) + Fields.trivial(3)."
            )
        return both

    def _frequencies_of_fields(self) -> list[tuple[int, ...]]:
        return [block.frequencies for block in self.blocks for _ in range(block.field_count)]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Fields) and self._multiplicities == other._multiplicities

    def __hash__(self) -> int:
        return hash(tuple(self._multiplicities.items()))

    def __repr__(self) -> str:
        highest = self.frequencies[-1]
        if highest == 0:
            return f"Fields.trivial({self.channels})"
        if self.multiplicities == dict.fromkeys(range(highest + 1), self.count):
            return f"Fields.regular({self.count}, max_frequency={highest})"
        return f"Fields({self._multiplicities})"


def _as_number(value: Any) -> int | None:
    """Returns an integer from 0, of Python or NumPy, as an int; None for everything else."""
    try:
        number = index(value)
    except TypeError:
        return None
    return None if isinstance(value, bool) or number < 0 else number
