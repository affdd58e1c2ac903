"""A group convolution of a quarter or half of the multiplications, against the usual one.

On a group with the mirrors of rows and columns, such as P4M, a convolution needs a quarter of the
multiplications, on one with a half turn, such as P4, a half; and additions of shifted maps: see
`keras_gcnn/backend/common/parity.py`. Each addition reads and writes a map, for which a processor
takes as long as for many multiplications. On JAX and PyTorch the library computes wide maps in this
form. Narrow maps, and all maps on TensorFlow, keep the usual form, and this study shows why.

    python -m benchmarks.studies.fewer_products
    python -m benchmarks.studies.fewer_products --backend jax --group p4 --channels 256 --kernel 5
"""

from __future__ import annotations

import importlib
import itertools
from functools import partial
from typing import Annotated

import typer

from benchmarks.common import command, harness, report
from benchmarks.common.environments import BACKENDS, Environment

GROUPS = ("p4m", "p4")
Groups = Annotated[list[str], command.choice_option("--group", "group to measure", GROUPS)]
SIZE = 28
WINDOW = ((1, 1), "same", "channels_last", (1, 1))


def forms(group: str) -> dict:
    """The convolutions, each a function of maps and kernel."""
    from keras import ops

    from keras_gcnn import groups
    from keras_gcnn.backend import ops as backend
    from keras_gcnn.backend.common import parity

    channels = (groups.get(group),) * 2
    if backend.on("tensorflow"):
        convolve = partial(parity.convolve, recomputed=lambda function: function)
    else:
        convolve = importlib.import_module(f"keras_gcnn.backend.{backend.name()}.parity").convolve
    return {
        "usual": lambda maps, kernel: backend.convolve(maps, kernel, *WINDOW),
        "Keras's": lambda maps, kernel: ops.conv(maps, kernel, *WINDOW),
        "fewer": lambda maps, kernel: convolve(maps, kernel, "same", channels),
    }


def compiled(form, gradients: bool):
    """A function that waits for the output of the form, or for it and both gradients."""
    from keras_gcnn.backend import ops as backend

    if backend.on("jax"):
        import jax

        def run(maps, kernel, slopes):
            if not gradients:
                return form(maps, kernel)
            outputs, transposed = jax.vjp(form, maps, kernel)
            return outputs, transposed(slopes)

        program = jax.jit(run)
        return lambda *arrays: jax.block_until_ready(program(*arrays))
    if backend.on("tensorflow"):
        import keras
        import tensorflow

        @tensorflow.function
        def run(maps, kernel, slopes):
            with tensorflow.GradientTape() as tape:
                tape.watch((maps, kernel))
                outputs = form(maps, kernel)
            if not gradients:
                return outputs
            return outputs, tape.gradient(outputs, (maps, kernel), slopes)

        return lambda *arrays: [each.numpy() for each in keras.tree.flatten(run(*arrays))]
    import torch

    def run(maps, kernel, slopes):
        if not gradients:
            with torch.no_grad():
                return form(maps, kernel)
        maps, kernel = (each.detach().requires_grad_() for each in (maps, kernel))
        outputs = form(maps, kernel)
        return outputs, torch.autograd.grad(outputs, (maps, kernel), slopes)

    return run


def measure(group: str, channels: int, kernel_size: int, batch_size: int, steps: int):
    """Times every form in turn; returns also the largest relative difference of their outputs."""
    import numpy as np
    from keras import ops

    from keras_gcnn import groups, layers

    shape = (batch_size, SIZE, SIZE, channels)
    maps, slopes = np.random.default_rng(0).standard_normal((2, *shape), dtype="float32")
    layer = layers.GConv2D(channels // groups.get(group).order, kernel_size, group, padding="same")
    layer.build(shape)
    arrays = [ops.convert_to_tensor(each) for each in (maps, layer.expanded_kernel(), slopes)]
    outputs, actions = {}, {}
    for name, form in forms(group).items():
        outputs[name] = ops.convert_to_numpy(form(*arrays[:2]))
        for what, gradients in (("inference", False), ("training", True)):
            run = compiled(form, gradients)
            actions[f"{name}, {what}"] = lambda run=run: run(*arrays)
    error = np.abs(outputs["fewer"] - outputs["usual"]).max() / np.abs(outputs["usual"]).max()
    if not error < 1e-5:
        raise SystemExit(f"the convolution of fewer products differs by {error}")
    return harness.alternate(actions, steps, warm_up=2), float(error)


def rows(
    backend: str,
    group: str,
    channels: int,
    kernel_size: int,
    timed: harness.Timed,
    error: float,
):
    """The lines of the table."""
    for what in ("inference", "training"):
        name = f"fewer, {what}"
        low, middle, high = harness.ratio(timed, name, f"usual, {what}")
        yield {
            "backend": backend,
            "group": group,
            "channels": channels,
            "kernel": kernel_size,
            "what": what,
            "usual, ms": round(harness.median(timed, f"usual, {what}"), 1),
            "fewer, ms": round(harness.median(timed, name), 1),
            "ratio": f"{middle:.2f} ({low:.2f}-{high:.2f})",
            "against Keras's": round(harness.ratio(timed, name, f"Keras's, {what}")[1], 2),
            "largest difference": f"{error:.0e}",
        }


def main(
    backend: command.Backends = BACKENDS,
    group: Groups = GROUPS,
    channels: Annotated[list[int], typer.Option(help="Orientations included.")] = [128, 256],  # noqa: B006
    kernel: Annotated[list[int], typer.Option(help="Rows of the kernel, odd.")] = [3, 5],  # noqa: B006
    batch_size: command.BatchSize = 16,
    steps: command.Steps = 10,
    output: command.Output = None,
) -> None:
    """Prints the times of the forms and their ratios."""
    backend = command.chosen("backend", backend, BACKENDS)
    header = report.describe(backend)
    print(header)
    table = report.Table()
    for each in backend:
        for case in itertools.product(group, channels, kernel):
            timed, error = Environment(each).run(measure, *case, batch_size, steps)
            for row in rows(each, *case, timed, error):
                table.add(row)
            table.write_json(output, header)


if __name__ == "__main__":
    typer.run(main)
