"""What the configuration of a model would have Keras import or run."""

from __future__ import annotations

import keras


def first_foreign(config: object, packages: tuple[str, ...], registered: bool) -> str | None:
    """Name of the first thing in a configuration that may run code from elsewhere.

    Args:
        config: of a model or layer, as `keras.saving.serialize_keras_object` gives it.
        packages: from which classes and functions may come.
        registered: whether those may come too that this program has registered itself.

    Returns:
        The name of a `Lambda`, or of a class or function from elsewhere; or None.
    """
    if isinstance(config, dict):
        if (name := _foreign(config, packages, registered)) is not None:
            return name
        config = list(config.values())
    if isinstance(config, list | tuple):
        found = (first_foreign(one, packages, registered) for one in config)
        return next(filter(None, found), None)
    return None


def _foreign(config: dict, packages: tuple[str, ...], registered: bool) -> str | None:
    name, module = config.get("class_name"), config.get("module")
    # An activation that is a lambda is written as its code alone.
    code = config["value"] if set(config) == {"value"} else None
    bare = isinstance(code, list | tuple) and len(code) == 3 and isinstance(code[0], str)
    if bare or name in ("Lambda", "__lambda__"):
        return "Lambda"
    if not isinstance(name, str):
        return None
    if not isinstance(module, str) or module.partition(".")[0] in packages:
        return None
    called = config.get("config") if name == "function" else name
    known = called if name == "function" else config.get("registered_name")
    if registered and isinstance(known, str) and keras.saving.get_registered_object(known):
        return None
    return called if isinstance(called, str) else name
