"""Runs the code of docs/gallery.md, and writes the plots that the page shows.

python examples/gallery.py docs/gallery
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from PIL import Image

PAGE = Path(__file__).parents[1] / "docs" / "gallery.md"
_PART = re.compile(r"```python\n(?P<code>.*?)```|!\[[^\]]*\]\(gallery/(?P<plot>[^)]+)\)", re.S)


def write(folder: Path, page: Path = PAGE, dpi: int = 130) -> list[Path]:
    """Writes the plots of a page.

    Args:
        folder: where to write; it is made if it is not there.
        page: Markdown in which every image follows the Python block that makes its `figure`.
        dpi: pixels per inch.

    Returns:
        The paths of the plots, in the order of the page.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names: dict = {}
    written = []
    for part in _PART.finditer(page.read_text("utf-8")):
        if part["code"]:
            exec(compile(part["code"], str(page), "exec"), names)
        else:
            path = folder / part["plot"]
            names.pop("figure").savefig(path, dpi=dpi)
            Image.open(path).convert("RGB").quantize(256).save(path, optimize=True)
            written.append(path)
    return written


def main(arguments: list[str] | None = None) -> None:
    """Reads the options, and writes the plots."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where to write the plots")
    for path in write(parser.parse_args(arguments).folder):
        print(path)


if __name__ == "__main__":
    main()
