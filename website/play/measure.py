"""Measures how fast the page to play with answers, in Chromium, and what it weighs.

`python -m website.play.measure` prints the tables of docs/play.md. The digit is turned by 7 degrees
at a time, as fast as the page answers; all networks run at every turn, as they do under a hand.
"""

from __future__ import annotations

import gzip
import json
import os
import platform
import subprocess

import numpy as np

from keras_gcnn import __version__
from keras_gcnn.training import environment
from website.play.browser import CHROMIUM, PAGE, browser, open_page, served

TURNS = 200
WARM_UP = 20
TITLES = {"plain": "plain", "p4": "P4", "so2": "SO(2)"}
PARTS = {
    "plain.onnx": "plain network",
    "p4.onnx": "P4 network",
    "so2.onnx": "SO(2) network",
    "encoder.onnx": "encoder",
    "decoder.onnx": "decoder",
}
TURN = """async (turns) => {
  const times = [];
  for (let number = 0; number < turns; number++) {
    await play.turnTo(7 * number);
    times.push(play.cards.map((card) => card.milliseconds));
  }
  return times;
}"""


def milliseconds() -> np.ndarray:
    """Returns the time from a turn to the answer of each network, `(TURNS, 3)`."""
    with served() as address, browser() as chromium:
        context = chromium.new_context(viewport={"width": 1280, "height": 800})
        page = open_page(context, address)
        page.evaluate(TURN, WARM_UP)
        return np.array(page.evaluate(TURN, TURNS))


def table_of_times(times: np.ndarray) -> str:
    """Returns the table of the times."""
    lines = ["| network | median, ms | 95th percentile, ms |", "|---|---:|---:|"]
    for title, column in zip(TITLES.values(), times.T, strict=True):
        lines.append(f"| {title} | {np.median(column):.0f} | {np.percentile(column, 95):.0f} |")
    return "\n".join(lines)


def table_of_sizes() -> str:
    """Returns the table of the sizes of files, in decimal megabytes."""
    files = [(title, [PAGE / "parts" / name]) for name, title in PARTS.items()]
    files.append(("all networks", [path for _, (path,) in files]))
    runtime = list((PAGE / "runtime").iterdir())
    (packed,) = (path for path in runtime if path.suffix == ".gz")
    unpacked = len(gzip.decompress(packed.read_bytes())) / 1e6
    files.append((f"ONNX Runtime Web, which unpacks to {unpacked:.1f}", runtime))
    files.append(("the page itself", [path for path in PAGE.iterdir() if path.is_file()]))
    lines = ["| loaded | MB |", "|---|---:|"]
    for title, paths in files:
        lines.append(f"| {title} | {sum(path.stat().st_size for path in paths) / 1e6:.2f} |")
    return "\n".join(lines)


def surroundings() -> str:
    """Returns when, where and with what was measured."""
    asked = [str(CHROMIUM), "--version"]
    version = subprocess.check_output(asked, stderr=subprocess.DEVNULL, text=True)
    package = PAGE.parents[1] / "website" / "package.json"
    runtime = json.loads(package.read_text(encoding="utf-8"))["dependencies"]["onnxruntime-web"]
    facts = (
        environment.now(),
        f"keras_gcnn {__version__}",
        f"{version.split(' built')[0].strip()} without a window",
        f"ONNX Runtime Web {runtime}",
        platform.system(),
        environment.processor(),
        f"{os.cpu_count()} cores",
        f"load before {os.getloadavg()[0]:.2f}",
    )
    return ", ".join(facts)


if __name__ == "__main__":
    before = surroundings()
    print(table_of_times(milliseconds()), table_of_sizes(), before, sep="\n\n")
