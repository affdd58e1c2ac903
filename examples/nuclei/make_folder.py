"""Makes a folder of images and masks from the picture of nuclei in the package `stardist`.

    pip install --no-deps stardist
    python make_folder.py nuclei

The picture has 512 x 512 pixels; a mask numbers its nuclei. The left half becomes training images,
which overlap, and the right half test images, which do not.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = 64
STEP = 32  # between the training images


def pictures() -> tuple[np.ndarray, np.ndarray]:
    """Returns the picture, as uint8, and its mask."""
    package = find_spec("stardist")  # its data alone are used, so it is not imported
    if package is None or not package.submodule_search_locations:
        raise SystemExit("Install the pictures first: pip install --no-deps stardist")
    folder = Path(package.submodule_search_locations[0]) / "data" / "images"
    picture, mask = (np.asarray(Image.open(folder / f"{name}2d.tif")) for name in ("img", "mask"))
    return picture.astype("uint8"), mask  # its numbers of 16 bits are below 256


def cut(picture: np.ndarray, mask: np.ndarray, folder: Path, left: int, step: int) -> int:
    """Writes the crops of a half that begins at a column; returns their number."""
    half = picture.shape[1] // 2
    for what in ("images", "masks"):
        (folder / what).mkdir(parents=True)
    count = 0
    for row in range(0, picture.shape[0] - SIZE + 1, step):
        for column in range(left, left + half - SIZE + 1, step):
            for what, source in (("images", picture), ("masks", mask)):
                crop = source[row : row + SIZE, column : column + SIZE]
                Image.fromarray(crop).save(folder / what / f"{row:03}-{column:03}.png")
            count += 1
    return count


def main(folder: Path) -> None:
    """Writes the crops of both halves into a new folder."""
    if folder.exists():
        raise SystemExit(f"{folder} exists. Choose another name.")
    picture, mask = pictures()
    train = cut(picture, mask, folder / "train", 0, STEP)
    test = cut(picture, mask, folder / "test", picture.shape[1] // 2, SIZE)
    print(f"{train} images and masks for training and {test} for testing are in {folder}.")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "nuclei"))
