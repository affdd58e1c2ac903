"""The warning about equivariance that breaks, and where it points to."""

from __future__ import annotations

import sys
import warnings

import keras


class EquivarianceWarning(UserWarning):
    """Issued when a layer does not commute with its group as it was built."""


def report_broken(layer: keras.Layer, problem: str, fix: str, equivariance: str) -> None:
    """Warns or raises that `layer` is not equivariant as it was built.

    Args:
        layer: the layer.
        problem: what breaks the equivariance, a clause.
        fix: how to fix it, an imperative clause.
        equivariance: `"warn"`, `"strict"` or `"ignore"`.

    Raises:
        ValueError: if `equivariance` is `"strict"`.
    """
    warn_or_raise(broken_message(layer, problem, fix), equivariance)


def broken_message(layer: keras.Layer, problem: str, fix: str) -> str:
    """Returns the message that `layer` is not equivariant; see `report_broken`."""
    return f"{type(layer).__name__} {layer.name!r} is not equivariant: {problem}. To fix: {fix}."


def warn_or_raise(message: str, equivariance: str) -> None:
    """Warns, raises a `ValueError` or does nothing, depending on `equivariance`."""
    if equivariance == "strict":
        raise ValueError(message)
    if equivariance == "warn":
        warnings.warn(message, EquivarianceWarning, stacklevel=frames_to_caller())


def frames_to_caller() -> int:
    """Returns the stack level of the line outside of this library and Keras, for a warning."""
    frame, frames = sys._getframe(1), 1
    while frame.f_back and frame.f_globals["__name__"].startswith(("keras_gcnn.", "keras.")):
        frame, frames = frame.f_back, frames + 1
    return frames
