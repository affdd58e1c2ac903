"""Repairs transposed convolutions in ONNX that have an output padding.

tf2onnx writes it as negative pads, which ONNX does not allow, and splits them between both ends,
although TensorFlow puts all zeros at the end. ONNX has the attribute `output_padding` for them.
"""

from __future__ import annotations

from typing import Any


def repair(graph: Any) -> None:
    """Moves the negative pads of an ONNX graph's transposed convolutions to `output_padding`."""
    from onnx import helper

    for node in graph.node:
        if node.op_type != "ConvTranspose":
            continue
        given = {entry.name: list(entry.ints) for entry in node.attribute if entry.ints}
        pads = given.get("pads", [])
        if min(pads, default=0) >= 0:
            continue
        begins, ends = pads[: len(pads) // 2], pads[len(pads) // 2 :]
        sums = [begin + end for begin, end in zip(begins, ends, strict=True)]
        before = given.get("output_padding", [0] * len(sums))
        changed = {
            "pads": [
                pad if total >= 0 else 0
                for side in (begins, ends)
                for pad, total in zip(side, sums, strict=True)
            ],
            "output_padding": [
                old + max(0, -total) for old, total in zip(before, sums, strict=True)
            ],
        }
        kept = [entry for entry in node.attribute if entry.name not in changed]
        del node.attribute[:]
        node.attribute.extend(kept)
        node.attribute.extend(helper.make_attribute(*item) for item in changed.items())
