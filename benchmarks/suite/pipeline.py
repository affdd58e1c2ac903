"""Time to prepare a batch, against the training step that waits for it.

The batches are those of trainings: in the order of the epoch, and optionally rotated by random
angles. The step is that of the P4 network of Cohen & Welling.

    python -m benchmarks.suite.pipeline
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import cycle

from benchmarks.common import command, harness, report
from benchmarks.common.environments import Environment

SHAPE = (28, 28, 1)
IMAGES = 4096
SMALLEST = {"batch_size": 2, "steps": 2}
BATCHES = {"as they are": "none", "turned": "any"}
TARGETS = {"as they are": 0.05, "turned": 0.5}


def measure(batch_size: int, steps: int) -> harness.Timed:
    """Times a training step and the preparation of batches in turn."""
    import numpy as np

    from keras_gcnn import zoo
    from keras_gcnn.data import Split
    from keras_gcnn.training.inputs.batches import ShuffledBatches
    from keras_gcnn.training.recipes.tables import AugmentTable

    model = harness.compile_classifier(zoo.cohen_cnn("p4", parameters=25_000))
    data = harness.batch(batch_size, SHAPE)
    split = Split(*harness.batch(IMAGES, SHAPE))
    actions = {"step": partial(model.train_on_batch, *data)}
    for name, rotate in BATCHES.items():
        batches = ShuffledBatches(split, batch_size, seed=0, augment=AugmentTable(rotate=rotate))
        numbers = cycle(np.arange(len(batches)).tolist())
        actions[name] = lambda batches=batches, numbers=numbers: batches[next(numbers)]
    return harness.alternate(actions, steps)


def compare(
    environment: Environment, batch_size: command.BatchSize = 128, steps: command.Steps = 20
) -> Iterator[report.Row]:
    """The rows of one environment: ratios of preparing a batch to a training step."""
    timed = environment.run(measure, batch_size, steps)
    for name, target in TARGETS.items():
        yield report.times(f"{batch_size} images, {name}", timed, name, "step", target)


if __name__ == "__main__":
    command.run("pipeline", compare, data_formats=False)
