"""Walks a functional model and names every layer that breaks equivariance."""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np

from keras_gcnn import groups
from keras_gcnn.analysis.auditing.channel_types import RANKS
from keras_gcnn.analysis.auditing.walk import Finding, Walk
from keras_gcnn.arguments import check_integer
from keras_gcnn.model_graph import find_data_format, fitting_group, group_to_test, is_graph
from keras_gcnn.types import GroupLike, Tensor

_MOST_ROWS = 40  # a longer table is printed on request only
_MOST_NAMES = 4  # names of layers on a line of the summary


@dataclass(frozen=True)
class Audit:
    """Result of `audit`: a finding per layer. It is true if no layer breaks equivariance.

    Printed, it is `table()` for small models and `summary()` for large ones.

    Args:
        model: name of the model.
        asked: name of the group that acts on the images.
        group: name of the group that the outputs obey once broken layers are mended. It is smaller
            than `asked` after a `Restriction`.
        findings: one per layer, in the order of the model.
    """

    model: str
    asked: str
    group: str
    findings: tuple[Finding, ...]

    @property
    def problems(self) -> tuple[Finding, ...]:
        """The layers that break equivariance, in the order of the model."""
        return tuple(finding for finding in self.findings if finding.problem)

    def __bool__(self) -> bool:
        return not self.problems

    @property
    def verdict(self) -> str:
        """The model, the group, and whether it is equivariant, on one line."""
        verdict = "equivariant"
        if self.group != self.asked:
            verdict = f"equivariant under {self.group} in the end, where the model restricts it"
        if not self:
            verdict = f"{len(self.problems)} layer(s) break equivariance"
        return f"{self.model} under {self.asked}: {verdict}"

    def __str__(self) -> str:
        return self.table() if len(self.findings) <= _MOST_ROWS else self.summary()

    def summary(self) -> str:
        """Returns the verdict, and the broken layers by class and remedy, on few lines."""
        layers: dict[tuple[str, str], list[str]] = {}
        for finding in self.problems:
            layers.setdefault((finding.kind, str(finding.fix)), []).append(finding.layer)
        lines = [self.verdict]
        for (class_name, fix), names in layers.items():
            rest = len(names) - _MOST_NAMES
            more = f" and {rest} more" if rest > 0 else ""
            lines += [
                f"{len(names)} {class_name}: {fix}",
                f"    {', '.join(names[:_MOST_NAMES])}{more}",
            ]
        if len(self.findings) > _MOST_ROWS:
            lines.append(f"All {len(self.findings)} layers are in table().")
        return "\n".join(lines)

    def table(self) -> str:
        """Returns the verdict, a row for every layer, and the problem of each broken layer."""
        rows = [("layer", "class", "output", "channels", "equivariant under")]
        rows += [
            (
                finding.layer,
                finding.kind,
                str(finding.shape),
                finding.field,
                finding.group + ("  <-- broken" if finding.problem else ""),
            )
            for finding in self.findings
        ]
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        lines += [
            f"{broken.layer}: {broken.problem}. To fix: {broken.fix}." for broken in self.problems
        ]
        return "\n".join([self.verdict, *lines])


def audit(
    model: keras.Model,
    group: GroupLike | None = None,
    *,
    input_shape: tuple[int, ...] | None = None,
    seed: int = 0,
) -> Audit:
    """Names every layer of a model that breaks equivariance, ours or Keras's, with the fix.

    Each layer is measured by itself, with random weights and with random input of its shape in the
    model. The type of the input's channels is known from the layers before. The type of the
    output's channels is the one with which the layer is equivariant under the largest group. Images
    of one batch are also rotated independently, and for layers with batch statistics in training
    too. After a broken layer the walk goes on as if it were mended, so one walk names all of them.

    Tokens, `(batch, tokens, channels)`, are followed as long as they are all positions of a map, as
    after `Reshape((rows * columns, channels))`: a rotation permutes them, and attention without a
    position embedding commutes with that. For other tokens, such as a class token or windows of a
    map, the audit reports that it cannot judge the layers that follow. A model's input of three
    axes counts as images without channels.

    Args:
        model: a functional or sequential model. It is not changed.
        group: str or `keras_gcnn.groups.Group` that acts on the images; default the largest group
            of the model's layers, or `"p4m"` if they have none.
        input_shape: shape of one input, without the batch, for a model that leaves sizes open, such
            as `(64, 64, 1)` for `keras.Input((None, None, 1))`.
        seed: int, seed of the random weights and inputs.

    Returns:
        An `Audit`. `bool(audit)` is true if nothing is broken, `audit.problems` lists the broken
        layers, `print(audit.table())` shows the group and type of every tensor, and
        `print(audit.summary())` the problems by class of layer.

    Raises:
        ValueError: if the model is not a functional or sequential one, is not built, or leaves
            sizes open that `input_shape` does not give; without `group`, if its fields are of
            groups such as C_5, whose rotations no pixel grid shows.

    Example:

    >>> from keras_gcnn import analysis, zoo
    >>> bool(analysis.audit(zoo.lenet("p4")))
    True
    >>> [broken.layer for broken in analysis.audit(zoo.lenet("p4", head="flatten")).problems]
    ['head']
    """
    check_integer("seed", seed)
    if not is_graph(model):
        raise ValueError(
            f"audit walks functional and sequential models; {type(model).__name__} is neither, or "
            "has a call of its own. Use keras_gcnn.analysis.equivariance_error, which only calls "
            "the model."
        )
    if not model.built:
        raise ValueError(
            f"The model {model.name!r} is not built. Give it an input, e.g. "
            "keras.Input((28, 28, 1)), or call it once."
        )
    asked = groups.get(group if group is not None else group_to_test(model) or "p4m")
    shapes = [_known_shape(tensor, input_shape) for tensor in model.inputs]
    for shape in shapes:
        asked = fitting_group(asked, (None, *shape), find_data_format(model))
    walk = Walk(model, np.random.default_rng(seed))
    reached = walk.start(model, asked, shapes)
    return Audit(model.name, asked.name, reached.name, tuple(walk.findings))


def _known_shape(tensor: Tensor, input_shape: tuple[int, ...] | None) -> tuple[int, ...]:
    """Returns the shape of an input without the batch, with open sizes from `input_shape`."""
    if len(tensor.shape) not in RANKS:
        raise ValueError(
            f"The input {tensor.name!r} has shape {tensor.shape}. The audit supports images, "
            "(batch, rows, columns, channels), and features, (batch, channels)."
        )
    shape = tuple(tensor.shape[1:])
    if input_shape is None:
        if None in shape:
            example = tuple(size or 64 for size in shape)
            raise ValueError(
                f"The input {tensor.name!r} has unknown sizes: {tensor.shape}. Give sizes to try "
                f"it with, e.g. audit(model, input_shape={example})."
            )
        return shape
    given = tuple(input_shape)
    fits = len(given) == len(shape) and all(
        isinstance(number, int) and number > 0 and size in (None, number)
        for number, size in zip(given, shape, strict=True)
    )
    if not fits:
        raise ValueError(
            f"input_shape={input_shape} does not fit the input {tensor.name!r}, whose shape "
            f"without the batch is {shape}. Give positive integers, and repeat the known sizes."
        )
    return given
