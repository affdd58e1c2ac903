"""Plots a field of a steerable network for a digit at several angles.

python examples/turning_fields.py fields.png
python examples/turning_fields.py fields.png --weights network.keras --layer activation2
"""

from __future__ import annotations

import argparse
from pathlib import Path

import keras

from keras_gcnn import zoo
from keras_gcnn.analysis import plot_turning_fields
from keras_gcnn.data import load, rotate
from keras_gcnn.layers import Fields

ANGLES = (0, 30, 60, 90, 135, 180, 270)


def plot(
    path: Path,
    weights: str | None = None,
    layer: str = "activation1",
    field: int = 0,
    digit: int = 7,
) -> None:
    """Plots one field of one layer, for a digit of the embedded data set.

    Args:
        path: image file to write.
        weights: of the network; None for random ones, whose fields rotate as well.
        layer: name of one of its layers.
        field: which of the layer's fields.
        digit: which digit to show.

    Raises:
        ValueError: if the layer has no such field, or the weights belong to another network.
    """
    keras.utils.set_random_seed(0)
    network = zoo.so2cnn(weights=weights)
    plottable = [each.name for each in network.layers if _has_arrows(each)]
    if layer not in plottable:
        raise ValueError(
            f"layer={layer!r} has no fields to plot. Choose one of {', '.join(plottable)}."
        )
    chosen = network.get_layer(layer)
    digits = load("digits").test
    upright = digits.images[digits.labels == digit][0]
    images = keras.ops.convert_to_numpy([rotate(upright[None], angle)[0] for angle in ANGLES])
    maps = keras.Model(network.input, chosen.output)(images)
    plot_turning_fields(
        images,
        keras.ops.convert_to_numpy(maps),
        Fields.of(chosen.fields_out),
        ANGLES,
        path,
        field=field,
        title=f"Field {field} of {layer}: arrows are frequency 1, colours frequency 0",
        note=f"so2cnn, weights {weights}; below, the field is turned back by the angle",
    )


def _has_arrows(layer: keras.Layer) -> bool:
    """Whether the layer's output has fields of the frequencies 0 and 1."""
    fields = getattr(layer, "fields_out", None)
    return fields is not None and {0, 1} <= Fields.of(fields).multiplicities.keys()


def main(arguments: list[str] | None = None) -> None:
    """Reads the command line; a mistake ends it with one line."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("path", type=Path, help="image file; its suffix chooses the format")
    parser.add_argument(
        "--weights", help="published name, or .weights.h5 or .keras file; without it, random ones"
    )
    parser.add_argument(
        "--layer", default="activation1", help="conv1, norm1, activation1, pool1, conv2, ..."
    )
    parser.add_argument("--field", type=int, default=0, help="which field of the layer, from 0")
    parser.add_argument(
        "--digit", type=int, default=7, choices=range(10), help="which digit to rotate"
    )
    try:
        plot(**vars(parser.parse_args(arguments)))
    except ValueError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
