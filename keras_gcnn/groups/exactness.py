"""When a convolution or a pooling on the pixel grid commutes with turning the image, exactly."""

from __future__ import annotations

from collections.abc import Sequence

from keras_gcnn.groups.group import Group

_AXES = ("rows", "columns")


def window_problem(
    group: Group,
    sizes: Sequence[int | None],
    window: Sequence[int],
    strides: Sequence[int],
    padding: str,
    dilation: Sequence[int] = (1, 1),
) -> str | None:
    """Says why a sliding window is not equivariant, or None if it is.

    The window visits the same places before and after the grid is turned if and only if, along
    every axis that some group element reverses, the padding is symmetric and the last visit ends at
    the border: `(size + padding - window) mod stride == 0`. If rows and columns are exchanged, both
    need the same stride and dilation.

    Args:
        group: `Group`.
        sizes: rows and columns of the input; None where unknown.
        window: rows and columns of the kernel or pool, without dilation.
        strides: along rows and columns.
        padding: `"valid"` or `"same"`, as Keras understands them.
        dilation: along rows and columns.

    Returns:
        A clause such as `"stride 2 on 28 rows with a window of 3 visits ..."`, or None.
    """
    if group.swaps_axes:
        for name, values in (
            ("window", window),
            ("strides", strides),
            ("dilation_rate", dilation),
        ):
            if values[0] != values[1]:
                return f"{name}={tuple(values)} treats rows and columns differently"
    for axis, reverses in enumerate(group.reverses_axis):
        if not reverses:
            continue
        size, stride, where = sizes[axis], strides[axis], _AXES[axis]
        extent = (window[axis] - 1) * dilation[axis] + 1
        if size is None and stride > 1:
            return (
                f"with stride {stride} it depends on the number of {where}, which is unknown here"
            )
        # What "same" pads follows TensorFlow's rule, which Keras uses on every backend.
        last = (size - 1) // stride * stride if stride > 1 else 0  # the last visit's first place
        if padding == "same":
            total = extent - 1 if stride == 1 else last + extent - size
            if total > 0 and total % 2:
                return (
                    f'padding="same" pads {total // 2} before and {total - total // 2} after the '
                    f"{where} (window {extent}, stride {stride}, {size or 'any number of'} {where})"
                )
            left_over = max(-total, 0)
        else:
            left_over = (size - extent) % stride if stride > 1 else 0
        if left_over:
            return (
                f"a window of {extent} with stride {stride} leaves {left_over} of {size} "
                f"{where} unvisited at one border"
            )
    return None


def exact_window(size: int, stride: int) -> int:
    """Smallest window, at least as large as the stride, that leaves no remainder without padding.

    For stride 2 that is 2 on an even and 3 on an odd size.
    """
    return stride + size % stride
