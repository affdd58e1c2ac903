"""Kernels in the layouts of other libraries, against the definition of the convolution."""

import numpy as np
import pytest

from keras_gcnn import groups, interop, layers
from tests.helpers.layers import relative_error, run

LAYOUTS = {
    # From (c_out, c_in, h, u, v), the axes in which the definition is written.
    "groupy-torch": lambda kernel: kernel,
    "groupy-tensorflow": lambda kernel: np.concatenate(
        [kernel[:, :, h].transpose(2, 3, 1, 0) for h in range(kernel.shape[2])], axis=2
    ),
}


def expanded(kernel, group, lifting):
    """`T[o, g, i, h] = L_g W[o, i, g^-1 h]`, written out with turns of arrays."""
    orders = 1 if lifting else group.order
    filters, fields, _, rows, columns = kernel.shape
    found = np.zeros((filters, group.order, fields, orders, rows, columns))
    for g in range(group.order):
        for h in range(orders):
            read = 0 if lifting else relative(group, g, h)
            turned = np.rot90(kernel[:, :, read], g % 4, (-2, -1))
            found[:, g, :, h] = turned[..., ::-1, :] if g >= 4 else turned
    return found


def relative(group, g, h):
    """Index of `g^-1 h`: turns r, then the mirror, as matrices on (row, column)."""
    turn, mirror = np.array([[0, -1], [1, 0]]), np.diag([-1, 1])

    def matrix(g):
        return np.linalg.matrix_power(mirror, g // 4) @ np.linalg.matrix_power(turn, g % 4)

    wanted = np.linalg.inv(matrix(g)) @ matrix(h)
    return next(k for k in range(group.order) if np.allclose(matrix(k), wanted))


def correlate(x, kernel):
    """Valid cross-correlation of (n, rows, columns, c) with (o, c, u, v)."""
    rows, columns = kernel.shape[-2:]
    windows = np.lib.stride_tricks.sliding_window_view(x, (rows, columns), (1, 2))
    return np.einsum("nxyiuv,oiuv->nxyo", windows, kernel)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("group", ["p4", "p4m"])
@pytest.mark.parametrize("lifting", [True, False])
def test_the_layer_computes_what_the_definition_says(rng, layout, group, lifting):
    group = groups.get(group)
    orders = 1 if lifting else group.order
    kernel = rng.normal(size=(2, 3, orders, 3, 3))
    x = rng.normal(size=(2, 6, 6, 3 * orders)).astype("float32")
    kind = layers.LiftingConv2D if lifting else layers.GConv2D
    layer = kind(2, 3, group.name, use_bias=False)
    layer.build((None, 6, 6, 3 * orders))
    interop.load_kernel(layer, LAYOUTS[layout](kernel), layout)
    whole = expanded(kernel, group, lifting)
    whole = whole.reshape(2 * group.order, 3 * orders, 3, 3)
    assert relative_error(run(layer, x), correlate(x, whole)) < 1e-5


def test_mistakes_are_explained():
    layer = layers.GConv2D(2, 3, "p4")
    array = np.zeros((2, 3, 4, 3, 3))
    with pytest.raises(ValueError, match="has no kernel yet"):
        interop.load_kernel(layer, array)
    layer.build((None, 6, 6, 12))
    with pytest.raises(ValueError, match="Choose one of 'groupy-torch'"):
        interop.load_kernel(layer, array, "caffe")
    with pytest.raises(ValueError, match=r"has the shape \(2, 3\); .* has \(2, 3, 4, 3, 3\)"):
        interop.load_kernel(layer, array[:, :, 0, 0, 0])
    with pytest.raises(TypeError, match="GPooling has no such kernel"):
        interop.load_kernel(layers.GPooling(), array)
    other = layers.GConv2D(2, 3, "pmm")
    other.build((None, 6, 6, 12))
    with pytest.raises(ValueError, match="is on pmm"):
        interop.load_kernel(other, array)
