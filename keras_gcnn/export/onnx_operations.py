"""Operations of TensorFlow that tf2onnx does not know, expressed by operations of ONNX.

Keras computes the exact GELU by `Erfc` and CELU by `Expm1`, wherever they stand in a network.
"""

from __future__ import annotations

from typing import Any

import numpy as np


class _Erfc:
    """`1 - erf(x)`."""

    @classmethod
    def version_9(cls, graph: Any, node: Any, **_: Any) -> None:
        """The handler from opset 9 on, the first that has Erf."""
        _replace(graph, node, lambda add, x, one: add("Sub", [one, add("Erf", [x])]))


class _Expm1:
    """`exp(x) - 1`, whose error is absolute, as that of the sums around it is."""

    @classmethod
    def version_7(cls, graph: Any, node: Any, **_: Any) -> None:
        """The handler from opset 7 on, the first whose Sub broadcasts."""
        _replace(graph, node, lambda add, x, one: add("Sub", [add("Exp", [x]), one]))


def _replace(graph: Any, node: Any, build: Any) -> None:
    """Removes a node of one input and lets `build(add, x, one)` make others in its place."""
    from tf2onnx import utils

    (x,), (output,) = node.input, node.output
    shapes, dtypes = node.output_shapes, node.output_dtypes
    graph.remove_node(node.name)
    number = np.ones((), utils.map_onnx_to_numpy_type(dtypes[0]))
    one = graph.make_const(utils.make_name("one"), number).output[0]

    def add(kind: str, inputs: list[str]) -> str:
        # The last node is the difference, and takes over the name of the output.
        names = [output] if kind == "Sub" else None
        made = graph.make_node(kind, inputs, outputs=names, shapes=shapes, dtypes=dtypes)
        return made.output[0]

    build(add, x, one)


def register() -> None:
    """Adds the handlers to tf2onnx, except for operations that it has learnt by itself."""
    from tf2onnx.handler import tf_op

    known = {name for opsets in tf_op.get_opsets().values() for opset in opsets for name in opset}
    for name, handler in {"Erfc": _Erfc, "Expm1": _Expm1}.items():
        if name not in known:
            tf_op(name)(handler)
