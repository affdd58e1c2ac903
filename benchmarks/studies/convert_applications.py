"""Converts the architectures of `keras.applications` to group layers and measures what comes out.

For every architecture and each `keep`, at a size that its strides fit and, with exact downsampling,
at 96: the error under all elements with random weights and statistics, whether five training steps
lower the loss, and the time to convert beside the time to build.

    python -m benchmarks.studies.convert_applications
    python -m benchmarks.studies.convert_applications --backend torch --network ResNet50
"""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from benchmarks.common import command, report
from benchmarks.common.environments import BACKENDS, Environment, Failed

# Each with a size that all its windows fit, or None if there is none.
NETWORKS: dict[str, int | None] = {
    "ConvNeXtTiny": 96,
    "DenseNet121": 93,
    "EfficientNetB0": 97,
    "EfficientNetV2B0": 97,
    "InceptionResNetV2": None,
    "InceptionV3": None,
    "MobileNet": 97,
    "MobileNetV2": 97,
    "MobileNetV3Small": 97,
    "NASNetMobile": None,
    "ResNet50": 97,
    "ResNet50V2": 97,
    "VGG16": 96,
    "Xception": None,
}
KEEPS = ["channels", "parameters", "fields"]
NAMES = list(NETWORKS)
CLASSES = 10
Networks = Annotated[list[str], command.choice_option("--network", "network", NAMES)]
Keeps = Annotated[list[str], command.choice_option("--keep", "way to convert", KEEPS)]


def measure(name: str, size: int, keep: str, downsampling: str, group: str) -> dict[str, Any]:
    """Converts one architecture and returns a row."""
    import keras
    import numpy as np

    import keras_gcnn

    keras.utils.set_random_seed(0)
    began = time.perf_counter()
    plain = getattr(keras.applications, name)(
        weights=None, input_shape=(size, size, 3), classes=CLASSES, classifier_activation=None
    )
    built = time.perf_counter() - began
    began = time.perf_counter()
    network = keras_gcnn.convert(plain, group, keep=keep, downsampling=downsampling)
    converted = time.perf_counter() - began
    rng = np.random.default_rng(0)
    first = [keras.ops.convert_to_numpy(weight) for weight in network.weights]
    for weight in network.weights:
        if weight.name == "moving_variance":
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
        elif weight.name in ("bias", "beta", "moving_mean"):
            weight.assign(rng.normal(size=weight.shape, scale=0.1))
    lines = network.conversion.lines
    row = {
        "parameters": plain.count_params(),
        "converted": network.count_params(),
        "multiply-adds": sum(line.multiply_adds[0] or 0 for line in lines),
        "of the converted": sum(line.multiply_adds[1] or 0 for line in lines),
        "not exact": len(network.conversion.problems),
        "error": f"{max(network.conversion.errors().values()):.0e}",
    }
    network.set_weights(first)
    network.compile(
        keras.optimizers.Adam(1e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    images, labels = rng.uniform(size=(8, size, size, 3)), np.arange(8) % CLASSES
    losses = [float(network.train_on_batch(images, labels)) for _ in range(6)]
    return {
        **row,
        "loss falls": "yes" if losses[-1] < losses[0] else f"no: {losses[0]:.2f}-{losses[-1]:.2f}",
        "build, s": round(built, 1),
        "convert, s": round(converted, 1),
    }


def main(
    backend: command.Backends = BACKENDS,
    network: Networks = NAMES,
    keep: Keeps = KEEPS,
    group: Annotated[str, typer.Option(help="The group.")] = "p4m",
    output: command.Output = None,
) -> None:
    """Prints a row for every architecture, backend and way to convert it."""
    backend = command.chosen("backend", backend, BACKENDS)
    header = report.describe(backend)
    print(header)
    table = report.Table()
    for name in network:
        for way in keep:
            for downsampling, size in (("stride", NETWORKS[name]), ("exact", 96)):
                if size is None:
                    continue
                for each in backend:
                    row = {"network": name, "backend": each, "keep": way, "size": size}
                    row["downsampling"] = downsampling
                    try:
                        found = Environment(each).run(measure, name, size, way, downsampling, group)
                    except Failed as failure:
                        found = {"error": failure.reason}
                    table.add({**row, **found})
                    table.write_json(output, header)


if __name__ == "__main__":
    typer.run(main)
