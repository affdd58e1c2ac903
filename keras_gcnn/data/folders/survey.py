"""Describes a folder of images before anything is trained."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from keras_gcnn.data.folders import cache as caching
from keras_gcnn.data.folders.blocks import count_values
from keras_gcnn.data.folders.cache import MOST_VALUES
from keras_gcnn.data.folders.decoding import BadImageError, Header, decode
from keras_gcnn.data.folders.description import list_damaged, tell_left_out
from keras_gcnn.data.folders.fitting import most_frequent_size
from keras_gcnn.data.folders.inspection import inspect
from keras_gcnn.data.folders.layout import Layout, Sample
from keras_gcnn.data.folders.masks import decode_mask, name_of
from keras_gcnn.data.folders.options import Folder

_DARK = 0.1  # of white
_SHOWN = 6  # of many classes, sizes or duplicates


@dataclass(frozen=True)
class Survey:
    """Result of `survey`; printed, it is a description.

    Args:
        layout: the images that were found.
        headers: size and kind of every image, or None for damaged ones.
        damaged: reasons, by the index of the image.
        duplicates: groups of files with the same content.
        contradictory: those of them that have several classes, labels or masks.
        pixels: of masks, how many pixels have each value.
        brightest: the largest number in all images, as a share of white.
    """

    layout: Layout
    headers: Sequence[Header | None]
    damaged: dict[int, str]
    duplicates: tuple[tuple[Path, ...], ...]
    contradictory: tuple[tuple[Path, ...], ...]
    pixels: Mapping[int, int]
    brightest: float

    @property
    def good(self) -> list[Sample]:
        """The images that can be used."""
        return [
            sample for index, sample in enumerate(self.layout.samples) if index not in self.damaged
        ]

    @property
    def sizes(self) -> Counter[tuple[int, int]]:
        """How many images there are of each number of rows and columns."""
        return Counter((each.rows, each.columns) for each in self.headers if each is not None)

    @property
    def counts(self) -> Counter[tuple[str, str]]:
        """How many images there are of each split and class."""
        return Counter((sample.split, sample.label) for sample in self.good)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """The most frequent size, with one channel if all images are grey."""
        headers = [each for each in self.headers if each is not None]
        rows, columns = most_frequent_size(headers)
        return rows, columns, max(header.channels for header in headers)

    def __str__(self) -> str:
        lines = [
            f"{self.layout.folder}: {len(self.layout.samples):,} images, {self.layout.kind}",
            *(self._mask_lines() if self.pixels else self._class_lines()),
            *self._kind_lines(),
        ]
        lines += self._other_lines()
        if self.damaged:
            paths = [sample.path for sample in self.layout.samples]
            lines += [f"damaged: {len(self.damaged):,}", *list_damaged(self.damaged, paths)]
        if self.duplicates:
            lines += self._duplicate_lines()
        return "\n".join(lines)

    def _class_lines(self) -> list[str]:
        counts = self.counts
        lines = []
        for split in sorted({split for split, _ in counts}):
            inside = {name: count for (of, name), count in counts.items() if of == split}
            if len(inside) > max(20, len(self.good) // 4):
                text = f"{len(inside):,} different labels"
            else:
                text = ", ".join(f"{name} {count:,}" for name, count in sorted(inside.items()))
                ratio = max(inside.values()) / min(inside.values())
                if ratio >= 3:
                    text += (
                        f" (the largest class is {ratio:.0f} times the smallest: consider "
                        'class_weights = "balanced")'
                    )
            lines.append(f"{split or 'classes'}: {text}")
        return lines

    def _mask_lines(self) -> list[str]:
        counts = Counter(sample.split for sample in self.good)
        lines = [f"{split}: {count:,} images" for split, count in sorted(counts.items()) if split]
        total = sum(self.pixels.values())
        values = sorted(self.pixels)
        many = len(values) > MOST_VALUES
        shown = [
            f"{name_of(value)} {self.pixels[value] / total:.2%}"
            for value in (values[:_SHOWN] if many else values)
        ]
        text = f"values of the masks, with their share of the pixels: {', '.join(shown)}"
        if many:
            text += (
                f" and {len(values) - _SHOWN:,} more; these are no classes. If they number "
                'objects, use masks = "foreground"'
            )
        elif len(values) == 1:
            text += "; there is nothing to tell apart, since a mask needs a value for each class"
        return [*lines, text]

    def _kind_lines(self) -> list[str]:
        sizes = self.sizes.most_common()
        shown = ", ".join(f"{rows} x {cols}: {count:,}" for (rows, cols), count in sizes[:_SHOWN])
        more = f", and {len(sizes) - _SHOWN} other sizes" if len(sizes) > _SHOWN else ""
        kinds = Counter(
            f"{'grey' if each.channels == 1 else 'colour'}, {each.bits} bits"
            for each in self.headers
            if each is not None
        )
        text = "; ".join(f"{kind}: {count:,}" for kind, count in kinds.most_common())
        lines = [f"sizes (rows x columns): {shown}{more}", f"kinds: {text}"]
        if stacks := sum(each.several for each in self.headers if each is not None):
            lines.append(
                f"files with several images: {stacks:,}; only the first image of a file is read. "
                "Save the others, such as further channels, as separate files"
            )
        if self.brightest < _DARK:
            lines.append(
                f"dark: the largest number is {self.brightest:.2%} of white; networks learn better "
                "from images that are scaled to the whole range"
            )
        return lines

    def _other_lines(self) -> list[str]:
        lines = []
        images = self.layout.left_out
        if images:
            which, remedy = tell_left_out(self.layout)
            lines.append(f"left out: {which}: {_named(images)}. {remedy}")
        others = sorted(set(self.layout.ignored) - set(images))
        if others:
            lines.append(f"other files: {len(others):,}, which are left out: {_named(others)}")
        return lines

    def _in_several_splits(self) -> int:
        """Returns how many of the duplicates are in several splits of the folder."""
        splits = {sample.path: sample.split for sample in self.good}
        return sum(len({splits[path] for path in group}) > 1 for group in self.duplicates)

    def _duplicate_lines(self) -> list[str]:
        count = len(self.duplicates)
        images = "1 image is" if count == 1 else f"{count:,} images are"
        lines = [f"duplicates: {images} there more than once"]
        if self.contradictory:
            several = "with several masks" if self.pixels else "in several classes"
            lines[0] += f", {len(self.contradictory):,} of them {several}"
        if shared := self._in_several_splits():
            lines[0] += (
                f", {shared:,} of them in several splits, so that results on test images are too "
                "good"
            )
        first = sorted(self.duplicates, key=lambda group: group not in self.contradictory)[:_SHOWN]
        lines += [f"  {' = '.join(map(str, group))}" for group in first]
        if len(self.duplicates) > _SHOWN:
            lines.append(f"  and {len(self.duplicates) - _SHOWN:,} more")
        return lines


def survey(options: Folder, progress: caching.Progress = caching.silent) -> Survey:
    """Looks at all images of a folder, and decodes each to find damaged ones.

    Args:
        options: the folder and how it is read.
        progress: shows progress.

    Raises:
        ValueError: if the folder has no layout that is known, or no image can be used.
    """
    options.check()
    layout = options.find()
    paths = [sample.path for sample in layout.samples]
    inspected = inspect(layout, options.target, progress=progress)
    damaged = dict(inspected.reasons)
    whole = [index for index in range(len(paths)) if index not in damaged]
    pixels: Counter[int] = Counter()
    brightest = 0.0
    results = caching.in_threads(
        partial(_decode, target=options.target), [layout.samples[index] for index in whole]
    )
    for index, result in zip(whole, progress(results, "decoding images", len(whole)), strict=True):
        if isinstance(result, str):
            damaged[index] = result
        else:
            pixels += result.pixels
            brightest = max(brightest, result.brightest)
    if len(damaged) == len(paths):
        listed = "\n".join(list_damaged(damaged, paths))
        raise ValueError(f"No image in {layout.folder} can be used:\n{listed}")
    headers = [None if index in damaged else each for index, each in enumerate(inspected.headers)]
    good = [sample for index, sample in enumerate(layout.samples) if index not in damaged]
    duplicates = _find_duplicates([sample.path for sample in good])
    contradictory = _with_several_targets(duplicates, good, options.target)
    return Survey(layout, headers, damaged, duplicates, contradictory, pixels, brightest)


@dataclass(frozen=True)
class _Facts:
    """What is told of one decoded image; see `Survey`."""

    brightest: float
    pixels: Counter[int]


def _decode(sample: Sample, target: str) -> str | _Facts:
    """Returns why an image or its mask cannot be used, or facts about it."""
    try:
        image = decode(sample.path)
    except BadImageError as error:
        return str(error)
    brightest = float(image.max() / (1 if image.dtype.kind == "f" else np.iinfo(image.dtype).max))
    if target != "mask":
        return _Facts(brightest, Counter())
    try:
        del image
        return _Facts(brightest, Counter(count_values(decode_mask(Path(sample.target)))))
    except BadImageError as error:
        return f"its mask {error}"


def _named(paths: Sequence[Path]) -> str:
    """Returns the names of the first files."""
    more = ", ..." if len(paths) > _SHOWN else ""
    return ", ".join(path.name for path in paths[:_SHOWN]) + more


def _find_duplicates(paths: Sequence[Path]) -> tuple[tuple[Path, ...], ...]:
    """Returns groups of files of equal content; only files of equal size are read."""
    by_size: defaultdict[int, list[Path]] = defaultdict(list)
    for path in paths:
        by_size[path.stat().st_size].append(path)
    groups: defaultdict[bytes, list[Path]] = defaultdict(list)
    for same in by_size.values():
        for path in same if len(same) > 1 else ():
            groups[_digest(path)].append(path)
    return tuple(tuple(group) for group in groups.values() if len(group) > 1)


def _digest(path: Path) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()


def _with_several_targets(
    duplicates: Sequence[tuple[Path, ...]], samples: Sequence[Sample], target: str
) -> tuple[tuple[Path, ...], ...]:
    """Returns the groups of equal images of which not all have the same class, or mask."""
    by_path = {sample.path: sample for sample in samples}

    def target_of(path: Path) -> str | bytes:
        sample = by_path[path]
        return _digest(Path(sample.target)) if target == "mask" else sample.label

    return tuple(group for group in duplicates if len(set(map(target_of, group))) > 1)
