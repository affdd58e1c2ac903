"""Samples of von Mises-Fisher distributions, beside the random numbers that they are made of.

"Noise" draws as many uniform and normal numbers as the sampler does and nothing more: what no
sampler with this number of proposals can be faster than. Both are compiled where the backend
compiles, and taken in turn in one process.

    python benchmarks/vmf.py
    python benchmarks/vmf.py --backend torch --dim 50 --steps 200
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import harness
import typer

CONCENTRATION = 20.0
TARGET = 4.0


def compiled(function: Callable[[], object], generator) -> Callable[[], object]:
    """The function as its backend runs it in a training step, with a stream of random numbers."""
    import keras

    match keras.backend.backend():
        case "tensorflow":
            import tensorflow as tf

            return tf.function(function)
        case "jax":
            import jax

            @jax.jit
            def pure(state):
                with keras.StatelessScope(state_mapping=[(generator.state, state)]) as scope:
                    result = function()
                return result, scope.get_current_value(generator.state)

            def run():
                result, state = jax.block_until_ready(pure(generator.state.value))
                generator.state.assign(state)
                return result

            return run
    return function


def measure(number: int, dim: int, steps: int) -> dict[str, list[float]]:
    """Seconds of each draw of the noise and of the samples."""
    import keras
    import numpy as np

    from keras_gcnn.distributions import von_mises_fisher
    from keras_gcnn.distributions.rejection import PROPOSALS

    generator = keras.random.SeedGenerator(0)
    mu = np.random.default_rng(0).normal(size=(number, dim)).astype("float32")
    mu, kappa = map(
        keras.ops.convert_to_tensor, (mu, np.full((number, 1), CONCENTRATION, "float32"))
    )

    def noise():
        uniform = keras.random.uniform((3, number, PROPOSALS), seed=generator)
        return uniform, keras.random.normal((number, dim), seed=generator)

    def samples():
        return von_mises_fisher.sample(mu, kappa, seed=generator)

    actions = {"noise": noise, "samples": samples}
    actions = {name: compiled(one, generator) for name, one in actions.items()}
    return harness.alternate(actions, steps)


def main(
    backend: Annotated[list[str], typer.Option(help="Backends to measure.")] = harness.BACKENDS,
    number: Annotated[int, typer.Option(help="Samples to draw at once.")] = 4096,
    dim: Annotated[int, typer.Option(help="Coordinates of each.")] = 10,
    steps: Annotated[int, typer.Option(help="Timed draws.")] = 100,
    output: Annotated[Path | None, typer.Option(help="JSON file to write the rows to.")] = None,
    worker: Annotated[str | None, typer.Option(hidden=True)] = None,
) -> None:
    """Prints the time of samples over that of the noise alone."""
    if worker:
        harness.answer(worker, {"measure": measure})
        return
    header = harness.describe(backend)
    print(f"{header}; {number} samples in {dim} dimensions, kappa {CONCENTRATION}, {steps} draws")
    table = harness.TablePrinter()
    for one in backend:
        run = partial(harness.run_worker, __file__, one)
        seconds = run("measure", number, dim, steps)
        found = harness.ratio(seconds, "samples", "noise")
        table.add(
            {
                "backend": one,
                **{
                    f"{name}, ms": round(1000 * statistics.median(times), 2)
                    for name, times in seconds.items()
                },
                "samples / noise": found["ratio"],
                "quartiles": found["quartiles"],
                "target": TARGET,
            }
        )
    table.write(output, header)


if __name__ == "__main__":
    typer.run(main)
