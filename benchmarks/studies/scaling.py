"""How a layer's time and memory grow, and how close the time is to the limit of the machine.

Measures two equal layers, forward and backward, while one of batch, image, channels, group, kernel
and frequency changes and the others stay. Beside it is the least possible time: that of the
operations at the speed of a large matrix product, or of the bytes at the speed of a copy, whichever
is longer; both speeds are measured in the same process. Writes `scaling.md` and `scaling.png`.

    python -m benchmarks.studies.scaling
    python -m benchmarks.studies.scaling --backend torch --folder /tmp
"""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.common import command, harness, report
from benchmarks.common.environments import Environment

PASSES = 5  # two forward, two gradients of kernels, one of the map between: equal work each
FLOAT = 4  # bytes
TITLES = {
    "batch": "images",
    "size": "rows and columns",
    "channels": "channels, with orientations",
    "group": "elements of the group, at equal channels",
    "kernel": "rows and columns of the kernel",
    "frequency": "highest frequency of 8 fields",
}


@dataclass(frozen=True)
class Setting:
    """A layer and its input; the layer is steerable if there is a frequency."""

    batch: int = 32
    size: int = 28
    channels: int = 64
    group: str = "p4"
    kernel: int = 3
    frequency: int | None = None


AXES: dict[str, list[Any]] = {
    "batch": [8, 16, 32, 64, 128],
    "size": [28, 56, 112, 224],
    "channels": [16, 32, 64, 128],
    "group": ["z2", "p4", "p4m"],
    "kernel": [1, 3, 5, 7],
    "frequency": [0, 1, 2, 3, 4, 5, 6],
}


def settings(axis: str) -> list[Setting]:
    """The settings along an axis."""
    base = replace(Setting(), batch=4, channels=32) if axis == "size" else Setting()
    return [replace(base, **{axis: value}) for value in AXES[axis]]


def channels(setting: Setting) -> int:
    """Channels of the maps, with orientations or frequencies."""
    return setting.channels if setting.frequency is None else 8 * (2 * setting.frequency + 1)


def operations(setting: Setting) -> float:
    """Multiplications and additions of a step of stock convolutions.

    Products with the padding are left out, as a convolution may skip them.
    """
    around = setting.kernel // 2
    taps = setting.size * setting.kernel - around * (around + 1)  # of a row, inside the map
    return PASSES * 2 * setting.batch * taps**2 * channels(setting) ** 2


def moved_bytes(setting: Setting) -> float:
    """Bytes of a step; each pass reads or writes two maps and a kernel."""
    maps = 2 * setting.batch * setting.size**2 * channels(setting)
    return PASSES * FLOAT * (maps + setting.kernel**2 * channels(setting) ** 2)


def _layer(setting: Setting):
    from keras_gcnn import groups, layers

    if setting.frequency is None:
        filters = setting.channels // groups.get(setting.group).order
        return layers.GConv2D(filters, setting.kernel, setting.group, padding="same")
    fields = layers.Fields.regular(8, setting.frequency)
    return layers.SteerableConv2D(fields, fields, setting.kernel, padding="same", band_limit=1.0)


def _step(fields: dict):
    """A training step of two layers, as a function without arguments."""
    import keras
    import numpy as np

    setting = Setting(**fields)
    shape = harness.in_format((setting.size, setting.size, channels(setting)))
    model = keras.Sequential([keras.Input(shape), _layer(setting), _layer(setting)])
    model.compile("sgd", loss="mse", run_eagerly=False)
    maps = np.random.default_rng(0).random((setting.batch, *shape), dtype="float32")
    return lambda: model.train_on_batch(maps, maps)


def limits() -> tuple[float, float]:
    """Operations per second of a large matrix product, and bytes per second of a copy."""
    import numpy as np

    size = 2048
    matrix = np.ones((size, size), "float32")
    block = np.ones(2**26, "float32")
    target = np.empty_like(block)
    products = [harness.seconds_of(lambda: matrix @ matrix) for _ in range(40)]
    copies = [harness.seconds_of(lambda: np.copyto(target, block)) for _ in range(40)]
    return 2 * size**3 / min(products), 2 * block.nbytes / min(copies)


