"""What the layers should compute, in NumPy loops written from the formulas.

Nothing here uses `keras_gcnn`. Elements are numbered as in P4M, `g = 4 m + r`: rotate by `r`
quarter turns, counter-clockwise on the screen, then mirror the rows `m` times.
"""

import itertools

import numpy as np

# Index of g^-1 h: row g, column h. The upper left block is P4's.
LEFT_DIVISION = np.array(
    [
        [0, 1, 2, 3, 4, 5, 6, 7],
        [3, 0, 1, 2, 5, 6, 7, 4],
        [2, 3, 0, 1, 6, 7, 4, 5],
        [1, 2, 3, 0, 7, 4, 5, 6],
        [4, 5, 6, 7, 0, 1, 2, 3],
        [5, 6, 7, 4, 3, 0, 1, 2],
        [6, 7, 4, 5, 2, 3, 0, 1],
        [7, 4, 5, 6, 1, 2, 3, 0],
    ]
)

# The elements of every group, as elements of P4M.
ELEMENTS = {
    "z2": [0],
    "p2": [0, 2],
    "pm": [0, 4],
    "flip": [0, 6],
    "p4": [0, 1, 2, 3],
    "pmm": [0, 2, 4, 6],
    "p4m": [0, 1, 2, 3, 4, 5, 6, 7],
}

# Those that are a C_N or D_N, and so have fields.
WITH_FIELDS = ("z2", "p2", "pm", "p4", "pmm", "p4m")

# The axes whose direction some element reverses: rows, columns.
REVERSED_AXES = {"z2": (), "pm": (0,), "flip": (1,)} | dict.fromkeys(
    ("p2", "pmm", "p4", "p4m"), (0, 1)
)


# How NumPy calls what paddings other than zeros add.
FILLING = {"circular": "wrap", "reflect": "reflect"}


def order(group):
    return len(ELEMENTS[group])


def left_division(group):
    """Table of g^-1 h in the group's own numbering."""
    members = ELEMENTS[group]
    return np.array([[members.index(LEFT_DIVISION[g, h]) for h in members] for g in members])


def move(array, element, axes=(0, 1)):
    """`(L_g w)(x) = w(g^-1 x)` for an element of P4M."""
    turned = np.rot90(array, element % 4, axes)
    return np.flip(turned, axes[0]) if element >= 4 else turned


def move_images(images, group, g):
    """Moves channels-last images by the g-th element of the group."""
    return move(images, ELEMENTS[group][g], (1, 2))


def move_fibres(values, group, g):
    """`(L_g f)(h) = f(g^-1 h)` along a last axis `c * |G| + h`."""
    fibres = values.reshape(*values.shape[:-1], -1, order(group))
    return fibres[..., left_division(group)[g]].reshape(values.shape)


def move_maps(maps, group, g):
    """`(L_g f)(x, h) = f(g^-1 x, g^-1 h)` on channels-last feature maps."""
    return move_fibres(move_images(maps, group, g), group, g)


