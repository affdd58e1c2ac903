"""Trained networks for use without this library: as plain Keras models and as files to serve."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keras_gcnn.export.loading import load
    from keras_gcnn.export.saving import save
    from keras_gcnn.rewriting.inference import for_inference
    from keras_gcnn.rewriting.plain import to_plain

_MODULES = {
    "for_inference": "keras_gcnn.rewriting.inference",
    "load": "keras_gcnn.export.loading",
    "save": "keras_gcnn.export.saving",
    "to_plain": "keras_gcnn.rewriting.plain",
}
__all__ = ["for_inference", "load", "save", "to_plain"]


def __getattr__(name: str) -> Any:
    # Late, so that the command reads the names of the formats before Keras's backend is chosen.
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
