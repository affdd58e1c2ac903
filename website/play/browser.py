"""Opens the page to play with in Chromium, for its tests, measurements and screenshots.

Chromium is that of the system, driven by Playwright; Debian has the one, PyPI the other:

    apt-get install chromium
    pip install playwright
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "play"
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)


def what_is_missing() -> str:
    """Returns what keeps the page from being opened, in one line, or nothing."""
    if not find_spec("playwright"):
        return "the page needs Playwright: pip install playwright"
    if CHROMIUM is None:
        return "the page needs Chromium: apt-get install chromium"
    if not (PAGE / "parts" / "done").exists():
        return "`make docs` makes what the page loads"
    return ""


class _QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Prints nothing."""


@contextmanager
def served(folder: Path = PAGE) -> Iterator[str]:
    """Serves the page, or a copy of it, on 127.0.0.1, and yields its address."""
    handler = partial(_QuietHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@contextmanager
def browser() -> Iterator[Any]:
    """Starts Chromium without a window, and yields Playwright's browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM)
        yield chromium
        chromium.close()


def open_page(context: Any, address: str) -> Any:
    """Opens the page in a context of the browser, and waits until it can be used."""
    page = context.new_page()
    page.goto(address)
    page.wait_for_selector("body[data-state=ready]", timeout=60_000)
    return page
