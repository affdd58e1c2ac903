"""Samples of von Mises-Fisher distributions, against the random numbers that they need.

"Noise" only draws the uniform and normal numbers of a sampler that makes all its proposals at once.
All actions are compiled where the backend compiles, and timed in turn in one process.

    python -m benchmarks.suite.vmf
    python -m benchmarks.suite.vmf --backend torch --dim 50 --steps 200
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated

import typer

from benchmarks.common import command, harness, report
from benchmarks.common.environments import Environment

CONCENTRATION = 20.0
TARGET = 4.0
Number = Annotated[int, typer.Option(help="Samples to draw at once.")]
Dim = Annotated[int, typer.Option(help="Coordinates of each.")]
SMALLEST = {"number": 16, "steps": 2}


def compiled(function: Callable[[], object], generator) -> Callable[[], object]:
    """The function as the backend runs it in a training step, with a stream of random numbers."""
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
    """Gradients of the sum of a function of two tensors, computed by the backend."""
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

            gradients = jax.grad(lambda *tensors: keras.ops.sum(function(*tensors)), argnums=(0, 1))
            return gradients(*inputs)
    leaves = [tensor.detach().requires_grad_() for tensor in inputs]
    keras.ops.sum(function(*leaves)).backward()
    return tuple(leaf.grad for leaf in leaves)


def draws(number: int, dim: int, concentration: float) -> dict[str, Callable[[], object]]:
    """Actions: the noise, samples, and samples with the gradients of mu and kappa."""
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
    return {name: compiled(action, generator) for name, action in actions.items()}


def measure(number: int, dim: int, steps: int) -> harness.Timed:
    """Times all actions of `draws` in turn."""
    return harness.alternate(draws(number, dim, CONCENTRATION), steps)


def compare(
    environment: Environment, number: Number = 4096, dim: Dim = 10, steps: command.Steps = 100
) -> Iterator[report.Row]:
    """The rows of one environment: ratios of samples to the noise alone."""
    timed = environment.run(measure, number, dim, steps)
    what = f"{number} samples in {dim} dimensions"
    yield report.times(what, timed, "samples", "noise", TARGET)
    yield report.times(f"{what}, with gradients", timed, "gradients", "noise")


if __name__ == "__main__":
    command.run("vmf", compare, data_formats=False)
