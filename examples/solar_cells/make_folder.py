"""Makes a folder of images from the pictures of solar cells in the package `elpv-dataset`.

    pip install elpv-dataset
    python make_folder.py solar_cells

Experts gave each cell a probability of being defective: 0, 1/3, 2/3 or 1. The cells with a
probability of 0 or 1 are kept, 1,508 functional and 715 defective ones.
"""

from __future__ import annotations

import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

CLASSES = {"0.0": "functional", "1.0": "defective"}


def labels() -> tuple[Path, list[tuple[str, str]]]:
    """Returns the folder of the pictures, and the name of each with its probability."""
    package = find_spec("elpv_dataset")
    if package is None or not package.submodule_search_locations:
        raise SystemExit("Install the pictures first: pip install elpv-dataset")
    folder = Path(package.submodule_search_locations[0]) / "data"
    rows = [line.split() for line in (folder / "labels.csv").read_text().splitlines()]
    return folder, [(row[0], row[1]) for row in rows]


def main(target: Path) -> None:
    """Copies the pictures into a new folder, with a folder for each class."""
    if target.exists():
        raise SystemExit(f"{target} exists. Choose another name.")
    folder, rows = labels()
    for name in CLASSES.values():
        (target / name).mkdir(parents=True)
    kept = [(name, CLASSES[label]) for name, label in rows if label in CLASSES]
    for name, label in kept:
        shutil.copy(folder / name, target / label)
    print(f"{len(kept):,} of {len(rows):,} pictures are in {target}.")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "solar_cells"))
