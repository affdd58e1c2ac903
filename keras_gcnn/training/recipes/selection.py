"""Selects the networks and seeds of a recipe that a call trains."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from keras_gcnn.training.recipes.schema import Recipe


def choose(
    recipe: Recipe, networks: Collection[str] | None, seeds: Collection[int] | None
) -> list[tuple[str, int]]:
    """Returns names and seeds of the networks to train, in the order of training.

    Args:
        recipe: with all networks.
        networks: names of networks; None for all.
        seeds: seeds; None for all.

    Raises:
        ValueError: if the recipe has no such networks or seeds, or nothing is left.
    """
    pairs = [(table.name, seed) for table, seed in recipe.networks]
    _check("networks", networks, [table.name for table in recipe.models], "--networks")
    _check("seeds", seeds, list(dict.fromkeys(seed for _, seed in pairs)), "--seed")
    chosen = [
        (name, seed)
        for name, seed in pairs
        if (networks is None or name in networks) and (seeds is None or seed in seeds)
    ]
    if not chosen:
        available = "; ".join(
            f"{table.name} with {', '.join(map(str, recipe.seeds_of(table)))}"
            for table in recipe.models
        )
        raise ValueError(
            f"networks={networks!r} and seeds={seeds!r} leave nothing to train. The recipe has "
            f"these networks with these seeds: {available}."
        )
    return chosen


def _check(argument: str, given: Any, known: list[Any], option: str) -> None:
    if given is None:
        return
    # A string is a collection too, of letters.
    if isinstance(given, str) or not isinstance(given, Collection):
        raise ValueError(
            f"{argument}={given!r}: expected a list of some of {', '.join(map(str, known))}, e.g. "
            f"{argument}={known[:1]!r}."
        )
    unknown = [value for value in given if value not in known]
    if unknown:
        names = ", ".join(map(str, known))
        example = " ".join(f"{option} {value}" for value in known[:2])
        raise ValueError(
            f"{argument}={given!r}: the recipe has no {', '.join(map(repr, unknown))}. Give some "
            f"of {names}; on the command line, repeat the option: {example}."
        )
