"""What a feature map under continuous rotations consists of: fields and their frequencies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from operator import index

import numpy as np

from keras_gcnn.groups.harmonics import dimension, representation

_LARGEST_FREQUENCY = 100  # far beyond what an image of some hundred pixels can show


@dataclass(frozen=True)
class Block:
    """Neighbouring fields of the same frequencies.

    Attributes:
        fields: int, how many.
        frequencies: those that each of them has, increasing.
    """

    fields: int
    frequencies: tuple[int, ...]

    @property
    def size(self) -> int:
        """Channels of one field."""
        return sum(map(dimension, self.frequencies))

    @property
    def channels(self) -> int:
        """Channels of all its fields."""
        return self.fields * self.size


class Fields:
    """The channels of a feature map that turns with the image by any angle.

    A map is made of *fields*. Frequency 0 of a field is one channel, whose value stays when the
    image is turned; frequency k > 0 is a pair of channels, which turns by k times the angle:
    `rho_k(t) = [[cos kt, -sin kt], [sin kt, cos kt]]`. Multiplicities say how many fields have a
    frequency: field c has those of multiplicity above c. Channels are ordered by field, within a
    field by frequency, so that `{0: 8, 1: 4}` are four fields of channels `(0, 1, 1)`, followed by
    four of the channel `(0)`.

    Args:
        multiplicities: dict from frequencies, 0 and above, to the number of fields that have them.

    Raises:
        TypeError: if `multiplicities` is no such dict.
        ValueError: if a frequency or a multiplicity is out of its range, or there is no channel.

    Example:

    >>> from keras_gcnn.layers import Fields
    >>> fields = Fields({0: 8, 1: 4})
    >>> fields.channels, fields.representation(0.5).shape
    (16, (16, 16))
    >>> Fields.regular(16, max_frequency=5)
    Fields.regular(16, max_frequency=5)
    >>> fields + Fields.trivial(3)  # of two maps, concatenated
    Fields({0: 11, 1: 4})
    """

    def __init__(self, multiplicities: Mapping[int, int]):
        if not isinstance(multiplicities, Mapping):
            raise TypeError(
                f"Fields takes a dict from frequencies to multiplicities, e.g. {{0: 8, 1: 4}}, not "
                f"{multiplicities!r}. For plain channels use Fields.trivial(n)."
            )
        found: dict[int, int] = {}
        for key, value in multiplicities.items():
            frequency, multiplicity = _as_number(key), _as_number(value)
            if frequency is None or frequency > _LARGEST_FREQUENCY or multiplicity is None:
                raise ValueError(
                    f"Fields({dict(multiplicities)!r}): {key!r}: {value!r} has to be a frequency "
                    f"from 0 to {_LARGEST_FREQUENCY} and the number of fields that have it."
                )
            if multiplicity:
                found[frequency] = multiplicity
        if not found:
            raise ValueError(
                f"Fields({dict(multiplicities)!r}) has no channel. Give at least one frequency a "
                "multiplicity of 1 or more."
            )
        self._multiplicities = dict(sorted(found.items()))

    @classmethod
    def trivial(cls, channels: int) -> Fields:
        """Channels that are pictures, such as those of an image: frequency 0 only."""
        return cls({0: channels})

    @classmethod
    def regular(cls, fields: int, max_frequency: int) -> Fields:
        """Fields with every frequency up to `max_frequency`: band-limited functions of angle."""
        highest = _as_number(max_frequency)
        if highest is None or highest > _LARGEST_FREQUENCY:
            raise ValueError(
                f"max_frequency={max_frequency!r} has to be an integer from 0 to "
                f"{_LARGEST_FREQUENCY}."
            )
        return cls(dict.fromkeys(range(highest + 1), fields))

    @classmethod
    def of(cls, value: Fields | Mapping[int, int]) -> Fields:
        """Fields as they are, from their multiplicities, or from `as_json`."""
        if isinstance(value, Fields):
            return value
        if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
            # From JSON, which has no numbers as keys.
            value = {int(key) if key.isdecimal() else key: most for key, most in value.items()}
        return cls(value)

    @property
    def multiplicities(self) -> dict[int, int]:
        """How many fields have a frequency, by frequency."""
        return dict(self._multiplicities)

    @property
    def frequencies(self) -> tuple[int, ...]:
        """The frequencies that some field has, increasing."""
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
        """The fields in their order, those of the same frequencies together."""
        steps = sorted(set(self._multiplicities.values()))
        blocks = []
        for below, number in zip((0, *steps), steps, strict=False):
            frequencies = tuple(k for k, most in self._multiplicities.items() if most >= number)
            blocks.append(Block(number - below, frequencies))
        return tuple(blocks)

    @property
    def channel_frequencies(self) -> np.ndarray:
        """The frequency of every channel."""
        return np.concatenate(
            [
                np.tile(np.repeat(one.frequencies, [*map(dimension, one.frequencies)]), one.fields)
                for one in self.blocks
            ]
        )

    @property
    def channel_fields(self) -> np.ndarray:
        """The field, counted from 0, of every channel."""
        return np.repeat(
            np.arange(self.count), [one.size for one in self.blocks for _ in range(one.fields)]
        )

    def representation(self, angle: float) -> np.ndarray:
        """What turning the image does to the channels.

        Args:
            angle: in radians, counter-clockwise on the screen.

        Returns:
            float64 matrix of shape `(channels, channels)` by which every fibre is multiplied.
        """
        matrix = np.zeros((self.channels, self.channels))
        at = 0
        for block in self.blocks:
            for frequency in block.frequencies * block.fields:
                end = at + dimension(frequency)
                matrix[at:end, at:end] = representation(frequency, angle)
                at = end
        return matrix

    def as_json(self) -> dict[str, int]:
        """The multiplicities as JSON keeps them; `Fields.of` reads them."""
        return {str(frequency): number for frequency, number in self._multiplicities.items()}

    def __add__(self, other: Fields) -> Fields:
        """What the channels of two maps, concatenated in this order, consist of.

        Raises:
            ValueError: if that is not the order in which `Fields` has the channels.
        """
        if not isinstance(other, Fields):
            return NotImplemented
        frequencies = {*self._multiplicities, *other._multiplicities}
        both = Fields(
            {k: sum(one._multiplicities.get(k, 0) for one in (self, other)) for k in frequencies}
        )
        if both._frequencies_of_fields() != [
            *self._frequencies_of_fields(),
            *other._frequencies_of_fields(),
        ]:
            raise ValueError(
                f"{self!r} + {other!r}: concatenated, their channels are not in the order that "
                "Fields has. All fields should have the same frequencies, or those with more of "
                "them come first, as in Fields.regular(4, max_frequency=2) + Fields.trivial(3)."
            )
        return both

    def _frequencies_of_fields(self) -> list[tuple[int, ...]]:
        return [block.frequencies for block in self.blocks for _ in range(block.fields)]

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


def _as_number(value: object) -> int | None:
    """An integer from 0, of Python or NumPy; None for everything else."""
    try:
        number = index(value)
    except TypeError:
        return None
    return None if isinstance(value, bool) or number < 0 else number
