"""The table `[data]` of a recipe: a data set by its name, or a folder of images."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from keras_gcnn.training.recipes.table import Table

_DEFAULT = "digits"  # the name of the data set of a recipe that has none

FOLDER_KEYS = (
    *("target", "masks", "test", "size", "fit", "color", "interpolation", "damaged"),
    *("table", "file_column", "label_column", "group_column", "split_column"),
)
"""Keys of `[data]` that only a folder of images takes."""

REPLACED = {"name": ("folder", *FOLDER_KEYS), "folder": ("name",)}
"""Keys of a recipe's `[data]` that are left out if another name or folder is given for a run."""


def as_noted_now(recipe: dict[str, Any]) -> dict[str, Any]:
    """Returns the recipe that a run noted; earlier versions noted a name beside a folder too."""
    data = recipe.get("data")
    if not isinstance(data, dict) or data.get("folder") is None:
        return recipe
    return {**recipe, "data": {**data, "name": None}}


def folder_name(folder: Path) -> str:
    """Returns the name of a folder, also if its path has none, such as "." or ".."."""
    name = folder.name if folder.name not in ("", "..") else folder.resolve().name
    return name or str(folder)


def _check_share(value: Any) -> Any:
    # One check for both types: for a union, pydantic would report one error per member.
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if number and value > 0 and (isinstance(value, int) or value < 1):
        return value
    raise ValueError(
        "Input should be a share of the images, a float above 0 and below 1, or a number of "
        "images, an integer from 1"
    )


class DataTable(Table):
    """`[data]`: arguments of `keras_gcnn.data.load`, or with `folder` of `load_folder`."""

    name: str | None = None  # "digits", unless there is a folder
    folder: str | None = None  # of images, in place of name
    validation: int | float = 0.1
    subset: Annotated[int, Field(gt=0)] | None = None
    test_subset: Annotated[int, Field(gt=0)] | None = None
    rotate: tuple[Literal["train", "validation", "test"], ...] = Field((), strict=False)
    # What follows is for folders.
    # Of an image, by its folder or the table, or with "mask" of every pixel.
    target: Literal["class", "labels", "number", "mask"] = "class"
    masks: Literal["values", "foreground"] = "values"  # every value is a class, or every but 0
    test: int | float = 0.2
    size: tuple[int, int] | None = None  # or a single number
    fit: Literal["crop", "pad", "stretch", "center"] = "crop"
    color: Literal["auto", "grey", "rgb"] = "auto"
    interpolation: Literal["bilinear", "nearest", "bicubic", "lanczos"] = "bilinear"
    table: str | None = None
    file_column: str | None = None
    label_column: str | None = None
    group_column: str | None = None
    split_column: str | None = None
    damaged: Literal["stop", "skip"] = "stop"

    @property
    def title(self) -> str:
        """The name of the data set or of the folder."""
        return str(self.name) if self.folder is None else folder_name(Path(self.folder))

    @model_validator(mode="before")
    @classmethod
    def _is_some_data_set(cls, table: Any) -> Any:
        if isinstance(table, dict) and table.get("name") is None and table.get("folder") is None:
            return {**table, "name": _DEFAULT}
        return table

    @model_validator(mode="after")
    def _belong_together(self) -> DataTable:
        if self.folder is None:
            defaults = type(self).model_fields
            lost = [key for key in FOLDER_KEYS if getattr(self, key) != defaults[key].default]
            if lost:
                raise ValueError(f"{', '.join(lost)}: only for a folder of images, folder = ...")
        elif self.name is not None:
            raise ValueError("name and folder are two data sets; leave one of them out")
        elif self.rotate:
            raise ValueError("rotate is for data sets with a name; see training.augment")
        return self

    @field_validator("folder", "table")
    @classmethod
    def _in_the_home_folder(cls, value: str | None) -> str | None:
        """Replaces a ~ at the beginning, as a shell does."""
        return value and os.path.expanduser(value)

    @field_validator("size", mode="before")
    @classmethod
    def _is_size(cls, value: Any) -> Any:
        if value is None:
            return None
        sizes = value if isinstance(value, list | tuple) else [value, value]
        whole = all(isinstance(each, int) and not isinstance(each, bool) for each in sizes)
        if len(sizes) == 2 and whole and min(sizes) > 0:
            return tuple(sizes)
        raise ValueError("Input should be a number of pixels, or [rows, columns]")

    @field_validator("test", mode="before")
    @classmethod
    def _is_share_of_all(cls, value: Any) -> Any:
        return 0 if value in (0, 0.0) and not isinstance(value, bool) else _check_share(value)

    @field_validator("validation", mode="before")
    @classmethod
    def _is_share_or_number(cls, value: Any) -> Any:
        return _check_share(value)
