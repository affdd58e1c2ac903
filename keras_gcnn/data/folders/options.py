"""How a folder of images is read, checked before anything is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from keras_gcnn.arguments import check_choice, is_integer
from keras_gcnn.data.folders.decoding import Header
from keras_gcnn.data.folders.fitting import FITS, INTERPOLATIONS, Shape, most_frequent_size
from keras_gcnn.data.folders.layout import TARGETS, Layout, find_samples
from keras_gcnn.data.folders.masks import KINDS
from keras_gcnn.data.folders.table import Table

COLORS = ("auto", "grey", "rgb")
MOST_ROWS = 8192


@dataclass(frozen=True)
class Folder:
    """A folder of images and how it is read; the arguments of `load_folder`."""

    path: Path
    target: str = "class"
    size: int | tuple[int, int] | None = None
    fit: str = "crop"
    color: str = "auto"
    interpolation: str = "bilinear"
    table: str | Path | None = None
    file_column: str | None = None
    label_column: str | None = None
    group_column: str | None = None
    split_column: str | None = None
    masks: str = "values"
    classes: tuple[str, ...] | None = None
    damaged: str = "stop"

    def check(self) -> None:
        """Checks the arguments before anything is read.

        Raises:
            ValueError: if one is not possible.
        """
        check_choice("target", self.target, TARGETS)
        check_choice("fit", self.fit, FITS)
        check_choice("color", self.color, COLORS)
        check_choice("interpolation", self.interpolation, INTERPOLATIONS)
        check_choice("masks", self.masks, KINDS)
        if self.masks != "values" and self.target != "mask":
            raise ValueError(f'masks="{self.masks}" is for target="mask"; it is "{self.target}".')
        if self.classes is not None and self.target == "number":
            raise ValueError('classes are names, and target="number" has none. Leave them out.')
        if self.table is not None and self.target == "mask":
            raise ValueError(
                f"table={str(self.table)!r} is not read with masks, which are the files of the "
                "folder masks. Leave it out."
            )
        check_choice("damaged", self.damaged, ("stop", "skip"))
        if self.size is not None:
            sizes = self.size if isinstance(self.size, tuple | list) else (self.size, self.size)
            valid = len(sizes) == 2 and all(map(is_integer, sizes))
            if not valid or not all(1 <= each <= MOST_ROWS for each in sizes):
                raise ValueError(
                    f"size={self.size!r} has to be a number of pixels from 1 to {MOST_ROWS}, or a "
                    "pair of them (rows, columns)."
                )
        columns = (self.file_column, self.label_column, self.group_column, self.split_column)
        if self.table is None and any(columns):
            raise ValueError("Columns are those of a table: name the CSV file, table=...")

    def find(self) -> Layout:
        """Finds the images."""
        table = self.table and Table(
            Path(self.table),
            file_column=self.file_column,
            label_column=self.label_column,
            group_column=self.group_column,
            split_column=self.split_column,
        )
        layout = find_samples(self.path, self.target, table or None)
        if not layout.samples:
            raise ValueError(f"{self.path} holds no images.")
        return layout

    def shape_for(self, headers: list[Header]) -> Shape:
        """Returns the shape to which images of these sizes and colours are brought."""
        if self.size is None:
            rows, columns = most_frequent_size(headers)
        elif isinstance(self.size, tuple | list):
            rows, columns = self.size
        else:
            rows = columns = self.size
        grey = all(header.channels == 1 for header in headers)
        channels = {"auto": 1 if grey else 3, "grey": 1, "rgb": 3}[self.color]
        return Shape(rows, columns, channels, self.fit, self.interpolation)
