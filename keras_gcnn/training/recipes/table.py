"""What all tables of recipes have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Table(BaseModel):
    """A table of a recipe, whose keys are checked."""

    # Strict: a value is used as written, or rejected; "3" does not become 3, nor true 1. Only lists
    # become tuples, in fields with strict=False.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
