"""Which networks of a recipe, with which of its seeds, are trained in a call."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from keras_gcnn.training.recipes.schema import Recipe


def choose(
    recipe: Recipe, networks: Collection[str] | None, seeds: Collection[int] | None
) -> list[tuple[str, int]]:
    """Names and seeds of the networks to train, in the order of training.

    Args:
        recipe: what may be trained.
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
        having = "; ".join(
            f"{table.name} with {', '.join(map(str, recipe.seeds_of(table)))}"
            for table in recipe.models
        )
        raise ValueError(
            f"networks={networks!r} and seeds={seeds!r} leave nothing to train. The recipe has "
            f"these networks with these seeds: {having}."
        )
    return chosen


def _check(what: str, asked: Any, known: list[Any], option: str) -> None:
    if asked is None:
        return
    # A lone string is a collection too, of letters.
    if isinstance(asked, str) or not isinstance(asked, Collection):
        raise ValueError(
            f"{what}={asked!r}: expected a list, with some of {', '.join(map(str, known))}, e.g. "
            f"{what}={known[:1]!r}."
        )
    unknown = [one for one in asked if one not in known]
    if unknown:
        every = " ".join(f"{option} {one}" for one in known[:2])
        raise ValueError(
            f"{what}={asked!r}: the recipe has no {', '.join(map(repr, unknown))}. Give some of "
            f"{', '.join(map(str, known))}; on the command line, each with an option of its own: "
            f"{every}."
        )
