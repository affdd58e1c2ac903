"""Notes which images of a folder networks are trained on, so that no results are of others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from keras_gcnn.training import atomic_files

FILE = "images.json"


def note(folder: Path, fingerprint: str) -> None:
    """Notes the images on which a training begins.

    Args:
        folder: of what is trained.
        fingerprint: of the data set; an empty one, of a data set with a name, is not noted.
    """
    if fingerprint:
        atomic_files.write_json(folder / FILE, {"fingerprint": fingerprint})


def check(folder: Path, fingerprint: str, what: str, images: str | None, remedy: str) -> None:
    """Checks that a training goes on with the images on which it began.

    Args:
        folder: of what is trained; if nothing was noted there, as by earlier versions, it goes on.
        fingerprint: of the data set now.
        what: subject and verb of the message, such as `"The network in a was"`.
        images: their folder.
        remedy: what the user can do besides putting the images back.

    Raises:
        ValueError: if there are other images now, or the note is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        return
    damaged = "It says which images were trained on. Delete it if they are still the same."
    noted = atomic_files.read_json(path, _is_note, damaged)["fingerprint"]
    if noted != fingerprint:
        raise ValueError(
            f"{what} trained on other images than {images} has now: {noted} then, {fingerprint} "
            "now. Results of different images do not belong in one table. Put the images back, "
            f"{remedy}"
        )


def _is_note(content: Any) -> bool:
    return isinstance(content["fingerprint"], str)
