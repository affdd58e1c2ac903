"""Finds the classes and functions in a configuration that would run code from elsewhere."""

from __future__ import annotations

import keras


def first_foreign(config: object, packages: tuple[str, ...], registered: bool) -> str | None:
    """Returns the name of the first thing in a configuration that may run code from elsewhere.

    Args:
        config: configuration of a model or layer from `keras.saving.serialize_keras_object`.
        packages: packages whose classes and functions are allowed.
        registered: whether classes and functions that this program has registered are allowed too.

    Returns:
        The name of a `Lambda`, or of a class or function from elsewhere; or None.
    """
    if isinstance(config, dict):
        if (name := _foreign(config, packages, registered)) is not None:
            return name
        config = list(config.values())
    if isinstance(config, list | tuple):
        names = (first_foreign(entry, packages, registered) for entry in config)
        return next(filter(None, names), None)
    return None


def _foreign(config: dict, packages: tuple[str, ...], registered: bool) -> str | None:
    name, module = config.get("class_name"), config.get("module")
    # Keras writes a lambda as an activation by its code alone.
    code = config["value"] if set(config) == {"value"} else None
    is_code = isinstance(code, list | tuple) and len(code) == 3 and isinstance(code[0], str)
    if is_code or name in ("Lambda", "__lambda__"):
        return "Lambda"
    if not isinstance(name, str):
        return None
    if not isinstance(module, str) or module.partition(".")[0] in packages:
        return None
    object_name = config.get("config") if name == "function" else name
    registered_name = object_name if name == "function" else config.get("registered_name")
    if (
        registered
        and isinstance(registered_name, str)
        and keras.saving.get_registered_object(registered_name)
    ):
        return None
    return object_name if isinstance(object_name, str) else name
