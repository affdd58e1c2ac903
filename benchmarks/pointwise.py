"""Training step of 1x1 group convolutions: one product with the expanded kernel, or Fourier's form.

The expanded kernel of a 1x1 group convolution is block-circulant. In the basis of the group's
irreducible representations it falls into blocks, with 6 instead of 16 multiplications per pair of
fields on P4 and 12 instead of 64 on P4M, at the price of changing the basis of every feature map
twice. Both forms have the same weights and results; their steps alternate in one process.

    python benchmarks/pointwise.py
    python benchmarks/pointwise.py --backend torch --group p4m --width 400
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Annotated

import command
import harness
import report
import typer
from places import BACKENDS, Place

SIZE = 14
LAYERS = 3
SMALLEST = {"batch_size": 2, "steps": 2, "groups": ("p4",), "widths": (8,)}


def fourier_basis(group):
    """Orthonormal bases of functions on P4 or P4M, and what a kernel becomes in them.

    Returns:
        `Q1[h, q]`, the representations of dimension one; `Q2[h, j, k]`, those of dimension two, in
        which a convolution mixes k and leaves j alone; and `C1[e, q]` and `C2[e, k, K]`, the blocks
        of the convolution with the kernel that is 1 at e and 0 elsewhere.
    """
    import numpy as np

    matrices, order = group.matrices, group.order
    mirrored = np.rint(np.linalg.det(matrices))
    swapped = np.where(matrices[:, 0, 0], 1, -1)
    ones = np.stack([np.ones(order), swapped, mirrored, mirrored * swapped], axis=1)
    if group.name == "p4":  # no mirrors, and of the matrices the second row repeats the first
        ones, twos = ones[:, :2], matrices[:, :1]
    else:
        twos = matrices
    q1, q2 = ones / order**0.5, twos / (order / 2) ** 0.5
    table = group.left_division.T  # [h, g] -> g^-1 h
    units = np.stack([table == e for e in range(order)]).astype(float)
    c1 = np.einsum("hq,ehg,gq->eq", q1, units, q1)
    c2 = np.einsum("hk,ehg,gK->ekK", q2[:, 0], units, q2[:, 0])
    return [array.astype("float32") for array in (q1, q2, c1, c2)]


def fourier_layer(filters: int, group):
    """A 1x1 group convolution that changes the basis, with the kernel of `GConv2D`."""
    from keras import ops

    from keras_gcnn import layers

    class Fourier(layers.GConv2D):
        def _convolve(self, inputs):
            q1, q2, c1, c2 = fourier_basis(self.group)
            kernel = self.kernel[:, 0, 0]  # e, i, o
            fields, filters = kernel.shape[1:]
            x = ops.reshape(inputs, (-1, fields, self.group.order))
            one = ops.matmul(
                ops.einsum("nih,hq->qni", x, q1), ops.einsum("eio,eq->qio", kernel, c1)
            )
            two = ops.reshape(ops.einsum("nih,hjk->jnik", x, q2), (q2.shape[1], -1, fields * 2))
            mixing = ops.reshape(ops.einsum("eio,ekK->ikoK", kernel, c2), (fields * 2, filters * 2))
            two = ops.reshape(ops.matmul(two, mixing), (q2.shape[1], -1, filters, 2))
            y = ops.einsum("qno,hq->noh", one, q1) + ops.einsum("jnok,hjk->noh", two, q2)
            return ops.reshape(y, (-1, *inputs.shape[1:3], filters * self.group.order))

    return Fourier(filters, 1, group, activation="relu")


def build(kind: str, group, width: int):
    """A stack of 1x1 group convolutions of that many channels, compiled."""
    import keras

    from keras_gcnn import layers

    keras.utils.set_random_seed(0)
    inputs = x = keras.Input((SIZE, SIZE, width))
    filters = width // group.order
    for _ in range(LAYERS):
        plain = kind == "plain"
        layer = (
            layers.GConv2D(filters, 1, group, activation="relu")
            if plain
            else fourier_layer(filters, group)
        )
        x = layer(x)
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(x))
    model.compile("sgd", "mse")
    return model


def measure(group: str, width: int, batch_size: int, steps: int) -> harness.Timed:
    """Times the steps of both stacks in turn."""
    import numpy as np

    from keras_gcnn import groups

    found = groups.get(group)
    data = np.random.default_rng(0).random((batch_size, SIZE, SIZE, width), dtype="float32")
    targets = np.zeros((batch_size, width), "float32")
    models = {kind: build(kind, found, width) for kind in ("plain", "fourier")}
    models["fourier"].set_weights(models["plain"].get_weights())
    plain, fourier = (model.predict_on_batch(data) for model in models.values())
    difference = float(np.abs(plain - fourier).max() / np.abs(plain).max())
    if not difference < 1e-4:
        raise SystemExit(f"the two forms differ by {difference}")
    actions = {kind: partial(model.train_on_batch, data, targets) for kind, model in models.items()}
    return harness.alternate(actions, steps, warm_up=2)


def compare(
    place: Place,
    batch_size: int = 64,
    steps: int = 10,
    groups: Iterable[str] = ("p4", "p4m"),
    widths: Iterable[int] = (80, 400),
) -> Iterator[report.Row]:
    """The rows of one backend; a ratio below 1 is in favour of Fourier's form."""
    for group in groups:
        for width in widths:
            timed = place.run(measure, group, width, batch_size, steps)
            what = f"1x1 on {group}, {width} channels, Fourier's form"
            yield report.times(what, timed, "fourier", "plain")


def main(
    backend: command.Backends = BACKENDS,
    device: command.Devices = [],  # noqa: B006
    group: Annotated[list[str], typer.Option(help="p4, p4m or both.")] = ["p4", "p4m"],  # noqa: B006
    width: Annotated[list[int], typer.Option(help="Channels, |G| included.")] = [80, 200, 400],  # noqa: B006
    batch_size: command.BatchSize = 64,
    steps: command.Steps = 15,
    output: command.Output = None,
) -> None:
    """Prints a table of training steps; a ratio below 1 is in favour of Fourier's form."""
    group = command.chosen("group to measure", group, ("p4", "p4m"))
    compared = partial(compare, batch_size=batch_size, steps=steps, groups=group, widths=width)
    # The form of Fourier is written for channels that come last.
    command.show("pointwise", compared, command.places(backend, device, "channels_last"), output)


if __name__ == "__main__":
    typer.run(main)
