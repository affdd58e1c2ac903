"""Writes screenshots of the page to play with.

python -m website.play.screenshot docs/play.png
python -m website.play.screenshot docs/play_plane.png --part .latent --angle 20
python -m website.play.screenshot phone.png --width 360 --scheme dark --part body
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from website.play.browser import browser, open_page, served


def write(path: Path, width: int, height: int, scheme: str, angle: float, part: str | None) -> None:
    """Turns the digit once around, then to an angle, and writes what is seen.

    Args:
        path: file to write.
        width: pixels of the window.
        height: pixels of the window.
        scheme: `"light"` or `"dark"`.
        angle: degrees to which the digit is turned in the end.
        part: CSS selector of the part of the page to write, or None for what the window shows.
    """
    with served() as address, browser() as chromium:
        settings: dict[str, Any] = {"viewport": {"width": width, "height": height}}
        page = open_page(chromium.new_context(**settings, color_scheme=scheme), address)
        page.evaluate("play.goRound().then(() => null)")
        page.evaluate("angle => play.turnTo(angle).then(() => null)", angle)
        if part:  # is drawn only in sight, and the bar at the bottom would cover it
            page.add_style_tag(content=".turner { position: static !important }")
            height = page.evaluate("document.documentElement.scrollHeight")
            page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(500)  # until the bars have grown
        (page.locator(part) if part else page).screenshot(path=path)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", type=Path)
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=800)
    parser.add_argument("--scheme", choices=("light", "dark"), default="light")
    parser.add_argument("--angle", type=float, default=100)
    parser.add_argument("--part", help="CSS selector of a part; body is the whole page")
    write(**vars(parser.parse_args()))