def measure(chosen: list[dict], steps: int) -> list[float]:
    """Median milliseconds of a step of every setting."""
    medians = []
    for setting in chosen:
        timed = harness.alternate({"step": _step(setting)}, steps)
        medians.append(harness.median(timed, "step"))
    return medians


def peak_memory(setting: dict) -> float:
    """MiB that the layers, their data and steps take, without the imports."""
    return harness.added_memory(lambda: _step(setting), repeats=3)


def rows(environment: Environment, steps: int) -> list[report.Row]:
    """One row for each setting."""
    speed, bandwidth = environment.run(limits)
    measured = []
    for axis in AXES:
        along = settings(axis)
        times = environment.run(measure, [asdict(setting) for setting in along], steps)
        for setting, milliseconds in zip(along, times, strict=True):
            least = 1000 * max(operations(setting) / speed, moved_bytes(setting) / bandwidth)
            measured.append(
                {
                    "changes": axis,
                    "to": getattr(setting, axis),
                    "GFLOP": round(operations(setting) / 1e9, 3),
                    "MB": round(moved_bytes(setting) / 1e6, 1),
                    "least, ms": round(least, 2),
                    "step, ms": round(milliseconds, 2),
                    "of the limit": f"{100 * least / milliseconds:.0f} %",
                    "memory, MiB": round(environment.run(peak_memory, asdict(setting))),
                }
            )
            print(measured[-1], flush=True)
    note = f"limits: {speed / 1e9:.0f} GFLOP/s, {bandwidth / 1e9:.1f} GB/s"
    print(note)
    return [{**row, "_note": note} for row in measured]


def plot(measured: list[report.Row], path: Path, note: str) -> None:
    """Plots time, least time and memory along every axis."""
    from keras_gcnn.analysis.plots.base import empty_plot

    figure = empty_plot(11, 6.5, note)
    for number, axis in enumerate(AXES, start=1):
        along = [row for row in measured if row["changes"] == axis]
        names = [str(row["to"]) for row in along]
        axes = figure.add_subplot(2, 3, number)
        for key, style in (("step, ms", "o-"), ("least, ms", "k--"), ("memory, MiB", "s:")):
            axes.plot(names, [row[key] for row in along], style, label=key, markersize=4)
        axes.set_yscale("log")
        axes.set_xlabel(TITLES[axis])
        axes.grid(alpha=0.3)
    figure.axes[0].legend(fontsize=8)
    figure.savefig(path, dpi=120)


def main(
    backend: Annotated[str, typer.Option(help="Backend to measure.")] = "tensorflow",
    steps: command.Steps = 7,
    folder: command.Folder = Path("docs"),
) -> None:
    """Measures along every axis, and writes the page and its plot."""
    (environment,) = command.environments([backend], ["cpu"], "channels_last")
    header = report.describe([backend])
    print(header)
    measured = rows(environment, steps)
    note = measured[0]["_note"]
    table = report.Table()
    table.rows = [{key: value for key, value in row.items() if key != "_note"} for row in measured]
    plot(measured, folder / "scaling.png", f"{header}; {note}")
    shares = [float(row["of the limit"].split()[0]) for row in measured]
    table.write_markdown(
        folder / "scaling.md",
        "How layers grow",
        [
            f"{header}; {note}.",
            "Written by `python -m benchmarks.studies.scaling`: a training step of two `GConv2D` "
            "on P4, one after the other. Unless the row says otherwise they have 64 channels (16 "
            "fields) and a 3x3 kernel, on 32 maps of 28x28; in the rows `size` they take 4 maps of "
            "32 channels, and in the rows `frequency` they are `SteerableConv2D` on 8 fields.",
            "A step is five convolutions: two forward, two for gradients of kernels and one for "
            "that of the map between; each is `2 B H W k^2 C_in C_out` operations, less those with "
            "zeros around the map, and moves two maps and a kernel. Expanding the kernel is not "
            "counted: it is part of what keeps a step from its limit. The limit, in the column "
            "`least`, is the longer of "
            "the time of the operations at the speed of a product of 2048x2048 matrices, and of "
            "the bytes at the speed of a copy. Median over the settings: "
            f"{statistics.median(shares):.0f} % of the limit.",
            "![Time, least time and memory](scaling.png)",
        ],
    )


if __name__ == "__main__":
    typer.run(main)
