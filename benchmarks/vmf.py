"""Samples of von Mises-Fisher distributions, beside the random numbers that they are made of.

"Noise" draws the uniform and normal numbers of a sampler that makes all of its proposals at once,
and nothing more. All are compiled where the backend compiles, and taken in turn in one process.

    python benchmarks/vmf.py
    python benchmarks/vmf.py --backend torch --dim 50 --steps 200
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Annotated

import command
import harness
import report
import typer
from places import BACKENDS, Place

CONCENTRATION = 20.0
TARGET = 4.0
SMALLEST = {"number": 16, "steps": 2}


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


def differentiated(function: Callable, *inputs) -> tuple:
    """Gradients of the sum of a function of two tensors, by the backend's own means."""
    import keras

    match keras.backend.backend():
        case "tensorflow":
            import tensorflow as tf

            with tf.GradientTape() as tape:
                tape.watch(inputs)
                total = keras.ops.sum(function(*inputs))
            return tuple(tape.gradient(total, inputs))
        case "jax":
            import jax

            gradients = jax.grad(lambda *these: keras.ops.sum(function(*these)), argnums=(0, 1))
            return gradients(*inputs)
    leaves = [one.detach().requires_grad_() for one in inputs]
    keras.ops.sum(function(*leaves)).backward()
    return tuple(one.grad for one in leaves)


def draws(number: int, dim: int, concentration: float) -> dict[str, Callable[[], object]]:
    """Actions that draw: the noise, samples, and samples with the gradients of mu and kappa."""
    import keras
    import numpy as np

    from keras_gcnn.distributions import von_mises_fisher
    from keras_gcnn.distributions.angle_sampling import PROPOSALS

    generator = keras.random.SeedGenerator(0)
    mu, kappa = map(
        keras.ops.convert_to_tensor,
        (harness.directions(number, dim), np.full((number, 1), concentration, "float32")),
    )
    fixed = mu

    def noise():
        uniform = keras.random.uniform((3, number, PROPOSALS), seed=generator)
        return uniform, keras.random.normal((number, dim), seed=generator)

    def samples():
        return von_mises_fisher.sample(mu, kappa, seed=generator)

    def along(mu, kappa):
        return von_mises_fisher.sample(mu, kappa, seed=generator) * fixed

    def gradients():
        return differentiated(along, mu, kappa)

    actions = {"noise": noise, "samples": samples, "gradients": gradients}
    return {name: compiled(one, generator) for name, one in actions.items()}


def measure(number: int, dim: int, steps: int) -> harness.Timed:
    """Times all of `draws` in turn."""
    return harness.alternate(draws(number, dim, CONCENTRATION), steps)


def compare(
    place: Place, number: int = 4096, dim: int = 10, steps: int = 100
) -> Iterator[report.Row]:
    """The rows of one backend, samples over noise."""
    timed = place.run(measure, number, dim, steps)
    what = f"{number} samples in {dim} dimensions"
    yield report.times(what, timed, "samples", "noise", TARGET)
    yield report.times(f"{what}, with gradients", timed, "gradients", "noise")


def main(
    backend: command.Backends = BACKENDS,
    device: command.Devices = [],  # noqa: B006
    number: Annotated[int, typer.Option(help="Samples to draw at once.")] = 4096,
    dim: Annotated[int, typer.Option(help="Coordinates of each.")] = 10,
    steps: command.Steps = 100,
    output: command.Output = None,
) -> None:
    """Prints the time of samples over that of the noise alone."""
    compared = partial(compare, number=number, dim=dim, steps=steps)
    command.show("vmf", compared, command.places(backend, device, "channels_last"), output)


if __name__ == "__main__":
    typer.run(main)
