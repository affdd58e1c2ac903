"""What a model costs: parameters, multiply-adds and the size of its maps, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import keras

from keras_gcnn.model_cost import LayerCost, layer_costs
from keras_gcnn.types import Shape
from keras_gcnn.zoo import VariationalAutoencoder

_HEADER = ("layer", "class", "output", "parameters", "multiply-adds", "bytes")


@dataclass(frozen=True)
class Cost:
    """Result of `cost`. Printed, it is `as_table()`.

    Args:
        model: name of the model.
        rows: one for every call of a layer, in the order of the model, with the attributes `layer`,
            `class_name`, `shape`, `parameters`, `multiply_adds` and `bytes`.
    """

    model: str
    rows: tuple[LayerCost, ...]

    @property
    def parameters(self) -> int:
        """Number of trainable parameters."""
        return sum(row.parameters for row in self.rows)

    @property
    def multiply_adds(self) -> int:
        """Number of multiply-adds for one image, without those of the layers in `unknown`."""
        return sum(row.multiply_adds or 0 for row in self.rows)

    @property
    def bytes(self) -> int:
        """Size of the outputs of all layers for one image."""
        return sum(row.bytes for row in self.rows)

    @property
    def unknown(self) -> tuple[str, ...]:
        """Names of the layers with weights whose multiply-adds are not known."""
        return tuple(dict.fromkeys(row.layer for row in self.rows if row.multiply_adds is None))

    def __str__(self) -> str:
        return self.as_table()

    def as_table(self) -> str:
        """Returns a row for every call of a layer, the sums, and the layers that are unknown."""
        rows = [_HEADER]
        rows += [
            (
                row.layer,
                row.class_name,
                str(row.shape),
                f"{row.parameters:,}",
                "unknown" if row.multiply_adds is None else f"{row.multiply_adds:,}",
                f"{row.bytes:,}",
            )
            for row in self.rows
        ]
        at_least = "at least " if self.unknown else ""
        rows.append(
            (
                "total",
                "",
                "",
                f"{self.parameters:,}",
                f"{at_least}{self.multiply_adds:,}",
                f"{self.bytes:,}",
            )
        )
        widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADER))]
        names = len(_HEADER) - 3  # columns of text, which begin at the left
        lines = [f"{self.model}: cost of one image"]
        for row in rows:
            cells = zip(row, widths, strict=True)
            aligned = [
                cell.ljust(width) if column < names else cell.rjust(width)
                for column, (cell, width) in enumerate(cells)
            ]
            lines.append("  ".join(aligned))
        if self.unknown:
            lines.append(
                f"Not counted: {', '.join(self.unknown)}. They have weights, or multiply maps with "
                "each other, in a way for which there is no formula."
            )
        return "\n".join(lines)


def cost(model: keras.Model, *, input_shape: Shape | Sequence[Shape] | None = None) -> Cost:
    """Counts parameters, multiply-adds and bytes of maps of every layer of a model.

    A multiply-add is a product that is added to a sum, which others count as two operations.
    Counted are those of one image in one forward pass at inference, by these formulas, where
    positions are rows times columns:

    - convolution: positions of the output * kernel rows * kernel columns * c_in / groups * c_out,
      padding included; transposed: positions of the input instead; depthwise: positions of the
      output * kernel rows * kernel columns * c_out; separable: depthwise, then 1x1;
    - dense: positions * c_in * units; `EinsumDense`: the product of the sizes of all its axes;
      `MultiHeadAttention`: its four projections, the scores, and the weighted sum;
    - convolutions on a group and steerable ones: as the stock convolution with the expanded kernel,
      whose c_in and c_out count all channels. `GSeparableConv2D` of variant "gc": 1x1 at the
      positions of the input, then depthwise;
    - the constant matrices of `FourierActivation`, `SteerablePooling`, `SteerableAveragePooling2D`,
      `SteerableRestriction`, `ToFields` and `ToGroupMaps`.

    Everything else counts zero: normalisation, pooling, activations, sums of maps, and the
    expansion of kernels, which takes place once per batch and not at all after `to_plain`. Layers
    with weights for which there is no formula are listed as unknown.

    A layer that is called twice has two rows; its parameters count once. Bytes are those of the
    outputs of all layers, in the type in which each layer computes: about what training has to
    keep for one image, if nothing is fused.

    Args:
        model: a functional or sequential model, models inside it included, or a
            `keras_gcnn.zoo.VariationalAutoencoder`. It is not changed.
        input_shape: shape of an image without the batch, e.g. `(96, 96, 3)`, for a model whose
            sizes are open; a list of shapes for a model of several inputs.

    Returns:
        A `Cost`.

    Raises:
        TypeError: if `model` is no `keras.Model`.
        ValueError: for a model with a `call` of its own, unknown sizes without `input_shape`, or
            sizes that a layer does not take.

    Example:

    >>> from keras_gcnn import analysis, zoo
    >>> for group in ("z2", "p4"):
    ...     found = analysis.cost(zoo.lenet(group))
    ...     print(f"{found.parameters:,} parameters, {found.multiply_adds:,} multiply-adds")
    31,886 parameters, 1,455,400 multiply-adds
    27,910 parameters, 5,448,360 multiply-adds
    """
    if isinstance(model, VariationalAutoencoder):
        parts = ((model.encoder, input_shape), (model.decoder, None))
        rows = [
            replace(row, layer=f"{part.name}/{row.layer}")
            for part, shape in parts
            for row in layer_costs(part, shape)
        ]
        return Cost(model.name, tuple(rows))
    if not isinstance(model, keras.Model):
        raise TypeError(
            f"model is of type {type(model).__name__}. Give a Keras model; put a layer into "
            "keras.Model(inputs, outputs)."
        )
    return Cost(model.name, layer_costs(model, input_shape))
