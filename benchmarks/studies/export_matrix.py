"""Saves classifiers and an autoencoder of the zoo in every format, from every backend.

Outputs are compared. A number is the largest difference between those of the file, in its own
runtime, and of the network, relative to the largest output; text is the reason why there is no
file.

    python -m benchmarks.studies.export_matrix
    python -m benchmarks.studies.export_matrix --backend torch --output matrix.json
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import typer

from benchmarks.common import command, report
from benchmarks.common.environments import BACKENDS, Environment

NETWORKS: dict[str, dict[str, Any]] = {
    "lenet p4m": {"builder": "lenet", "group": "p4m"},
    "cohen_cnn p4": {"builder": "cohen_cnn", "group": "p4"},
    "cohen_cnn p4m, gc": {"builder": "cohen_cnn", "group": "p4m", "convolution": "gc"},
    "cohen_cnn p4, then z2": {"builder": "cohen_cnn", "group": "p4", "restrict_after": "4"},
    "allcnn p4": {"builder": "allcnn", "group": "p4"},
    "resnet20 p4m": {"builder": "resnet20", "group": "p4m"},
    "resnet44 p4": {"builder": "resnet44", "group": "p4"},
    "so2cnn": {"builder": "so2cnn"},
    "so2cnn report": {"builder": "so2cnn", "variant": "report"},
    "vae so2": {"builder": "vae", "group": "so2"},
    "vae so2, encoder": {"builder": "vae", "group": "so2", "part": "encoder"},
    "vae so2, decoder": {"builder": "vae", "group": "so2", "part": "decoder"},
}


def write(name: str) -> dict[str, str]:
    """By format: the difference of the outputs, or the reason why there is no file."""
    import keras

    from keras_gcnn import zoo
    from keras_gcnn.export.format_names import FILE_FORMATS
    from keras_gcnn.export.saving import save_and_compare

    keras.utils.set_random_seed(0)
    arguments = dict(NETWORKS[name])
    builder, part = arguments.pop("builder"), arguments.pop("part", None)
    network = getattr(zoo, builder)(**arguments)
    network = getattr(network, part) if part else network
    outcomes = {}
    with tempfile.TemporaryDirectory() as folder:
        for format, names in FILE_FORMATS.items():
            try:
                path = Path(folder, f"network-{format}{names.suffix}")
                _, worst = save_and_compare(network, path, format)
                outcomes[format] = f"{worst:.0e}"
            except (ValueError, ImportError) as error:
                outcomes[format] = str(error).splitlines()[0]
    return outcomes


def main(
    backend: command.Backends = BACKENDS,
    output: command.Output = None,
) -> None:
    """Prints one row for every network and backend."""
    backend = command.chosen("backend", backend, BACKENDS)
    header = report.describe(backend)
    print(header)
    table = report.Table()
    for name in NETWORKS:
        for each in backend:
            outcomes = Environment(each).run(write, name)
            table.add({"network": name, "backend": each, **outcomes})
    table.write_json(output, header)


if __name__ == "__main__":
    typer.run(main)
