"""How long a batch takes to be made ready, against the training step that waits for it.

Batches as the trainings have them: taken in the order of the epoch, and turned by random angles.
The step is that of the P4 network of Cohen & Welling.

    python benchmarks/pipeline.py
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import cycle

import command
import harness
import report
import typer
from places import BACKENDS, Place

SHAPE = (28, 28, 1)
IMAGES = 4096
SMALLEST = {"batch_size": 2, "steps": 2}
KINDS = {"as they are": False, "turned": True}
TARGETS = {"as they are": 0.05, "turned": 0.5}


def measure(batch_size: int, steps: int) -> harness.Timed:
    """Times of a training step and of batches, in turn."""
    import numpy as np

    from keras_gcnn import zoo
    from keras_gcnn.data import Split
    from keras_gcnn.training.batches import ShuffledBatches

    model = harness.compile_classifier(zoo.cohen_cnn("p4", parameters=25_000))
    data = harness.batch(batch_size, SHAPE)
    split = Split(*harness.batch(IMAGES, SHAPE))
    actions = {"step": partial(model.train_on_batch, *data)}
    for kind, rotate in KINDS.items():
        batches = ShuffledBatches(split, batch_size, seed=0, rotate=rotate)
        numbers = cycle(np.arange(len(batches)).tolist())
        actions[kind] = lambda batches=batches, numbers=numbers: batches[next(numbers)]
    return harness.alternate(actions, steps)


def compare(place: Place, batch_size: int = 128, steps: int = 20) -> Iterator[report.Row]:
    """The rows of one backend: a batch over a training step."""
    timed = place.run(measure, batch_size, steps)
    for kind, target in TARGETS.items():
        yield report.times(f"{batch_size} images, {kind}", timed, kind, "step", target)


def main(
    backend: command.Backends = BACKENDS,
    device: command.Devices = [],  # noqa: B006
    batch_size: command.BatchSize = 128,
    steps: command.Steps = 20,
    output: command.Output = None,
) -> None:
    """Prints a table of ratios to the training step."""
    compared = partial(compare, batch_size=batch_size, steps=steps)
    command.show("pipeline", compared, command.places(backend, device, "channels_last"), output)


if __name__ == "__main__":
    typer.run(main)
