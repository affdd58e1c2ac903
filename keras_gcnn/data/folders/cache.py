"""Decodes the images of a folder once, into a file from which they are read."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from keras_gcnn.data.folders.decoding import BadImageError, Header, decode, read_header
from keras_gcnn.data.folders.fitting import Shape, fit_image
from keras_gcnn.data.folders.stored import StoredImages
from keras_gcnn.full_disk import explain_full_disk

FOLDER_VARIABLE = "KERAS_GCNN_CACHE"
_FORMAT = 1  # of the files; another number makes them anew
_AT_ONCE = 64  # images that are decoded ahead of what is written

Progress = Callable[[Iterable, str, int], Iterable]
"""Shows progress: `(items, what is done, number of items) -> the items`."""


def silent(items: Iterable, label: str, total: int) -> Iterable:
    """Shows no progress."""
    return items


def in_threads(work: Callable, items: Sequence, workers: int | None = None) -> Iterator:
    """Yields `work(item)` in the order of the items, with few results in the memory.

    Args:
        work: function of an item.
        items: to work on.
        workers: number of threads; None for one per processor.
    """
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        remaining = iter(items)
        waiting = deque(pool.submit(work, item) for item in islice(remaining, _AT_ONCE))
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(pool.submit(work, item) for item in islice(remaining, 1))
            yield result


@dataclass(frozen=True)
class Inspected:
    """What is known of the image files before they are decoded.

    Args:
        headers: size and kind of each, or None for those that cannot be used.
        reasons: dict from the index of each of the others to the reason.
    """

    headers: list[Header | None]
    reasons: dict[int, str]


def inspect(
    paths: Sequence[Path], workers: int | None = None, progress: Progress = silent
) -> Inspected:
    """Reads the headers of image files."""
    headers: list[Header | None] = []
    reasons: dict[int, str] = {}
    results = in_threads(_header_or_reason, paths, workers)
    for index, result in enumerate(progress(results, "looking at images", len(paths))):
        headers.append(result if isinstance(result, Header) else None)
        if isinstance(result, str):
            reasons[index] = result
    return Inspected(headers, reasons)


def _header_or_reason(path: Path) -> Header | str:
    try:
        return read_header(path)
    except BadImageError as error:
        return str(error)


def cache_folder(given: str | Path | None = None) -> Path:
    """Returns the folder of decoded images: the given one, KERAS_GCNN_CACHE, or the user's."""
    if given is not None:
        return Path(given)
    if os.environ.get(FOLDER_VARIABLE):
        return Path(os.environ[FOLDER_VARIABLE])
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "keras_gcnn" / "images"


def store(
    paths: Sequence[Path],
    shape: Shape,
    stored: str,
    folder: Path,
    workers: int | None = None,
    progress: Progress = silent,
) -> tuple[StoredImages, dict[int, str]]:
    """Decodes images into a file, or finds the file of an earlier call.

    A file is found if the images have the names, sizes and times of change that they had. It is
    written under another name and then moved, so that a killed process leaves no half of one.

    Args:
        paths: of the images.
        shape: to which they are brought.
        stored: type of the numbers: `"uint8"`, `"uint16"` or `"float32"`.
        folder: for the file.
        workers: number of threads; None for one per processor.
        progress: shows progress.

    Returns:
        The images, with zeros in place of damaged ones, and a dict from the indices of the damaged
        ones to the reasons.

    Raises:
        FullDiskError: if there is no space for the file.
        ValueError: if the folder cannot be written.
    """
    name = _key(paths, shape, stored)
    facts, numbers = folder / f"{name}.json", folder / f"{name}.images"
    all_shape = (len(paths), shape.rows, shape.columns, shape.channels)
    size = int(np.prod(all_shape)) * np.dtype(stored).itemsize
    found = _read_facts(facts)
    if found is not None and numbers.is_file() and numbers.stat().st_size == size:
        return StoredImages(numbers, all_shape, stored), found
    temporary = folder / f".partial-{uuid.uuid4().hex[:8]}"
    reasons: dict[int, str] = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with explain_full_disk(numbers):
            work = in_threads(lambda path: _fitted(path, shape, stored), paths, workers)
            with temporary.open("wb") as file:
                for index, result in enumerate(progress(work, "decoding images", len(paths))):
                    if isinstance(result, str):
                        reasons[index] = result
                        result = np.zeros(all_shape[1:], stored)
                    file.write(result.data)
            temporary.replace(numbers)
            temporary.write_text(json.dumps(reasons), encoding="utf-8")
            temporary.replace(facts)  # last: with it the images are complete
    except (PermissionError, FileExistsError, NotADirectoryError) as error:
        raise ValueError(
            f"{folder} cannot be written: {error.strerror}. Set cache=, or the environment "
            f"variable {FOLDER_VARIABLE}, to a folder for decoded images."
        ) from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    return StoredImages(numbers, all_shape, stored), reasons


def _key(paths: Sequence[Path], shape: Shape, stored: str) -> str:
    """Returns a name for the images as they are now."""
    digest = hashlib.sha256(json.dumps([_FORMAT, asdict(shape), stored]).encode())
    for path in paths:
        status = path.stat()
        line = f"\n{os.fsencode(path.resolve())!r} {status.st_size} {status.st_mtime_ns}"
        digest.update(line.encode())
    return digest.hexdigest()[:24]


def _read_facts(path: Path) -> dict[int, str] | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {int(index): str(reason) for index, reason in content.items()}
    except (OSError, ValueError, AttributeError):
        return None


def _fitted(path: Path, shape: Shape, stored: str) -> np.ndarray | str:
    """Returns the numbers of an image as they are stored, or why it cannot be used."""
    try:
        image = decode(path)
    except BadImageError as error:
        return str(error)
    return np.ascontiguousarray(as_type(fit_image(image, shape), stored))


def as_type(image: np.ndarray, stored: str) -> np.ndarray:
    """Returns an image in another type, in which the same number is white."""
    if image.dtype == stored:
        return image
    white = {"u": lambda dtype: np.iinfo(dtype).max, "f": lambda dtype: 1}
    before, after = (np.dtype(each) for each in (image.dtype, stored))
    scaled = image * (white[after.kind](after) / white[before.kind](before))
    return (scaled if after.kind == "f" else np.round(scaled)).astype(after)
