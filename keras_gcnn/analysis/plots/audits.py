"""Plots an audit: the error of each layer, and which layers break equivariance."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from keras_gcnn.analysis.auditing.report import Audit
from keras_gcnn.analysis.auditing.trial import TOLERANCE
from keras_gcnn.analysis.auditing.walk import Finding
from keras_gcnn.analysis.plots.base import COLOURS, empty_plot, finish_plot
from keras_gcnn.arguments import check_count

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SMALLEST, _LARGEST = 1e-9, 10.0  # of the axis; an error of zero is at its left end
# The colour and the marker.
_LOOKS = {"exact": (COLOURS[0], "o"), "breaks equivariance": (COLOURS[2], "X")}


def plot_audit(
    audit: Audit,
    path: str | Path | None = None,
    title: str | None = None,
    note: str = "",
    *,
    most: int = 40,
) -> Figure:
    """Plots the error of each layer of an audited model, and the fix for each broken layer.

    The bars have a logarithmic scale. Layers whose error is above the dashed line, the tolerance of
    the audit, are hatched and marked by a cross; beside them stands what to do. A restriction has
    no bar, since it is meant to leave a smaller group.

    Args:
        audit: result of `audit`.
        path: file to write, whose suffix chooses the format; None to write no file.
        title: title of the plot; default the verdict of the audit.
        note: small print below the plot.
        most: int, how many layers are shown: of more layers those with the largest errors.

    Returns:
        The `matplotlib.figure.Figure`, which a notebook shows.

    Raises:
        TypeError: if this is no `Audit`.
        ValueError: if the model has no layers, or `most` is no positive integer.

    Example:

    >>> from keras_gcnn import analysis, zoo
    >>> figure = analysis.plot_audit(analysis.audit(zoo.lenet("p4")))
    """
    if not isinstance(audit, Audit):
        raise TypeError(
            f"plot_audit takes the result of audit, not {type(audit).__name__}. Give "
            "analysis.audit(model)."
        )
    findings = _worst(audit.findings, check_count("most", most))
    if not findings:
        raise ValueError("The audit has no layers to plot. Give one of a model with layers.")
    figure = empty_plot(10, 0.32 * len(findings) + 1.4, note)
    axes = figure.add_subplot()
    for row, finding in enumerate(findings):
        _draw_bar(axes, row, finding)
    for label, (colour, marker) in _LOOKS.items():
        axes.plot([], [], marker, color=colour, label=label)
    figure.legend(loc="outside lower right", ncols=2, fontsize=8)
    axes.axvline(TOLERANCE, color="black", ls="--", lw=1)
    axes.text(
        TOLERANCE, 1.01, "tolerance", transform=axes.get_xaxis_transform(), ha="center", fontsize=8
    )
    axes.set_xscale("log")
    axes.set_xlim(_SMALLEST, _LARGEST)
    axes.set_ylim(len(findings) - 0.5, -0.5)  # the first layer on top
    names = [f"{finding.layer} ({finding.kind})" for finding in findings]
    axes.set_yticks(range(len(findings)), names, fontsize=8, parse_math=False)
    axes.set_xlabel(f"largest difference under {audit.asked}, relative to the largest value")
    axes.grid(axis="x", alpha=0.3)
    shown = f", {len(findings)} of {len(audit.findings)} layers"
    shown = shown if len(findings) < len(audit.findings) else ""
    figure.suptitle(f"{audit.verdict}{shown}" if title is None else title, parse_math=False)
    return finish_plot(figure, path)


def _worst(findings: tuple[Finding, ...], most: int) -> list[Finding]:
    """Returns the broken layers and those with the largest errors, in the order of the model."""
    by_error = sorted(findings, key=lambda each: (each.problem is None, -(each.error or 0.0)))
    kept = {id(each) for each in by_error[:most]}
    return [each for each in findings if id(each) in kept]


def _draw_bar(axes: Axes, row: int, finding: Finding) -> None:
    if finding.error is None:
        axes.text(1.5 * _SMALLEST, row, f"goes on with {finding.group}", va="center", fontsize=7)
        return
    broken = finding.problem is not None
    colour, marker = _LOOKS["breaks equivariance" if broken else "exact"]
    end = min(max(finding.error, _SMALLEST), _LARGEST)
    axes.barh(
        row,
        end - _SMALLEST,
        left=_SMALLEST,
        height=0.6,
        color=colour,
        alpha=0.8,
        hatch="///" if broken else None,
        edgecolor="white",
        linewidth=0,
    )
    axes.plot(end, row, marker, color=colour, clip_on=False)
    if finding.fix:
        fix = "\n".join(textwrap.wrap(finding.fix, 50, max_lines=3, placeholder=" ..."))
        beside = axes.get_yaxis_transform()
        axes.text(1.02, row, fix, transform=beside, va="center", fontsize=7, parse_math=False)
