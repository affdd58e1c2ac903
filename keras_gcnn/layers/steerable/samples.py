"""How many angles a layer samples fields at, and what that costs."""

from __future__ import annotations

from keras_gcnn.arguments import check_count
from keras_gcnn.groups.field_functions import function_problem, sample_points
from keras_gcnn.groups.fields import Fields

_SAMPLES = 16  # angles, unless the fields need more
_LARGEST = 1000  # angles; the highest frequency of all needs 204


def checked_samples(fields: Fields, samples: int | None) -> int:
    """Returns the number of angles at which fields are sampled; None for the default.

    Raises:
        ValueError: if the fields are no functions on their group, or the number does not fit.
    """
    for block in fields.blocks:
        problem = function_problem(block)
        if problem:
            raise ValueError(
                f"{fields!r} are no functions on {fields.group}: {problem}. Put a convolution "
                "before this layer whose fields_out are made by Fields.regular, or use "
                "NormActivation."
            )
    turns = fields.group.turns
    needed = 2 * fields.frequencies[-1] + 1
    possible = -(-max(needed, 4) // 4) * 4
    if samples is None:
        return max(possible, _SAMPLES) if turns is None else turns
    number = check_count("samples", samples)
    if turns is not None and number != turns:
        raise ValueError(
            f"samples={samples} has to be {turns}, the number of rotations in {fields.group}. "
            "Leave it out."
        )
    if turns is None and (not needed <= number <= _LARGEST or number % 4):
        raise ValueError(
            f"samples={samples} has to be a multiple of 4, so that quarter turns are exact, at "
            f"least {needed} for {fields!r}, twice the highest frequency plus one, and at most "
            f"{_LARGEST}. Use samples={possible}, or somewhat more."
        )
    return number


def sampling_products(fields: Fields, samples: int) -> int:
    """Returns the multiply-adds of the matrices from the fields at a position to their values.

    Args:
        fields: `Fields`.
        samples: number of angles; with mirrors a function has values on two sheets.
    """
    return sum(len(sample_points(block, samples)) * block.channels for block in fields.blocks)
