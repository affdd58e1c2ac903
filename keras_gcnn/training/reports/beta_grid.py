"""Tables of autoencoders that differ in beta and in the dimension of their latent space."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from keras_gcnn.training.recipes.schema import Recipe

_MEASURES = ("validation loss", "reconstruction", "KL")
_BY = ("latent_dim", "beta")


def grid_markdown(runs: dict[str, list[dict[str, Any]]], recipe: Recipe) -> str | None:
    """Returns tables with a row for each dimension and a column for each beta.

    Args:
        runs: dict from the name of a network to its results, one per seed.
        recipe: what was trained.

    Returns:
        Markdown, or None if the networks do not differ in both, or differ in something else.
    """
    places: dict[tuple[Any, ...], str] = {}
    for table in recipe.models:
        rest = {key: value for key, value in table.arguments.items() if key not in _BY}
        place = tuple(table.arguments.get(key) for key in _BY)
        if rest != {key: recipe.models[0].arguments.get(key) for key in rest}:
            return None
        if not all(isinstance(value, int | float) for value in place):  # a schedule of beta
            return None
        places[place] = table.name
    dims, betas = (sorted({place[axis] for place in places}) for axis in (0, 1))
    if min(len(dims), len(betas)) < 2 or len(places) < len(recipe.models):
        return None
    lines = [f"# {recipe.title}", "", "Means over the seeds, in nats per image."]
    for measure in _MEASURES:
        heads = " | ".join(f"beta {beta:g}" for beta in betas)
        lines += ["", f"## {measure}", "", f"| dimension | {heads} |", "|---:" * (len(betas) + 1)]
        lines[-1] += "|"
        for dim in dims:
            cells = [_mean(runs.get(places.get((dim, beta), ""), ()), measure) for beta in betas]
            lines.append(f"| {dim} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _mean(runs: Sequence[dict[str, Any]], measure: str) -> str:
    return f"{statistics.mean(run['measures'][measure] for run in runs):.2f}" if runs else "-"