def paddings(size, window, stride, padding):
    """What is added before and after, by TensorFlow's rule, which Keras uses on every backend."""
    if padding == "valid":
        return 0, 0
    total = max((-(-size // stride) - 1) * stride + window - size, 0)
    return total // 2, total - total // 2


def is_exact(size, window, stride, padding):
    """Symmetric padding, and the last window ends at the border."""
    before, after = paddings(size, window, stride, padding)
    return before == after and (size + before + after - window) % stride == 0


def correlate(images, kernel, strides=(1, 1), padding="valid", dilation=(1, 1)):
    """Cross-correlation of `(batch, rows, columns, c_in)` with `(u, v, c_in, c_out)`."""
    extents = [(k - 1) * d + 1 for k, d in zip(kernel.shape[:2], dilation, strict=True)]
    pads = [paddings(*a, padding) for a in zip(images.shape[1:3], extents, strides, strict=True)]
    images = np.pad(images, [(0, 0), *pads, (0, 0)], FILLING.get(padding, "constant"))
    rows, columns = (
        (n - e) // s + 1 for n, e, s in zip(images.shape[1:3], extents, strides, strict=True)
    )
    outputs = np.zeros((len(images), rows, columns, kernel.shape[-1]))
    for i, j in itertools.product(range(rows), range(columns)):
        top, left = i * strides[0], j * strides[1]
        patch = images[
            :,
            top : top + extents[0] : dilation[0],
            left : left + extents[1] : dilation[1],
        ]
        outputs[:, i, j] = np.tensordot(patch, kernel, 3)
    return outputs


def group_correlate(inputs, base, bias, group, lifting, **window):
    """`y[x, o, g] = sum_{u, i, h} f[x + u, i, h] W[o, i, g^-1 h, g^-1 u] + b[o]`.

    Args:
        inputs: channels-last images if `lifting`, else feature maps.
        base: `W[o, i, h, u, v]`, with a single h if `lifting`.
    """
    orders = 1 if lifting else order(group)
    fibres = inputs.reshape(*inputs.shape[:-1], -1, orders)
    outputs = []
    for g, element in enumerate(ELEMENTS[group]):
        total = 0
        for h in range(orders):
            source = 0 if lifting else left_division(group)[g, h]
            filters = move(base[:, :, source], element, (2, 3))
            total = total + correlate(fibres[..., h], filters.transpose(2, 3, 1, 0), **window)
        outputs.append(total + bias)
    outputs = np.stack(outputs, axis=-1)
    return outputs.reshape(*outputs.shape[:-2], -1)


def group_depthwise(inputs, base, bias, group, **window):
    """`y[x, c * m + n, g] = sum_u f[x + u, c, g] W[c, n, g^-1 u] + b[c * m + n]`.

    Args:
        inputs: channels-last feature maps.
        base: `W[c, n, u, v]`.
    """
    fibres = inputs.reshape(*inputs.shape[:-1], -1, order(group))
    outputs = [
        [
            correlate(fibres[..., c, g : g + 1], move(filters, element)[..., None, None], **window)
            for g, element in enumerate(ELEMENTS[group])
        ]
        for c in range(len(base))
        for filters in base[c]
    ]
    outputs = [
        np.concatenate(field, -1) + number for field, number in zip(outputs, bias, strict=True)
    ]
    return np.concatenate(outputs, -1)


def transposed_size(size, window, stride, padding, output_padding=None):
    """Rows of a transposed convolution's output, as Keras documents them."""
    if output_padding is not None:
        smallest = window if padding == "valid" else window % 2
        return (size - 1) * stride + smallest + output_padding
    return (size - 1) * stride + max(window, stride) if padding == "valid" else size * stride


def is_exact_transposed(size, window, stride, padding, output_padding=None):
    """As much of `(size - 1) stride + window` rows is cut off before as after."""
    rows = transposed_size(size, window, stride, padding, output_padding)
    before = paddings(rows, window, stride, padding)[0]
    return rows == (size - 1) * stride + window - 2 * before


def transpose_correlate(
    inputs, kernel, strides=(1, 1), padding="valid", dilation=(1, 1), output_padding=(None, None)
):
    """Transpose of `correlate` from `(batch, *, *, c_out)`; the kernel is `(u, v, c_in, c_out)`."""
    extents = [(k - 1) * d + 1 for k, d in zip(kernel.shape[:2], dilation, strict=True)]
    numbers = list(zip(inputs.shape[1:3], extents, strides, strict=True))
    sizes = [
        transposed_size(*a, padding, more) for a, more in zip(numbers, output_padding, strict=True)
    ]
    starts = [
        paddings(n, e, s, padding)[0] for n, e, s in zip(sizes, extents, strides, strict=True)
    ]
    whole = [n * s + e for n, e, s in numbers]
    outputs = np.zeros((len(inputs), *whole, kernel.shape[2]))
    for i, j in itertools.product(*map(range, inputs.shape[1:3])):
        top, left = i * strides[0], j * strides[1]
        outputs[
            :, top : top + extents[0] : dilation[0], left : left + extents[1] : dilation[1]
        ] += np.tensordot(inputs[:, i, j], kernel, (1, 3))
    return outputs[:, starts[0] :, starts[1] :][:, : sizes[0], : sizes[1]]


def group_transpose_correlate(inputs, base, bias, group, **window):
    """`y[x, o, g] = sum_{p, i, h} f[p, i, h] W[o, i, g^-1 h, g^-1 (x - s p)] + b[o]`."""
    fibres = inputs.reshape(*inputs.shape[:-1], -1, order(group))
    outputs = []
    for g, element in enumerate(ELEMENTS[group]):
        total = 0
        for h in range(order(group)):
            filters = move(base[:, :, left_division(group)[g, h]], element, (2, 3))
            kernel = filters.transpose(2, 3, 0, 1)
            total = total + transpose_correlate(fibres[..., h], kernel, **window)
        outputs.append(total + bias)
    outputs = np.stack(outputs, axis=-1)
    return outputs.reshape(*outputs.shape[:-2], -1)


def window_pool(images, reduce, windows, strides):
    """Pools channels-last images without padding."""
    rows, columns = (
        (n - w) // s + 1 for n, w, s in zip(images.shape[1:3], windows, strides, strict=True)
    )
    outputs = np.empty((len(images), rows, columns, images.shape[-1]))
    for i, j in itertools.product(range(rows), range(columns)):
        top, left = i * strides[0], j * strides[1]
        patch = images[:, top : top + windows[0], left : left + windows[1]]
        outputs[:, i, j] = reduce(patch, axis=(1, 2))
    return outputs
