"""Group-equivariant convolutional networks for Keras 3, on TensorFlow, JAX and PyTorch.

Importing the package registers its layers, models and losses, so that `keras.saving.load_model`
finds them. `convert`, `symmetrize` and `restrict`, which make networks of other models, and the
other parts (`data`, `analysis`, `export`, `interop`, `training`, `tuning`) are imported on first
use.
"""

import importlib
import sys
from pathlib import Path
from typing import Any

__version__ = "0.2.0"
__all__ = [
    "analysis",
    "data",
    "distributions",
    "export",
    "groups",
    "interop",
    "layers",
    "losses",
    "training",
    "tuning",
    "zoo",
]
_FUNCTIONS = {  # from model to model, each with its file
    "convert": "rewriting.equivariant.conversion",
    "restrict": "rewriting.restricting",
    "symmetrize": "rewriting.symmetrize",
}
_EXTRAS = {"training": "train", "tuning": "tune"}  # parts that need more than Keras and NumPy


def __getattr__(name: str) -> Any:
    if name in _FUNCTIONS:
        return getattr(importlib.import_module(f"{__name__}.{_FUNCTIONS[name]}"), name)
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return importlib.import_module(f"{__name__}.{name}")
    except ModuleNotFoundError as error:
        if name not in _EXTRAS or str(error.name).partition(".")[0] == __name__:
            raise
        extra = _EXTRAS[name]
        raise ImportError(
            f"{error}. keras_gcnn.{name} needs further packages: "
            f"pip install 'keras-gcnn[{extra}]', or from a clone pip install -e '.[{extra}]'."
        ) from None


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__, *_FUNCTIONS])


# The `keras-gcnn` command chooses Keras's backend by an option. Keras fixes its backend when it is
# imported, so the command has to read its options first. While `python -m` imports a package, the
# name of the program is "-m".
def _is_the_command() -> bool:
    name = Path(sys.argv[0] if sys.argv else "").stem
    if name != "-m":
        return name == "keras-gcnn"
    arguments = iter(sys.orig_argv)
    modules = (
        argument[2:] or next(arguments, "") for argument in arguments if argument.startswith("-m")
    )
    return next(modules, "").partition(".")[0] == __name__


if not _is_the_command():
    for _part in ("zoo", "losses"):
        importlib.import_module(f"{__name__}.{_part}")
