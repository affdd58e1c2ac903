"""Compares the trained networks on unchanged and on turned test images, in one table.

    python compare.py runs/solar_cells

Beside the networks of the run stands the plain one made equivariant after its training by
`keras_gcnn.symmetrize`, which costs eight times as much.
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

import keras
import numpy as np

import keras_gcnn
from keras_gcnn import analysis, export, training

SYMMETRIZED = "plain, symmetrized"


def measures(predict, images: np.ndarray, labels: np.ndarray, seed: int) -> dict[str, float]:
    """Error in percent and area under the curve on unchanged, turned, and freely rotated images."""
    group = keras_gcnn.groups.get("p4m")
    angles = keras_gcnn.data.random_angles(len(images), seed)
    poses = {
        "unchanged": [images],
        "turned": [group.act_on_plane(images, element, (1, 2)) for element in range(1, 8)],
        "any angle": [keras_gcnn.data.rotate(images, angles)],
    }
    result = {}
    for name, turned in poses.items():
        logits = [predict(np.ascontiguousarray(each)) for each in turned]
        errors = [100 * np.mean(each.argmax(axis=-1) != labels) for each in logits]
        probabilities = [keras.ops.convert_to_numpy(keras.ops.softmax(each)) for each in logits]
        areas = [analysis.area_under_curve(each, labels) for each in probabilities]
        result[f"error {name}"] = float(np.mean(errors))
        result[f"AUC {name}"] = float(np.mean(areas))
    return result


def main(run: Path) -> None:
    """Prints a row for each network of a run, with means and deviations over its seeds."""
    recipe = training.load_recipe(Path(__file__).with_name("solar_cells.toml"))
    table = recipe.data
    found: dict[str, list[dict[str, float]]] = {}
    for model, seed in recipe.networks:
        path = run / f"{model.name}-seed{seed}" / "model.keras"
        if not path.is_file():
            print(f"{path} is not there yet; it is left out.", file=sys.stderr)
            continue
        dataset = keras_gcnn.data.load_folder(
            table.folder, size=table.size, validation=table.validation, test=table.test, seed=seed
        )
        images, labels = np.asarray(dataset.test.images), dataset.test.labels
        network = export.load(path)
        names = {model.name: network}
        if model.name == "plain":
            names[SYMMETRIZED] = keras_gcnn.symmetrize(network, "p4m")
        for name, each in names.items():
            predict = lambda batch, each=each: each.predict(batch, verbose=0)  # noqa: E731
            found.setdefault(name, []).append(measures(predict, images, labels, seed))
    if not found:
        raise SystemExit(f"There is no trained network in {run}. Train first, see README.md.")
    columns = list(next(iter(found.values()))[0])
    print(f"| network | {' | '.join(columns)} |")
    print("|---" + "|---:" * len(columns) + "|")
    for name, rows in found.items():
        cells = []
        for column in columns:
            values = [row[column] for row in rows]
            digits = 2 if column.startswith("error") else 4
            spread = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
            cells.append(f"{statistics.mean(values):.{digits}f}{spread}")
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/solar_cells"))
