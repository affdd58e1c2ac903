"""Initial weights of the steerable convolutions."""

from __future__ import annotations

from collections import Counter

import keras
import numpy as np
from keras import ops

from keras_gcnn.backend.initial_weights import drawn_once
from keras_gcnn.groups.fields import Fields
from keras_gcnn.groups.point_group import Irrep
from keras_gcnn.groups.steerable_basis import irrep_basis
from keras_gcnn.types import Initializer, Tensor


def weight_spreads(
    fields_in: Fields,
    fields_out: Fields,
    kernel_size: int,
    dilation: int = 1,
    band_limit: float | str = 0.1,
) -> dict[tuple[Irrep, Irrep], float]:
    """Returns the standard deviation of the weights from one irrep to another.

    An output channel has about the variance of the input if the variance of its weights is one over
    the number of basis elements that reach it from all copies of an input irrep, times the number
    of input irreps that reach it.

    Args:
        fields_in: `Fields` of the input.
        fields_out: `Fields` of the output.
        kernel_size: int, rows and columns.
        dilation: int, pixels between the positions of the kernel.
        band_limit: float or `"escnn"`; see `irrep_basis`.

    Returns:
        Standard deviations by pairs of irreps, in and out, between which there is a kernel.

    References:
        Weiler & Cesa 2019, "General E(2)-Equivariant Steerable CNNs", section 2.7.
    """
    window = (kernel_size, dilation, band_limit)
    elements = {
        (m, n): copies * irrep_basis(fields_out.group, m, n, *window).count
        for m, copies in fields_in.irreps.items()
        for n in fields_out.irreps
    }
    reaching = Counter(n for (_, n), count in elements.items() if count)
    return {pair: (reaching[pair[1]] * count) ** -0.5 for pair, count in elements.items() if count}


def scaled_normal(spreads: np.ndarray) -> Initializer:
    """Returns an initializer of normal numbers with a standard deviation for every basis element.

    Args:
        spreads: standard deviations along the first axis of the weight.
    """

    def initialize(shape: tuple[int, ...], dtype: str | None = None) -> Tensor:
        draw: Initializer = drawn_once(keras.initializers.RandomNormal(stddev=1.0))
        numbers = draw(shape, dtype)
        return numbers * ops.cast(spreads[:, None, None], numbers.dtype)

    return initialize
