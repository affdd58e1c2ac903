"""Training step of 1x1 group convolutions: by the expanded kernel, or in Fourier's form.

The expanded kernel of a 1x1 group convolution is block-circulant. In the basis of the group's
irreducible representations it falls into blocks, with 6 instead of 16 multiplications per pair of
fields on P4 and 12 instead of 64 on P4M, but the basis of every feature map has to change twice.
Both forms have the same weights and results; their steps alternate in one process.

    python -m benchmarks.suite.pointwise
    python -m benchmarks.suite.pointwise --backend torch --group p4m --width 400
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Annotated

import typer

from benchmarks.common import command, harness, report
from benchmarks.common.environments import Environment

SIZE = 14
LAYERS = 3
Groups = Annotated[list[str], command.choice_option("--group", "group to measure", ("p4", "p4m"))]
Widths = Annotated[list[int], typer.Option("--width", help="Channels, orientations included.")]
SMALLEST = {"batch_size": 2, "steps": 2, "groups": ("p4",), "widths": (8,)}


def fourier_basis(group):
    """Orthonormal bases of functions on P4 or P4M, and the blocks of kernels in them.

    Returns:
        `Q1[h, q]`, the representations of dimension one; `Q2[h, j, k]`, those of dimension two,
        where a convolution mixes k but not j; and `C1[e, q]` and `C2[e, k, K]`, the blocks of the
        convolution with the kernel that is 1 at e and 0 elsewhere.
    """
    import numpy as np

    matrices, order = group.matrices, group.order
    mirrored = np.rint(np.linalg.det(matrices))
    swapped = np.where(matrices[:, 0, 0], 1, -1)
    ones = np.stack([np.ones(order), swapped, mirrored, mirrored * swapped], axis=1)
    if group.name == "p4":  # no reflections; the second row of the matrices repeats the first
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
    """A 1x1 group convolution in Fourier's form, with the kernel of `GConv2D`."""
    from keras import ops

    from keras_gcnn import layers

    class Fourier(layers.GConv2D):
        def _convolve(self, inputs):
            q1, q2, c1, c2 = fourier_basis(self.group)
            kernel = self.kernel[:, 0, 0]  # e, i, o
            fields, filters = kernel.shape[1:]
            x = ops.reshape(inputs, (-1, fields, self.group.order))
            x1 = ops.matmul(ops.einsum("nih,hq->qni", x, q1), ops.einsum("eio,eq->qio", kernel, c1))
            x2 = ops.reshape(ops.einsum("nih,hjk->jnik", x, q2), (q2.shape[1], -1, fields * 2))
            mixing = ops.reshape(ops.einsum("eio,ekK->ikoK", kernel, c2), (fields * 2, filters * 2))
            x2 = ops.reshape(ops.matmul(x2, mixing), (q2.shape[1], -1, filters, 2))
            y = ops.einsum("qno,hq->noh", x1, q1) + ops.einsum("jnok,hjk->noh", x2, q2)
            return ops.reshape(y, (-1, *inputs.shape[1:3], filters * self.group.order))

    return Fourier(filters, 1, group, activation="relu")


def build(form: str, group, width: int):
    """A compiled stack of 1x1 group convolutions with `width` channels."""
    import keras

    from keras_gcnn import layers

    keras.utils.set_random_seed(0)
    inputs = x = keras.Input((SIZE, SIZE, width))
    filters = width // group.order
    for _ in range(LAYERS):
        layer = (
            layers.GConv2D(filters, 1, group, activation="relu")
            if form == "plain"
            else fourier_layer(filters, group)
        )
        x = layer(x)
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(x))
    model.compile("sgd", "mse")
    return model


def measure(group: str, width: int, batch_size: int, steps: int) -> harness.Timed:
    """Times training steps of both forms in turn."""
    import numpy as np

    from keras_gcnn import groups

    data = np.random.default_rng(0).random((batch_size, SIZE, SIZE, width), dtype="float32")
    targets = np.zeros((batch_size, width), "float32")
    models = {form: build(form, groups.get(group), width) for form in ("plain", "fourier")}
    models["fourier"].set_weights(models["plain"].get_weights())
    plain, fourier = (model.predict_on_batch(data) for model in models.values())
    difference = float(np.abs(plain - fourier).max() / np.abs(plain).max())
    if not difference < 1e-4:
        raise SystemExit(f"the two forms differ by {difference}")
    actions = {form: partial(model.train_on_batch, data, targets) for form, model in models.items()}
    return harness.alternate(actions, steps, warm_up=2)


def compare(
    environment: Environment,
    batch_size: command.BatchSize = 64,
    steps: command.Steps = 10,
    groups: Groups = ("p4", "p4m"),
    widths: Widths = (80, 400),
) -> Iterator[report.Row]:
    """The rows of one environment: ratios of Fourier's form to the expanded kernel."""
    for group in groups:
        for width in widths:
            timed = environment.run(measure, group, width, batch_size, steps)
            what = f"1x1 on {group}, {width} channels, Fourier's form"
            yield report.times(what, timed, "fourier", "plain")


if __name__ == "__main__":
    # Fourier's form is written for channels that come last.
    command.run("pointwise", compare, data_formats=False, steps=15, widths=(80, 200, 400))
