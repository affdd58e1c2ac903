"""What to do instead of an argument that a layer does not take."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable, Mapping

import keras

# Keras warns of the last two itself.
_OF_EVERY_LAYER = {*inspect.signature(keras.Layer.__init__).parameters, "input_shape", "input_dim"}


def refuse_unknown(
    layer_class: type[keras.Layer], names: Iterable[str], instead_of: Mapping[str, str]
) -> None:
    """Raises a `ValueError` if a layer takes no arguments of these names.

    Keras would name them, and not say what is possible.

    Args:
        layer_class: class of the layer.
        names: names of the arguments that were given.
        instead_of: sentences that say what to do in place of arguments which users expect.
    """
    names = [name for name in names if name not in _OF_EVERY_LAYER]
    if not names:
        return
    known = known_arguments(layer_class)
    sentences = [
        f"{layer_class.__name__} has no argument {name!r}. "
        f"{instead_of.get(name) or _nearest(name, known)}"
        for name in names
        if name not in known
    ]
    if sentences:
        raise ValueError(" ".join(sentences))


def known_arguments(layer_class: type[keras.Layer]) -> tuple[str, ...]:
    """Returns the names of the arguments of a class and of all its bases, its own first."""
    names: dict[str, None] = {}
    for base in layer_class.__mro__:
        if "__init__" in vars(base) and issubclass(base, keras.Layer):
            _, *parameters = inspect.signature(vars(base)["__init__"]).parameters.values()
            open_ended = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
            names |= {each.name: None for each in parameters if each.kind not in open_ended}
    return tuple(names)


def _nearest(name: str, known: tuple[str, ...]) -> str:
    """Asks whether the most similar name was meant, or lists all of them."""
    similar = difflib.get_close_matches(name, known, n=1)
    return f"Did you mean {similar[0]!r}?" if similar else f"It takes {', '.join(known)}."
