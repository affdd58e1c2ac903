"""Tells whether a folder has the images that it had."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from keras_gcnn.data.folders.layout import Layout
from keras_gcnn.data.folders.naming import same_accents


def fingerprint_of(layout: Layout, target: str) -> str:
    """Returns a text that changes with the images of a folder, and not if the folder is moved.

    It depends on the names of the files, their sizes in bytes, and what the folder says of them. No
    file is read, so that a change that keeps the size of a file is not noticed.

    Args:
        layout: the images.
        target: `"mask"`, where the masks are files too, or another one.
    """
    facts = []
    for sample in layout.samples:
        masks = [Path(sample.target)] if target == "mask" else []
        files = [
            (_name(path, layout.folder), path.stat().st_size) for path in (sample.path, *masks)
        ]
        said = (sample.split, sample.group, "" if masks else sample.target)
        facts.append(json.dumps([files, said]))
    # Sorted: a table may have absolute paths, whose place among the others changes with the folder.
    digest = hashlib.sha256("\n".join(sorted(facts)).encode()).hexdigest()
    return f"{len(facts):,} images, {digest[:16]}"


def _name(path: Path, folder: Path) -> str:
    """Returns the path of a file from the folder, where it lies in it."""
    inside = path.relative_to(folder) if path.is_relative_to(folder) else path
    return same_accents(inside.as_posix())
