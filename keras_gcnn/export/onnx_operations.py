"""Teaches tf2onnx two operations of TensorFlow that it does not support.

Keras computes the exact GELU by `Erfc` and CELU by `Expm1`.
"""

from __future__ import annotations

from typing import Any

import numpy as np


class _Erfc:
    """`1 - erf(x)`."""

    @classmethod
    def version_9(cls, graph: Any, node: Any, **_: Any) -> None:
        """Replaces the node, from opset 9 on, the first that has Erf."""
        _replace(graph, node, lambda add, x, one: add("Sub", [one, add("Erf", [x])]))


class _Expm1:
    """`exp(x) - 1`. Near 0 its error is absolute rather than relative, like that of a sum."""

    @classmethod
    def version_7(cls, graph: Any, node: Any, **_: Any) -> None:
        """Replaces the node, from opset 7 on, the first whose Sub broadcasts."""
        _replace(graph, node, lambda add, x, one: add("Sub", [add("Exp", [x]), one]))


def _replace(graph: Any, node: Any, build: Any) -> None:
    """Replaces a node of one input by the nodes that `build(add, x, one)` adds."""
    from tf2onnx import utils

    (x,), (output,) = node.input, node.output
    shapes, dtypes = node.output_shapes, node.output_dtypes
    graph.remove_node(node.name)
    number = np.ones((), utils.map_onnx_to_numpy_type(dtypes[0]))
    one = graph.make_const(utils.make_name("one"), number).output[0]

    def add(op_type: str, inputs: list[str]) -> str:
        # The last node is the difference, and takes over the name of the output.
        names = [output] if op_type == "Sub" else None
        node = graph.make_node(op_type, inputs, outputs=names, shapes=shapes, dtypes=dtypes)
        return node.output[0]

    build(add, x, one)


def register() -> None:
    """Adds the handlers to tf2onnx, except for operations that its version supports."""
    from tf2onnx.handler import tf_op

    known = {name for opsets in tf_op.get_opsets().values() for opset in opsets for name in opset}
    for name, handler in {"Erfc": _Erfc, "Expm1": _Expm1}.items():
        if name not in known:
            tf_op(name)(handler)
