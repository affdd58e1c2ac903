"""Group-equivariant convolutional networks for Keras 3, on TensorFlow, JAX and PyTorch.

Importing the package registers its layers and models, so that `keras.saving.load_model` finds them.
The other parts (`data`, `analysis`, `export`, `interop`, `training`) are imported when they are
first used.
"""

import importlib
import sys
from pathlib import Path

__version__ = "0.1.0"
__all__ = [
    "analysis",
    "data",
    "distributions",
    "export",
    "groups",
    "interop",
    "layers",
    "training",
    "zoo",
]


def __getattr__(name: str):
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])


# The `keras-gcnn` command chooses Keras's backend by an option. Keras fixes its backend when it is
# imported, so the command has to read its options before that. Under `python -m keras_gcnn` the
# name is "-m" at this time, as it is for every package that is run so.
def _is_the_command() -> bool:
    name = Path(sys.argv[0] if sys.argv else "").stem
    if name != "-m":
        return name == "keras-gcnn"
    given = iter(sys.orig_argv)
    modules = (one[2:] or next(given, "") for one in given if one.startswith("-m"))
    return next(modules, "").partition(".")[0] == __name__


if not _is_the_command():
    importlib.import_module(f"{__name__}.zoo")
