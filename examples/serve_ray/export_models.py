"""Writes the two models that `serve.yaml` serves: a trained P4 network and a plain one."""

from __future__ import annotations

from pathlib import Path

import keras_gcnn

FOLDER = Path(__file__).parent
DIGITS = [str(number) for number in range(10)]


def main() -> None:
    """Exports both networks beside this file."""
    network = keras_gcnn.zoo.cohen_cnn("p4", weights="rotated_mnist")
    # As many channels as the P4 network, so that it does the same work; it is not trained.
    wide = [4 * width for width in network.widths]
    plain = keras_gcnn.zoo.cohen_cnn("z2", widths=wide)
    for model, name in ((network, "p4.onnx"), (plain, "plain.onnx")):
        print("written:", keras_gcnn.export.save(model, FOLDER / name, classes=DIGITS))


if __name__ == "__main__":
    main()
