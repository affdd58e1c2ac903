"""How long it takes until there is a network: the import of the library, and building each network.

Every time is of a process of its own, in which nothing is compiled or cached in memory yet. The
import is what `import keras_gcnn` takes after `import keras`; building comes after both.

    python benchmarks/start.py
    python benchmarks/start.py --backend jax --steps 5
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator
from functools import partial

import command
import harness
import report
import typer
from places import BACKENDS, Place

IMPORT_TARGET = 0.3  # seconds
BUILD_TARGET = 3.0
# The builders' largest networks: those on P4M where there is a choice of groups.
NETWORKS = {
    "lenet": ("p4m",),
    "cohen_cnn": ("p4m",),
    "allcnn": ("p4m",),
    "resnet": ("p4m",),
    "resnet20": ("p4m",),
    "resnet26": ("p4m",),
    "resnet44": ("p4m",),
    "so2cnn": (),
    "vae": (),
}
SMALLEST = {"steps": 2, "builders": ("lenet",)}


def imports() -> list[float]:
    """Seconds of `import keras`, and of `import keras_gcnn` after it."""
    return [harness.seconds_of(partial(__import__, name)) for name in ("keras", "keras_gcnn")]


def build(builder: str) -> float:
    """Seconds of building a network."""
    from keras_gcnn import zoo

    return harness.seconds_of(partial(getattr(zoo, builder), *NETWORKS[builder]))


def compare(
    place: Place, steps: int = 3, builders: Iterable[str] = tuple(NETWORKS)
) -> Iterator[report.Row]:
    """The rows of one backend: times in seconds, each with the most that it should be."""
    imported = [place.run(imports)[1] for _ in range(steps)]
    yield _limited("import keras_gcnn after keras, s", imported, IMPORT_TARGET)
    for builder in builders:
        built = [place.run(build, builder) for _ in range(steps)]
        name = f"{builder}({', '.join(map(repr, NETWORKS[builder]))})"
        yield _limited(f"{name}, s", built, BUILD_TARGET)


def _limited(what: str, seconds: list[float], target: float) -> report.Row:
    return report.comparison(what, None, statistics.median(seconds), target=target)


def main(
    backend: command.Backends = BACKENDS,
    device: command.Devices = [],  # noqa: B006
    steps: command.Steps = 3,
    output: command.Output = None,
) -> None:
    """Prints a table of seconds."""
    where = command.places(backend, device, "channels_last")
    command.show("start", partial(compare, steps=steps), where, output)


if __name__ == "__main__":
    typer.run(main)
