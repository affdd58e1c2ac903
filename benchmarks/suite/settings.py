"""Effects of Keras's settings on time and memory of a training step on P4M.

The reference is the same network with the default settings: float32, the backend's default
compilation, the data format of the command. "Accumulated" is four steps on a quarter of the batch
each, whose gradients are applied together.

    python -m benchmarks.suite.settings
    python -m benchmarks.suite.settings --backend jax --data-format channels_first
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from benchmarks.common import command, harness, networks, report
from benchmarks.common.environments import Environment

DEFAULT = "default"
# Arguments of compilation and the dtype policy, by the name of the setting.
SETTINGS: dict[str, dict] = {
    DEFAULT: {},
    "mixed_bfloat16": {"policy": "mixed_bfloat16"},
    "jit_compile=True": {"jit_compile": True},
    "jit_compile=False": {"jit_compile": False},
    "activations recomputed": {"recomputed": True},
    "accumulated": {"parts": 4},
}
# PyTorch's compiler takes minutes for a network and needs a C++ compiler. PyTorch, and TensorFlow
# on a CPU, do not compile by default; JAX always does.
LEFT_OUT = {
    "tensorflow": {"jit_compile=False"},
    "jax": {"jit_compile=True"},
    "torch": {"jit_compile=True", "jit_compile=False"},
}
SMALLEST = {"batch_size": 4, "steps": 2, "channels": (8, 8, 8), "kernel": 3}


def training(
    setting: str, channels: list[int], kernel: int, batch_size: int
) -> Callable[[], object]:
    """A training step with one of the settings."""
    import keras

    options = {"policy": "float32", "recomputed": False, **SETTINGS[setting]}
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(options["policy"])
    model = networks.on_group("p4m", channels, kernel, recomputed=options["recomputed"])
    keras.config.set_dtype_policy(before)
    data = harness.batch(batch_size, harness.in_format(networks.SHAPE))
    if "parts" in options:
        return harness.step_in_parts(model, data, options["parts"])
    harness.compile_classifier(model, jit_compile=options.get("jit_compile", "auto"))
    return partial(model.train_on_batch, *data)


def time_steps(settings: list[str], steps: int, *work) -> harness.Timed:
    """Times training steps with all settings in turn."""
    actions = {setting: training(setting, *work) for setting in settings}
    return harness.alternate(actions, steps)


def peak_memory(setting: str, *work) -> float:
    """MiB that the network, its data and ten training steps take, without the imports."""
    return harness.added_memory(partial(training, setting, *work))


def compare(
    environment: Environment,
    batch_size: command.BatchSize = 64,
    steps: command.Steps = 10,
    channels: Iterable[int] = networks.CHANNELS,
    kernel: int = networks.GROUP_KERNEL,
) -> Iterator[report.Row]:
    """The rows of one environment: ratios of each setting to the default."""
    settings = [name for name in SETTINGS if name not in LEFT_OUT[environment.backend]]
    work = (list(channels), kernel, batch_size)
    timed = environment.run(time_steps, settings, steps, *work)
    memory = {
        name: harness.smaller_peak(environment.run, peak_memory, name, *work) for name in settings
    }
    for name in settings[1:]:
        yield report.times(f"p4m training step, {name}", timed, name, DEFAULT)
        yield report.comparison(f"p4m peak memory, {name}, MiB", memory[DEFAULT], memory[name])


if __name__ == "__main__":
    command.run("settings", compare)
