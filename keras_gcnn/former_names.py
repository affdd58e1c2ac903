"""Arguments of the zoo's builders that version 0.1 called by other names.

Recipes, cards of published weights and results of searches name these arguments. Their files are
read before Keras is imported, hence a module that imports nothing of the library.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def update(builder: str, arguments: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Renames the arguments of a builder that version 0.1 called otherwise.

    Args:
        builder: name of the builder.
        arguments: its arguments, by the names of any version.

    Returns:
        The arguments by their present names, and a sentence about each that was renamed.
    """
    arguments, renamed = dict(arguments), []
    variant = arguments.get("variant")
    if isinstance(variant, str) and variant == "seed":
        arguments["variant"] = "report"
        renamed.append('variant="seed" is called variant="report" now.')
    if builder == "so2cnn" and "fields" in arguments and "widths" not in arguments:
        arguments["widths"] = arguments.pop("fields")
        renamed.append("the argument `fields` is called `widths` now.")
    return arguments, renamed


def update_table(table: Any) -> Any:
    """Renames the arguments in a table of a recipe, one with the keys `builder` and `arguments`.

    Anything else is returned as it is, for the recipe's own checks to refuse.
    """
    if not isinstance(table, Mapping) or not isinstance(table.get("arguments"), Mapping):
        return table
    arguments, _ = update(str(table.get("builder")), table["arguments"])
    return {**table, "arguments": arguments}
