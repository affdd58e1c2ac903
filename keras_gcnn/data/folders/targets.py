"""Turns what a folder or a table says of images into arrays."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from keras_gcnn.data.folders.layout import Layout
from keras_gcnn.data.folders.naming import readable
from keras_gcnn.data.folders.stored import choose

_MOST_CLASSES = 10_000
_SHOWN = 5  # of many names


@dataclass(frozen=True)
class Targets:
    """What is learned of every image.

    Args:
        values: int64 indices of shape `(n,)` for classes; float32 of shape `(n, classes)` for
            labels, 1 for those that an image has; float32 of shape `(n, 1)` for numbers; of masks
            something that behaves as an int32 array of indices, `(n, rows, columns)`.
        classes: names; of numbers none.
        strata: int64 of shape `(n,)`, by which splits are balanced.
        present: bool of shape `(n, classes)`, which classes a mask has; None without masks.
    """

    values: np.ndarray
    classes: tuple[str, ...]
    strata: np.ndarray
    present: np.ndarray | None = None

    def select(self, index: np.ndarray) -> Targets:
        """Returns the targets of some images."""
        present = None if self.present is None else self.present[index]
        return Targets(choose(self.values, index), self.classes, self.strata[index], present)

    def missing(self, index: np.ndarray) -> list[str]:
        """Returns the classes that none of some images has; [] for labels and numbers."""
        if self.present is not None:
            occurs = self.present[index].any(axis=0)
        elif self.values.ndim == 1:
            occurs = np.isin(np.arange(len(self.classes)), self.values[index])
        else:
            return []
        return [name for name, there in zip(self.classes, occurs, strict=True) if not there]


def make_targets(layout: Layout, target: str, classes: Sequence[str] | None = None) -> Targets:
    """Returns the targets of all samples of a layout.

    Args:
        layout: from `find_samples`.
        target: `"class"`, `"labels"` or `"number"`.
        classes: names of all classes, also of those without an image here; None for the classes
            that the samples have.

    Raises:
        ValueError: if there are fewer than two classes, or others than those that are given, or
            texts that are no numbers.
    """
    texts = [sample.target.strip() for sample in layout.samples]
    if target == "number":
        return _numbers(layout, texts)
    if target == "labels":
        return _labels(layout, texts, classes)
    names, index_of = _names(layout, set(texts), classes)
    values = np.array([index_of[readable(text)] for text in texts], dtype="int64")
    return Targets(values, names, values)


def _names(
    layout: Layout, found: set[str], classes: Sequence[str] | None
) -> tuple[tuple[str, ...], dict[str, int]]:
    """Returns the names of all classes, found or given, and the index of each `readable` one."""
    # Sorted before accents are spelled alike: earlier versions numbered the classes in this order.
    known = list(dict.fromkeys(map(readable, _sorted(found))))
    if classes is None:
        _check_classes(layout, known)
        return tuple(known), {name: index for index, name in enumerate(known)}
    index_of = {readable(name): index for index, name in enumerate(classes)}
    others = [name for name in known if name not in index_of]
    if others:
        raise ValueError(
            f"{layout.folder} has {', '.join(others[:_SHOWN])}, which "
            f"{'is' if len(others) == 1 else 'are'} none of the classes {', '.join(classes)}. Name "
            "classes as in the training."
        )
    return tuple(classes), index_of


def _sorted(names: set[str]) -> list[str]:
    """Returns names in order; numbers by value, so that 10 comes after 9."""
    numeric = all(name.isdecimal() for name in names)
    # By their text too: 1 and 01 have one value, and a set has no order.
    return sorted(names, key=lambda name: (int(name), name)) if numeric else sorted(names)


def _check_classes(layout: Layout, names: Sequence[str]) -> None:
    if len(names) < 2:
        raise ValueError(
            f"{layout.folder} has a single class, {', '.join(map(repr, names))}; there is nothing "
            "to tell apart. Add a folder (or a label) for each further class."
        )
    if len(names) > _MOST_CLASSES or (len(names) > 20 and len(names) == len(layout.samples)):
        raise ValueError(
            f"{layout.folder} has {len(names):,} classes for {len(layout.samples):,} images. If "
            'the labels are numbers to predict, use target = "number".'
        )


def _labels(layout: Layout, texts: Sequence[str], classes: Sequence[str] | None) -> Targets:
    """Several labels of an image are separated by ; or |, and "-" is none."""
    sets = [{part.strip() for part in re.split("[;|]", text)} - {"", "-"} for text in texts]
    names, index_of = _names(layout, set().union(*sets), classes)
    values = np.zeros((len(texts), len(names)), "float32")
    for row, labels in zip(values, sets, strict=True):
        row[[index_of[readable(label)] for label in labels]] = 1
    combinations = [tuple(sorted(labels)) for labels in sets]
    known = {each: number for number, each in enumerate(sorted(set(combinations)))}
    strata = np.array([known[each] for each in combinations], dtype="int64")
    return Targets(values, names, strata)


def _numbers(layout: Layout, texts: Sequence[str]) -> Targets:
    values = np.empty((len(texts), 1), "float32")
    for index, text in enumerate(texts):
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not abs(number) <= float(np.finfo("float32").max):  # also NaN
            raise ValueError(
                f"{layout.samples[index].path.name} has the label {text!r}, which is no finite "
                'number of float32. Correct it, or use target = "class".'
            )
        values[index] = number
    # Splits are balanced by fifths of the numbers.
    fifths = np.quantile(values[:, 0], [0.2, 0.4, 0.6, 0.8])
    return Targets(values, (), np.digitize(values[:, 0], fifths).astype("int64"))
