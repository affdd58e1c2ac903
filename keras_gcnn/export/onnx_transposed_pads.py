"""Transposed convolutions in ONNX whose outputs are longer than kernel and stride make them.

For these tf2onnx writes negative pads, which ONNX does not allow, and it splits them between both
ends, where TensorFlow has all zeros at the end. ONNX has an attribute for them, `output_padding`.
"""

from __future__ import annotations

from typing import Any


def repair(graph: Any) -> None:
    """Moves the negative pads of an ONNX graph's transposed convolutions to `output_padding`."""
    from onnx import helper

    for node in graph.node:
        if node.op_type != "ConvTranspose":
            continue
        given = {one.name: list(one.ints) for one in node.attribute if one.ints}
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
        kept = [one for one in node.attribute if one.name not in changed]
        del node.attribute[:]
        node.attribute.extend(kept)
        node.attribute.extend(helper.make_attribute(*item) for item in changed.items())
