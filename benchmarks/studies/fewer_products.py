"""A group convolution of a quarter of the multiplications, against the usual one.

On a group with the mirrors of rows and columns, such as P4M, a convolution needs a quarter of the
multiplications, and additions of shifted maps; `keras_gcnn/backend/torch/mirrors.py` says how. Each
addition reads and writes a map, for which a processor takes as long as for many multiplications.
On PyTorch the library computes wide maps in this form. On TensorFlow and JAX it does not; this
study computes it there by the operations that these compile, to show why.

    python -m benchmarks.studies.fewer_products
    python -m benchmarks.studies.fewer_products --backend torch --channels 256 --kernel 5
"""

from __future__ import annotations

from typing import Annotated

import typer

from benchmarks.common import command, harness, report
from benchmarks.common.environments import BACKENDS, Environment

GROUP = "p4m"
SIZE = 28
TOGETHER = 8  # fields whose channels one product of matrices changes
COLUMNS, ROWS = 2, 1  # axes of a map, and the bits of a part that an odd sum along them changes
BITS = {COLUMNS: 1, ROWS: 2}
WINDOW = ((1, 1), "same", "channels_last", (1, 1))


def sums(kernel_size: int) -> list[tuple[int, int]]:
    """Distance of the two maps of every sum along an axis, and whether it is a difference."""
    return [(0, 0), *((v, odd) for v in range(1, kernel_size // 2 + 1) for odd in (0, 1))]


def shifted(maps, shift: int, axis: int):
    """The map at `x + shift`, zero outside."""
    from keras import ops

    pads, kept = [(0, 0)] * 4, [slice(None)] * 4
    pads[axis] = (max(-shift, 0), max(shift, 0))
    kept[axis] = slice(max(shift, 0), max(shift, 0) + maps.shape[axis])
    return ops.pad(maps, pads)[tuple(kept)]


def split(maps, bases: list, kernel_size: int) -> list:
    """The sums along columns, in one map for every product of matrices."""
    from keras import ops

    fields = ops.reshape(maps, (*maps.shape[:3], -1, len(bases[0])))
    parts = [ops.reshape(ops.matmul(fields, basis), (*maps.shape[:3], -1)) for basis in bases]
    outputs = []
    for product in range(len(bases)):
        terms = []
        for v, odd in sums(kernel_size):
            one = parts[product ^ (BITS[COLUMNS] * odd)]
            if v:
                before, after = shifted(one, -v, COLUMNS), shifted(one, v, COLUMNS)
                one = after - before if odd else after + before
            terms.append(one)
        outputs.append(ops.concatenate(terms, axis=-1))
    return outputs


def merge(products: list, bases: list, kernel_size: int):
    """The map of the group from its sums along rows."""
    from keras import ops

    pieces = [ops.split(one, kernel_size, axis=-1) for one in products]
    total = 0
    for part, basis in enumerate(bases):
        terms = 0
        for i, (v, odd) in enumerate(sums(kernel_size)):
            one = pieces[part ^ (BITS[ROWS] * odd)][i]
            if v:
                before, after = shifted(one, -v, ROWS), shifted(one, v, ROWS)
                one = before - after if odd else before + after
            terms = terms + one
        fields = ops.reshape(terms, (*terms.shape[:3], -1, basis.shape[1]))
        total = total + ops.matmul(fields, basis.T)
    return ops.reshape(total, (*total.shape[:3], -1))


def matrices(kernel, bases: list) -> list:
    """The products' matrices, from the expanded kernel of a group convolution."""
    from keras import ops

    reach, channels = kernel.shape[0] // 2, kernel.shape[3]

    def between(u: int, v: int, of_input, of_output):
        """The kernel at a position, from one part to another."""
        at = ops.reshape(kernel[reach + u, reach + v], (-1, len(of_input), channels))
        at = ops.reshape(ops.einsum("fio,ij->fjo", at, of_input), (-1, channels))
        fields = ops.reshape(at, (at.shape[0], -1, len(of_output)))
        return ops.reshape(ops.matmul(fields, of_output), (at.shape[0], -1))

    return [
        ops.concatenate(
            [
                ops.concatenate(
                    [
                        # The transpose in `merge` changes the sign of an odd sum.
                        (-1) ** other
                        * between(
                            u,
                            v,
                            bases[product ^ (BITS[COLUMNS] * odd)],
                            bases[product ^ (BITS[ROWS] * other)],
                        )
                        for u, other in sums(kernel.shape[0])
                    ],
                    axis=1,
                )
                for v, odd in sums(kernel.shape[0])
            ],
            axis=0,
        )
        for product in range(len(bases))
    ]


def by_operations(maps, kernel, tile: int):
    """The convolution by operations of Keras, a few images at a time, for the cache."""
    import numpy as np
    from keras import ops

    from keras_gcnn import groups
    from keras_gcnn.groups.mirrors import even_and_odd

    group = groups.get(GROUP)
    fields = maps.shape[-1] // group.order
    together = max(number for number in range(1, TOGETHER + 1) if fields % number == 0)
    bases = [np.kron(np.eye(together), part).astype("float32") for part in even_and_odd(group)]
    size, weights = kernel.shape[0], matrices(kernel, bases)

    def of_tile(images):
        inputs = split(images, bases, size)
        outputs = [ops.matmul(one, weight) for one, weight in zip(inputs, weights, strict=True)]
        return merge(outputs, bases, size)

    tiles = ops.reshape(maps, (-1, tile, *maps.shape[1:]))
    if tiles.shape[0] == 1:
        return of_tile(maps)
    return ops.reshape(ops.map(of_tile, tiles), (-1, *maps.shape[1:]))


def forms(tile: int) -> dict:
    """The convolutions, each a function of maps and kernel."""
    from keras import ops

    from keras_gcnn import groups
    from keras_gcnn.backend import ops as backend

    found = {
        "usual": lambda maps, kernel: backend.convolve(maps, kernel, *WINDOW),
        "Keras's": lambda maps, kernel: ops.conv(maps, kernel, *WINDOW),
        "a quarter": lambda maps, kernel: by_operations(maps, kernel, tile),
    }
    if backend.on("torch"):
        from keras_gcnn.backend.torch import mirrors

        channels = (groups.get(GROUP),) * 2
        found["a quarter"] = lambda maps, kernel: mirrors.convolve(maps, kernel, "same", channels)
    return found


def compiled(form, gradients: bool):
    """A function that waits for the output of the form, or for it and both gradients."""
    from keras_gcnn.backend import ops as backend

    if backend.on("jax"):
        import jax

        def run(maps, kernel, slopes):
            if not gradients:
                return form(maps, kernel)
            outputs, transposed = jax.vjp(form, maps, kernel)
            return outputs, transposed(slopes)

        program = jax.jit(run)
        return lambda *arrays: jax.block_until_ready(program(*arrays))
    if backend.on("tensorflow"):
        import keras
        import tensorflow

        @tensorflow.function
        def run(maps, kernel, slopes):
            with tensorflow.GradientTape() as tape:
                tape.watch((maps, kernel))
                outputs = form(maps, kernel)
            if not gradients:
                return outputs
            return outputs, tape.gradient(outputs, (maps, kernel), slopes)

        return lambda *arrays: [each.numpy() for each in keras.tree.flatten(run(*arrays))]
    import torch

    def run(maps, kernel, slopes):
        if not gradients:
            with torch.no_grad():
                return form(maps, kernel)
        maps, kernel = (each.detach().requires_grad_() for each in (maps, kernel))
        outputs = form(maps, kernel)
        return outputs, torch.autograd.grad(outputs, (maps, kernel), slopes)

    return run


def measure(channels: int, kernel_size: int, batch_size: int, tile: int, steps: int):
    """Times every form in turn; returns also the largest relative difference of their outputs."""
    import numpy as np
    from keras import ops

    from keras_gcnn import groups, layers

    shape = (batch_size, SIZE, SIZE, channels)
    maps, slopes = np.random.default_rng(0).standard_normal((2, *shape), dtype="float32")
    layer = layers.GConv2D(channels // groups.get(GROUP).order, kernel_size, GROUP, padding="same")
    layer.build(shape)
    arrays = [ops.convert_to_tensor(each) for each in (maps, layer.expanded_kernel(), slopes)]
    outputs, actions = {}, {}
    for name, form in forms(tile).items():
        outputs[name] = ops.convert_to_numpy(form(*arrays[:2]))
        for what, gradients in (("inference", False), ("training", True)):
            run = compiled(form, gradients)
            actions[f"{name}, {what}"] = lambda run=run: run(*arrays)
    error = np.abs(outputs["a quarter"] - outputs["usual"]).max() / np.abs(outputs["usual"]).max()
    if not error < 1e-5:
        raise SystemExit(f"the convolution of fewer products differs by {error}")
    return harness.alternate(actions, steps, warm_up=2), float(error)


def rows(backend: str, channels: int, kernel_size: int, timed: harness.Timed, error: float):
    """The lines of the table."""
    for what in ("inference", "training"):
        name = f"a quarter, {what}"
        low, middle, high = harness.ratio(timed, name, f"usual, {what}")
        yield {
            "backend": backend,
            "channels": channels,
            "kernel": kernel_size,
            "what": what,
            "usual, ms": round(harness.median(timed, f"usual, {what}"), 1),
            "a quarter, ms": round(harness.median(timed, name), 1),
            "ratio": f"{middle:.2f} ({low:.2f}-{high:.2f})",
            "against Keras's": round(harness.ratio(timed, name, f"Keras's, {what}")[1], 2),
            "largest difference": f"{error:.0e}",
        }


def main(
    backend: command.Backends = BACKENDS,
    channels: Annotated[list[int], typer.Option(help="Orientations included.")] = [128, 256],  # noqa: B006
    kernel: Annotated[list[int], typer.Option(help="Rows of the kernel, odd.")] = [3, 5],  # noqa: B006
    batch_size: command.BatchSize = 16,
    tile: Annotated[int, typer.Option(min=1, help="Images at a time, not on PyTorch.")] = 2,
    steps: command.Steps = 10,
    output: command.Output = None,
) -> None:
    """Prints the times of both forms on P4M and their ratios."""
    backend = command.chosen("backend", backend, BACKENDS)
    header = report.describe(backend)
    print(header)
    table = report.Table()
    for each in backend:
        for number in channels:
            for size in kernel:
                found = Environment(each).run(measure, number, size, batch_size, tile, steps)
                for row in rows(each, number, size, *found):
                    table.add(row)
                table.write_json(output, header)


if __name__ == "__main__":
    typer.run(main)
