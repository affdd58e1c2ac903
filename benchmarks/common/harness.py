"""Measuring: calls of several actions in turn, ratios of times, peak memory."""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

# By action: seconds of the first call, which compiles, and of each call after the warm-up.
Timed = dict[str, dict[str, Any]]


def in_format(shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """Rows, columns and channels in the order of Keras's data format."""
    import keras

    rows, columns, channels = shape
    if keras.config.image_data_format() == "channels_first":
        return channels, rows, columns
    return shape


def batch(size: int, shape: tuple[int, int, int], classes: int = 10):
    """Random images, `shape` being rows, columns and channels in any order, and labels."""
    import numpy as np

    generator = np.random.default_rng(0)
    images = generator.random((size, *shape), dtype="float32")
    return images, generator.integers(0, classes, size)


def directions(number: int, dim: int):
    """Random unit vectors."""
    import numpy as np

    vectors = np.random.default_rng(0).normal(size=(number, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype("float32")


def compile_classifier(model, parts: int = 1, jit_compile: bool | str = "auto"):
    """Compiles a model from images to logits as trainings do.

    Args:
        model: the model.
        parts: number of batches whose gradients are applied together.
        jit_compile: as in `keras.Model.compile`.
    """
    import keras

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.Adam(gradient_accumulation_steps=parts if parts > 1 else None)
    model.compile(optimizer, loss, run_eagerly=False, jit_compile=jit_compile)
    return model


def step_in_parts(model, data, parts: int) -> Callable[[], None]:
    """A training step on a batch, taken in parts whose gradients are applied together."""
    compile_classifier(model, parts)
    images, labels = (array[: len(array) // parts] for array in data)

    def step() -> None:
        for _ in range(parts):
            model.train_on_batch(images, labels)

    return step


def seconds_of(
    action: Callable[[], object], clock: Callable[[], float] = time.perf_counter
) -> float:
    """Seconds of one call; `time.process_time` counts those of the processor, without waiting."""
    start = clock()
    action()
    return clock() - start


def turns(names: Sequence[str], rounds: int) -> Iterator[str]:
    """The names, round after round; each is first, second, ... equally often."""
    for number in range(rounds):
        first = number % len(names)
        yield from [*names[first:], *names[:first]]


def alternate(
    actions: Mapping[str, Callable[[], object]],
    steps: int,
    warm_up: int = 3,
    clock: Callable[[], float] = time.perf_counter,
) -> Timed:
    """Times several actions in turn.

    Args:
        actions: by name.
        steps: timed calls of each.
        warm_up: calls of each before; backends compile in the first of them.
        clock: as in `seconds_of`.
    """
    seconds: dict[str, list[float]] = {name: [] for name in actions}
    for name in turns(list(actions), steps + warm_up):
        seconds[name].append(seconds_of(actions[name], clock))
    return {name: {"first": calls[0], "calls": calls[warm_up:]} for name, calls in seconds.items()}


def median(timed: Timed, name: str) -> float:
    """Median milliseconds of the calls of an action."""
    return 1000 * statistics.median(timed[name]["calls"])


def ratio(timed: Timed, name: str, reference: str) -> tuple[float, float, float]:
    """Quartiles of the ratios of neighbouring calls; the second is the median.

    A passing load on the machine slows both calls down, and cancels.
    """
    calls = [timed[action]["calls"] for action in (name, reference)]
    low, middle, high = statistics.quantiles([a / b for a, b in zip(*calls, strict=True)], n=4)
    return low, middle, high


def added_memory(prepare: Callable[[], Callable[[], object]], repeats: int = 10) -> float:
    """MiB by which a model, its data and repeated calls raise the peak above the imports.

    Args:
        prepare: builds everything and returns the action, such as a training step.
        repeats: number of calls.
    """
    import keras

    import keras_gcnn.layers  # noqa: F401 - imported, with the backend, before the measurement

    keras.utils.set_random_seed(0)  # imports TensorFlow on every backend, if it is installed
    held = _resident()
    action = prepare()
    for _ in range(repeats):
        action()
    on_gpu = _peak_on_gpu()
    return peak() - held if on_gpu is None else on_gpu


def smaller_peak(run: Callable[..., float], *arguments: object) -> float:
    """MiB of the smaller of two runs, such as of `Environment.run`: what else is held varies."""
    return min(run(*arguments) for _ in range(2))


def peak() -> float:
    """Largest memory of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _resident() -> float:
    """Memory in use now, in MiB; where the system does not report it, the largest so far."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return peak()
    return pages * resource.getpagesize() / 2**20


def _peak_on_gpu() -> float | None:
    """Largest memory of tensors on the first GPU, in MiB; None if the backend has no GPU."""
    import keras

    peak = None
    match keras.backend.backend():
        case "tensorflow":
            import tensorflow as tf

            if tf.config.list_physical_devices("GPU"):
                peak = tf.config.experimental.get_memory_info("GPU:0")["peak"]
        case "jax":
            import jax

            if jax.default_backend() == "gpu":
                peak = jax.local_devices()[0].memory_stats()["peak_bytes_in_use"]
        case "torch":
            import torch

            if torch.cuda.is_available():
                peak = torch.cuda.max_memory_allocated()
    return None if peak is None else peak / 2**20
