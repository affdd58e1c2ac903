"""What an SO(2) network that saw upright digits loses at other angles, and in which layers.

A rotated image differs from an upright one in two ways: its interpolation blurs it, and the network
meets it on another grid. The first table tells them apart: half a pixel of shift blurs as much as a
rotation does, and a cubic interpolation hardly blurs at all. It also has the errors of answers that
are averaged over the image and the same image rotated by 45 degrees. The second follows the error
through the network: by how much the energy of each field changes when digits are turned by 45
degrees, relative to its spread between digits, with the trained weights and with fresh ones.

    python -m benchmarks.studies.grid_errors
    python -m benchmarks.studies.grid_errors --backend jax --images 10000
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.common import command, report
from benchmarks.common.environments import BACKENDS, Environment

_ORDERS = {"linear": 1, "cubic": 3}  # of the splines that interpolate
_LAYERS = ("blur", "conv", "activation", "pool", "invariants")


def measure(image_count: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Returns the rows of both tables."""
    import keras

    import keras_gcnn
    from keras_gcnn import zoo
    from keras_gcnn.data import load

    test = load("mnist").test
    images, labels = (np.asarray(part)[:image_count] for part in (test.images, test.labels))
    trained = zoo.so2cnn(weights="mnist")
    networks = {
        "error, %": trained,
        "averaged, %": keras_gcnn.symmetrize(trained, "c8", already="c4"),
    }
    errors = [
        {"images": name, **{of: _error(one, changed, labels) for of, one in networks.items()}}
        for name, changed in _changed(images)
    ]

    keras.utils.set_random_seed(0)
    fresh = zoo.so2cnn(widths=trained.widths)
    few = images[:200]
    both = [few, _rotated(few, 45, "cubic")]
    names = [layer.name for layer in trained.layers if layer.name.startswith(_LAYERS)]
    changes = {
        kind: [_energy_change(*pair) for pair in zip(*_features(network, names, both), strict=True)]
        for kind, network in (("trained", trained), ("fresh", fresh))
    }
    layers = [
        {"layer": name, **{kind: f"{values[at]:.3f}" for kind, values in changes.items()}}
        for at, name in enumerate([*names, "logits"])
    ]
    return errors, layers


def _error(network: Any, images: np.ndarray, labels: np.ndarray) -> float:
    classes = network.predict(images, batch_size=250, verbose=0).argmax(axis=1)
    return round(100 * (classes != labels).mean(), 2)


def _changed(images: np.ndarray) -> list[tuple[str, np.ndarray]]:
    from scipy import ndimage

    shifted = [
        (f"shifted by half a pixel, {name}", ndimage.shift(images, (0, 0.5, 0.5, 0), order=order))
        for name, order in _ORDERS.items()
    ]
    turned = [
        (f"turned by {angle} degrees, {name}", _rotated(images, angle, name))
        for angle in (22.5, 45)
        for name in _ORDERS
    ]
    angles = np.random.default_rng(0).uniform(0, 360, len(images))
    anywhere = np.concatenate(
        [
            _rotated(image[None], angle, "linear")
            for image, angle in zip(images, angles, strict=True)
        ]
    )
    return [("upright", images), *shifted, *turned, ("turned by any angle, linear", anywhere)]


def _rotated(images: np.ndarray, angle: float, interpolation: str) -> np.ndarray:
    # `data.rotate` has no cubic interpolation, which would give pixels outside [0, 1].
    from scipy import ndimage

    order = _ORDERS[interpolation]
    return ndimage.rotate(images, angle, axes=(2, 1), reshape=False, order=order)


def _features(network: Any, names: list[str], batches: list[np.ndarray]) -> list[list[np.ndarray]]:
    """Returns for each batch the energies of the fields of these layers, and the logits."""
    import keras

    layers = [network.get_layer(name) for name in names]
    taps = keras.Model(network.inputs, [*(layer.output for layer in layers), network.output])
    features = []
    for batch in batches:
        *maps, logits = taps.predict(batch, batch_size=100, verbose=0)
        energies = []
        for layer, values in zip(layers, maps, strict=True):
            fields = getattr(layer, "fields_out", None)
            count = values.shape[-1] if fields is None else fields.count
            squares = values.reshape(*values.shape[:3], count, -1) ** 2
            energies.append(np.sqrt(squares.sum(axis=-1).mean(axis=(1, 2))))
        features.append([*energies, logits])
    return features


def _energy_change(upright: np.ndarray, turned: np.ndarray) -> float:
    squares = ((upright - turned) ** 2).mean(axis=0) / upright.var(axis=0)
    return float(np.sqrt(squares).mean())


def main(
    backend: command.Backends = ("tensorflow",),
    images: Annotated[int, typer.Option(min=200, help="Test images.")] = 3000,
) -> None:
    """Prints both tables."""
    backend = command.chosen("backend", backend, BACKENDS)
    print(report.describe(backend))
    for each in backend:
        for rows in Environment(each).run(measure, images):
            table = report.Table()
            for row in rows:
                table.add(row)
            print()


if __name__ == "__main__":
    typer.run(main)
