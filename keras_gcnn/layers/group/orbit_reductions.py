"""How the results for all elements of a group become one."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from keras import ops

from keras_gcnn.backend.ops import maximum, mean
from keras_gcnn.types import Tensor

_OPS = "keras.ops."


def _logmeanexp(tensor: Tensor, axis: int) -> Tensor:
    return ops.logsumexp(tensor, axis=axis) - math.log(tensor.shape[axis])


REDUCTIONS = {"mean": mean, "max": maximum, "logmeanexp": _logmeanexp}


def check_reduction(reduce: Callable, order: int) -> None:
    """Raises a `ValueError` if a function depends on the order of results, or keeps their axis."""
    rng = np.random.default_rng(0)
    results = rng.uniform(0.1, 1, (order, 2, 3)).astype("float32")
    expected = f"reduce={reduce!r} has to be a function (tensor, axis) -> tensor over an axis of"
    try:
        first, *others = (
            ops.convert_to_numpy(reduce(ops.convert_to_tensor(each), axis=0))
            for each in (results, results[::-1].copy(), rng.permutation(results))
        )
    except (TypeError, AttributeError) as error:
        raise ValueError(f"{expected} {order} results; it raised: {error}") from error
    if first.shape != results.shape[1:]:
        raise ValueError(
            f"{expected} {order} results, which it removes; of the shape {results.shape} it made "
            f"{first.shape}."
        )
    if not all(np.allclose(first, other, 1e-4, equal_nan=True) for other in others):
        raise ValueError(
            f"{expected} {order} results that does not depend on their order, such as "
            "keras.ops.median; this one does."
        )


def name_in_ops(function: Callable) -> str | None:
    """Returns the name of a function of `keras.ops`, which Keras saves and then cannot find."""
    name = getattr(function, "__name__", "")
    return f"{_OPS}{name}" if getattr(ops, name, None) is function else None


def from_ops(name: str) -> Callable | None:
    """Returns the function with a name of `name_in_ops`, or None for other strings."""
    return getattr(ops, name.removeprefix(_OPS)) if name.startswith(_OPS) else None
