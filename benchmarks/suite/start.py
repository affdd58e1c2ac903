"""Seconds until a network exists: importing the library, and building each network.

Every time is from a fresh process, in which nothing is compiled or cached in memory. The import is
that of `keras_gcnn` after `import keras`; building comes after both.

    python -m benchmarks.suite.start
    python -m benchmarks.suite.start --backend jax --steps 5
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator
from functools import partial
from inspect import signature

from benchmarks.common import command, harness, report
from benchmarks.common.environments import Environment

IMPORT_TARGET = 0.3  # seconds
BUILD_TARGET = 3.0
GROUP = "p4m"  # where it can be chosen
SMALLEST = {"steps": 2, "builders": ("lenet",)}


def imports() -> list[float]:
    """Seconds of `import keras`, and of `import keras_gcnn` after it."""
    return [harness.seconds_of(partial(__import__, name)) for name in ("keras", "keras_gcnn")]


def networks() -> dict[str, list[str]]:
    """Every builder of the zoo, and its arguments here."""
    from keras_gcnn import zoo

    return {
        builder: [GROUP] if "group" in signature(getattr(zoo, builder)).parameters else []
        for builder in (*zoo.BUILDERS, *zoo.AUTOENCODERS, *zoo.SEGMENTERS)
    }


def build(builder: str, arguments: list[str]) -> float:
    """Seconds of building a network."""
    from keras_gcnn import zoo

    return harness.seconds_of(partial(getattr(zoo, builder), *arguments))


def compare(
    environment: Environment, steps: command.Steps = 3, builders: Iterable[str] = ()
) -> Iterator[report.Row]:
    """The rows of one environment: times in seconds, each with its target."""
    imported = [environment.run(imports)[1] for _ in range(steps)]
    yield _limited("import keras_gcnn after keras, s", imported, IMPORT_TARGET)
    every = environment.run(networks)
    for builder in builders or every:
        built = [environment.run(build, builder, every[builder]) for _ in range(steps)]
        name = f"{builder}({', '.join(map(repr, every[builder]))})"
        yield _limited(f"{name}, s", built, BUILD_TARGET)


def _limited(what: str, seconds: list[float], target: float) -> report.Row:
    return report.comparison(what, None, statistics.median(seconds), target=target)


if __name__ == "__main__":
    command.run("start", compare, data_formats=False)
