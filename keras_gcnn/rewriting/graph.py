"""The graph of a functional model, as far as its conversion needs it."""

from __future__ import annotations

from collections import Counter, defaultdict

import keras

from keras_gcnn.model_graph import is_graph


class Graph:
    """Who calls what in a functional or sequential model.

    Keras has no public walk over a graph; its own cloning of models uses this one.

    Args:
        model: functional or sequential model that is built.

    Raises:
        TypeError: if it is no model.
        ValueError: if it is no such model.
    """

    def __init__(self, model: keras.Model):
        if not isinstance(model, keras.Model):
            raise TypeError(
                f"Expected a keras.Model, got {model!r} of type {type(model).__name__}. Read a "
                "file with keras_gcnn.export.load first; put a layer into keras.Model(inputs, "
                "outputs)."
            )
        if isinstance(model, keras.Sequential) and is_graph(model) and model.built:
            model = keras.Model(model.inputs, model.outputs, name=model.name)
        if not is_graph(model) or not hasattr(model, "_run_through_graph"):
            raise ValueError(
                f"{model.name!r} is not a graph of layers. Build it (call it on an input) if it is "
                "a Sequential; of a class with a `call` of its own convert the functional models "
                "in it."
            )
        self.model = model
        nodes = [one for level in model._nodes_by_depth.values() for one in level]
        self._nodes = [one for one in nodes if not one.is_input]
        self._calls = Counter(id(one.operation) for one in self._nodes)
        self._readers = defaultdict(int)
        for node in self._nodes:
            for tensor in node.input_tensors:
                self._readers[id(tensor)] += 1
        for tensor in model.outputs:
            self._readers[id(tensor)] += 1

    def chains(self) -> list[tuple[keras.Operation, keras.Operation, tuple]]:
        """Pairs of operations, each called once, of which the first is read by the second only.

        With them comes the shape of what is read.
        """
        found = []
        for node in self._nodes:
            if len(node.input_tensors) != 1 or self._calls[id(node.operation)] > 1:
                continue
            (tensor,) = node.input_tensors
            before = tensor._keras_history.operation
            if self._calls[id(before)] == 1 and self._readers[id(tensor)] == 1:
                found.append((before, node.operation, tuple(tensor.shape)))
        return found

    def run(self, inputs, follow):
        """The outputs for inputs, with `follow(operation)` called in the place of operations."""
        return self.model._run_through_graph(keras.tree.flatten(inputs), operation_fn=follow)

    def rebuilt(self, follow, scale: float | None = None, rename=str) -> keras.Model:
        """A new model, in which `follow(operation)` is called in the place of every operation.

        Args:
            follow: function from an operation to what to call.
            scale: by which the inputs are multiplied first, or None.
            rename: function from the names of the model and its inputs to the new ones.
        """
        inputs = [
            keras.Input(batch_shape=one.shape, dtype=one.dtype, name=rename(one.name))
            for one in self.model.inputs
        ]
        entries = inputs
        if scale is not None:
            entries = [
                keras.layers.Rescaling(scale, name=f"scale_{one.name}")(one) for one in inputs
            ]
        outputs = self.run(entries, follow)
        structure = keras.tree.pack_sequence_as(self.model.input, inputs)
        return keras.Model(structure, outputs, name=rename(self.model.name))
