"""Memory and speed of training on a folder of many images.

Makes a folder of JPEG files, trains a small network on all of them by a recipe, and on a few, each
in a process of its own, and compares the peaks of memory: images that are read batch by batch
add nothing to it. Then it times epochs of training from the file of decoded images in turn with
epochs from an array in the memory.

    python -m benchmarks.studies.folders
    python -m benchmarks.studies.folders --images 5000 --backend torch
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.common import command, harness, report
from benchmarks.common.environments import BACKENDS, Environment

SIZE = 96
FEW = 2000  # images in the training whose memory is the framework's own
IN_MEMORY = 5000  # images in an epoch that is timed
NETWORK = {"group": "p4", "widths": [4, 8]}


def make_folder(folder: str, images: int) -> None:
    """Writes images of two classes, which have stripes along either axis."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    stripes = np.sin(np.arange(SIZE) / 3)[:, None, None] * 60 + 128
    for number in range(images):
        name = ("rows", "columns")[number % 2]
        place = Path(folder, name, str(number // 1000))
        place.mkdir(parents=True, exist_ok=True)
        colours = rng.uniform(-40, 40, (1, 1, 3))
        image = stripes + colours + rng.normal(0, 10, (SIZE, SIZE, 3))
        image = image.clip(0, 255).astype("uint8")
        turned = image if name == "rows" else image.transpose(1, 0, 2)
        Image.fromarray(turned).save(place / f"{number}.jpg", quality=90)


def peak_of_training(folder: str, cache: str) -> dict[str, float]:
    """Trains for an epoch by a recipe; returns MiB at the peak, and seconds of loading."""
    import os

    import keras

    from keras_gcnn import data, training

    os.environ["KERAS_GCNN_CACHE"] = cache
    keras.utils.set_random_seed(0)
    split = {"validation": 0.05, "test": 0.05}
    loading = harness.seconds_of(lambda: data.load_folder(folder, **split))
    recipe = {
        "title": "memory",
        "data": {"folder": folder, **split},
        "training": {"epochs": 1, "batch_size": 64},
        "evaluation": {"turned": False, "angles": False},
        "models": [{"name": "P4", "builder": "lenet", "arguments": NETWORK}],
    }
    with tempfile.TemporaryDirectory() as run:
        (result,) = training.train(training.Recipe.model_validate(recipe), run)
    return {"peak": harness.peak(), "loading": loading, "epoch": result["seconds"]}


def time_epochs(folder: str, cache: str, steps: int) -> harness.Timed:
    """Times epochs from the file of decoded images in turn with epochs from an array."""
    import numpy as np

    from keras_gcnn import data, zoo
    from keras_gcnn.data import Split
    from keras_gcnn.training.inputs.batches import ShuffledBatches

    dataset = data.load_folder(folder, cache=cache, validation=0.05, test=0.05, subset=IN_MEMORY)
    stored = dataset.train
    splits = {"file": stored, "array": Split(np.asarray(stored.images), stored.labels)}
    actions = {}
    for name, split in splits.items():
        model = harness.compile_classifier(
            zoo.lenet(input_shape=(SIZE, SIZE, 3), classes=2, **NETWORK)
        )
        batches = ShuffledBatches(split, 64, seed=0)
        actions[name] = lambda model=model, batches=batches: model.fit(batches, verbose=0)
    return harness.alternate(actions, steps, warm_up=1)


def main(
    images: Annotated[int, typer.Option(min=FEW, help="Images in the folder.")] = 100_000,
    backend: command.Backends = BACKENDS,
    steps: Annotated[int, typer.Option(min=2, help="Timed epochs of each kind.")] = 5,
    output: command.Output = None,
) -> None:
    """Prints peaks of memory and the ratio of speeds for every backend."""
    backend = command.chosen("backend", backend, BACKENDS)
    header = report.describe(backend)
    print(header)
    table = report.Table()
    with tempfile.TemporaryDirectory() as place:
        few, many = f"{place}/few", f"{place}/many"
        Environment(backend[0]).run(make_folder, few, FEW)
        Environment(backend[0]).run(make_folder, many, images)
        for each in backend:
            environment = Environment(each)
            cache = f"{place}/cache-{each}"  # so that every backend decodes all images once
            base, full = (environment.run(peak_of_training, name, cache) for name in (few, many))
            low, middle, high = harness.ratio(
                environment.run(time_epochs, many, cache, steps), "array", "file"
            )
            table.add(
                {
                    "backend": each,
                    "images": images,
                    "decoding, s": round(full["loading"], 1),
                    "epoch, s": round(full["epoch"], 1),
                    f"peak with {FEW} images, MiB": round(base["peak"]),
                    "peak, MiB": round(full["peak"]),
                    "added, MiB": round(full["peak"] - base["peak"]),
                    "speed against arrays": f"{middle:.2f} ({low:.2f}-{high:.2f})",
                }
            )
            table.write_json(output, header)


if __name__ == "__main__":
    typer.run(main)
