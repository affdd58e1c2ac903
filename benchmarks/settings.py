"""What Keras's own settings do to a training step on P4M: its time, its memory.

Everything is compared with the same network as it comes: float32, the backend's own choice of
compilation, the data format of the command. "Accumulated" is four steps on a quarter of the batch
each, whose gradients are applied together.

    python benchmarks/settings.py
    python benchmarks/settings.py --backend jax --data-format channels_first
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

import command
import harness
import nets
import report
import typer
from places import BACKENDS, Place

DEFAULT = "default"
# How the network is compiled, and the dtype policy, by the name of the setting.
SETTINGS: dict[str, dict] = {
    DEFAULT: {},
    "mixed_bfloat16": {"policy": "mixed_bfloat16"},
    "jit_compile=True": {"jit_compile": True},
    "jit_compile=False": {"jit_compile": False},
    "activations recomputed": {"recomputed": True},
    "accumulated": {"parts": 4},
}
# PyTorch's compiler takes minutes for a network and wants a C++ compiler; without compilation is
# its default, as it is TensorFlow's on a CPU and never JAX's.
LEFT_OUT = {
    "tensorflow": {"jit_compile=False"},
    "jax": {"jit_compile=True"},
    "torch": {"jit_compile=True", "jit_compile=False"},
}
SMALLEST = {"batch_size": 4, "steps": 2, "channels": (8, 8, 8), "kernel": 3}


def training(
    setting: str, channels: list[int], kernel: int, batch_size: int
) -> Callable[[], object]:
    """A training step on a batch, with one of the settings."""
    import keras

    given = {"policy": "float32", "recomputed": False, **SETTINGS[setting]}
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(given["policy"])
    model = nets.on_group("p4m", channels, kernel, recomputed=given["recomputed"])
    keras.config.set_dtype_policy(before)
    data = harness.batch(batch_size, harness.in_format(nets.SHAPE))
    if "parts" in given:
        return harness.step_in_parts(model, data, given["parts"])
    harness.compile_classifier(model, jit_compile=given.get("jit_compile", "auto"))
    return partial(model.train_on_batch, *data)


def time_steps(settings: list[str], steps: int, *work) -> harness.Timed:
    """Times training steps with all settings in turn."""
    actions = {setting: training(setting, *work) for setting in settings}
    return harness.alternate(actions, steps)


def peak_memory(setting: str, *work) -> float:
    """MiB that the network, its data and ten training steps take, the imports left out."""
    return harness.added_memory(partial(training, setting, *work))


def compare(
    place: Place,
    batch_size: int = 64,
    steps: int = 10,
    channels: Iterable[int] = nets.CHANNELS,
    kernel: int = nets.GROUP_KERNEL,
) -> Iterator[report.Row]:
    """The rows of one backend: each setting over the default."""
    settings = [one for one in SETTINGS if one not in LEFT_OUT[place.backend]]
    work = (list(channels), kernel, batch_size)
    timed = place.run(time_steps, settings, steps, *work)
    memory = {one: place.run(peak_memory, one, *work) for one in settings}
    for one in settings[1:]:
        yield report.times(f"p4m training step, {one}", timed, one, DEFAULT)
        yield report.comparison(f"p4m peak memory, {one}, MiB", memory[DEFAULT], memory[one])


def main(
    backend: command.Backends = BACKENDS,
    device: command.Devices = [],  # noqa: B006
    data_format: command.DataFormat = "channels_last",
    batch_size: command.BatchSize = 64,
    steps: command.Steps = 10,
    output: command.Output = None,
) -> None:
    """Prints a table of ratios, each setting over the default."""
    compared = partial(compare, batch_size=batch_size, steps=steps)
    command.show("settings", compared, command.places(backend, device, data_format), output)


if __name__ == "__main__":
    typer.run(main)
