"""Rewrites a model by a rule book: walks its graph, replaces layers, keeps names and weights.

`Rewriting._replacement` decides what is called in place of a layer or operation, in this order:
(1) a layer that was *folded* into the one before it is left out; what the other layer has to do
instead is its *change*, which `RuleBook.fold` returns and which its rule or its twin applies;
(2) a *call rule* translates each call with all of its arguments; (3) an operation of `keras.ops`,
which has no weights, stays; (4) a *rule* adds any number of layers for each call of a layer; (5) a
*twin* is the one layer that replaces a layer in all its calls: by default a copy with its weights,
and for a model inside the model the rewritten model.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

import keras

from keras_gcnn.arguments import is_number
from keras_gcnn.model_graph import calls_in, is_graph, run_graph
from keras_gcnn.rewriting.rule_book import Rule, RuleBook
from keras_gcnn.rewriting.translator import Translator, take_name
from keras_gcnn.types import Shape, Tensor


def rewrite(
    model: keras.Model, book: RuleBook, *, flatten: bool = False, scale: float | None = None
) -> keras.Model:
    """Returns a new model in which a rule book's layers replace those of the given one.

    The new model has the inputs, outputs and name of the given one, which does not change. Layers
    keep their names. Where several layers replace one, the last of them keeps the name, and the
    names of the others begin with it.

    Args:
        model: functional or sequential model that is built, models inside it included.
        book: the rules.
        flatten: whether the layers of models inside the model become layers of the new model
            itself, with names that begin with the inner model's.
        scale: float by which the inputs are multiplied first, or None.

    Raises:
        TypeError: if `model` is no `keras.Model`.
        ValueError: if the model is no graph of layers, the scale is no finite number, or the rule
            book refuses a layer.
    """
    rewriting = Rewriting(model, book, flatten)
    if scale is not None and not (is_number(scale) and math.isfinite(scale)):
        raise ValueError(f"scale={scale!r} has to be a finite number, e.g. 1/255, or None.")
    return rewriting.build(scale)


class Rewriting:
    """The rewriting of one graph; each model inside the model has a rewriting of its own.

    Args:
        model: functional or sequential model.
        book: the rules.
        flatten: as in `rewrite`.
        prefix: beginning of the names of new layers.
        taken: names that the new model already has, where this graph becomes a part of it.
        twins: twins made so far, by the layer and what was folded into it. All graphs of one model
            have the same, so that a layer which several of them call stays one layer.
    """

    def __init__(
        self,
        model: keras.Model,
        book: RuleBook,
        flatten: bool,
        prefix: str = "",
        taken: set[str] | None = None,
        twins: dict[tuple[keras.Layer, keras.Operation | None], Callable] | None = None,
    ):
        self._book = book
        self._flatten = flatten
        self._model = as_functional(book.as_graph(model))
        self._taken: set[str] = set() if taken is None else taken
        self._names = {}
        for operation in self._model.operations:
            # Only layers need names that say where they come from.
            name = prefix * isinstance(operation, keras.Layer) + operation.name
            self._names[id(operation)] = take_name(self._allowed(name), self._taken)
        self._changes: dict[int, Any] = {}  # of layers into which others are folded, by their id
        self._folded: dict[int, keras.Operation] = {}  # what is folded into them
        self._left_out: set[int] = set()  # the same by their id
        self._twins = {} if twins is None else twins
        self._call_counts: Counter[int] = Counter()
        for layer, following, shape in chains(self._model):
            change = book.fold(layer, following, shape)
            if change is not None:
                self._changes[id(layer)] = change
                self._folded[id(layer)] = following
                self._left_out.add(id(following))

    def build(self, scale: float | None = None) -> keras.Model:
        """Returns the new model, whose inputs are multiplied by the scale first."""
        inputs = [
            keras.Input(
                batch_shape=tensor.shape, dtype=tensor.dtype, name=self._allowed(tensor.name)
            )
            for tensor in self._model.inputs
        ]
        scaled = inputs
        if scale is not None:
            scaled = [
                keras.layers.Rescaling(scale, name=f"scale_{tensor.name}")(tensor)
                for tensor in inputs
            ]
        outputs = self.run(scaled)
        structure = keras.tree.pack_sequence_as(self._model.input, inputs)
        return keras.Model(structure, outputs, name=self._allowed(self._model.name))

    def run(self, inputs: Tensor) -> Tensor:
        """Returns the outputs of the new layers for inputs, without a model around them."""
        return run_graph(self._model, inputs, self._replacement)

    def _allowed(self, name: str) -> str:
        """The name; in a flat model only with the signs that TensorFlow allows in names."""
        return re.sub(r"[^A-Za-z0-9_./>-]|^[^A-Za-z0-9.]", "_", name) if self._flatten else name

    def _replacement(self, operation: keras.Operation) -> Callable:
        """Returns what to call in place of an operation: the first that applies of five."""
        if id(operation) in self._left_out:  # 1
            return lambda inputs, **_: inputs
        call_rule = self._book.find_call_rule(operation)
        if call_rule is not None:  # 2
            return lambda *args, **kwargs: call_rule(self._translator(operation), *args, **kwargs)
        if not isinstance(operation, keras.Layer):  # 3
            self._book.check(operation)
            return self._named(operation)
        rule = self._book.find_rule(operation)
        if rule is not None:  # 4
            return lambda inputs, **options: self._translate(operation, rule, inputs, **options)
        key = operation, self._folded.get(id(operation))  # 5
        if key not in self._twins:
            self._twins[key] = self._twin(operation)
        return self._twins[key]

    def _named(self, operation: keras.Operation) -> keras.Operation:
        """Returns an operation without weights under the name that it has in the new model.

        Operations of several models may have equal names, and the layers of all of them may become
        those of one.
        """
        name = self._names[id(operation)]
        if name == operation.name:
            return operation
        twin = type(operation).from_config(operation.get_config())
        twin.name = name  # not all operations take it as an argument
        return twin

    def _translate(
        self,
        layer: keras.Layer,
        rule: Rule,
        inputs: Tensor,
        training: bool | None = None,
        **_: Any,  # such as masks, which no rule uses
    ) -> Tensor:
        """Adds the layers that replace one call of a layer; another call gets others."""
        self._book.check_call(layer, training)
        translator = self._translator(layer)
        return rule(translator, translator.prepare(inputs))

    def _translator(self, operation: keras.Operation) -> Translator:
        """Returns the translator of one call of a layer or operation."""
        self._call_counts[id(operation)] += 1
        call, name = self._call_counts[id(operation)], self._names[id(operation)]
        if call > 1:
            name = take_name(f"{name}_call{call}", self._taken)
        change = self._changes.get(id(operation))
        return self._book.make_translator(operation, name, change, self._taken)

    def _twin(self, layer: keras.Layer) -> Callable:
        """Returns what replaces a layer without a rule in all its calls."""
        name, change = self._names[id(layer)], self._changes.get(id(layer))
        graph = self._book.as_graph(layer)
        if is_graph(graph):
            return self._inner_model(graph, name)
        self._book.check(layer)
        twin = self._book.twin(layer, name, change)

        def call(*args: Any, **kwargs: Any) -> Tensor:
            outputs = twin(*args, **kwargs)  # builds the twin, so that it has weights
            self._book.transfer_weights(layer, twin, change)
            return outputs

        return call

    def _inner_model(self, model: keras.Model, name: str) -> Callable:
        """Returns what replaces a model inside the model."""
        if self._flatten:
            # PyTorch refuses points in the names of layers with weights, but not of models.
            prefix = f"{name.replace('.', '_')}_"
            inner = Rewriting(model, self._book, True, prefix, self._taken, self._twins)
        else:
            inner = Rewriting(model, self._book, False, twins=self._twins)
        run: Callable = inner.run if self._flatten else inner.build()

        def call(inputs: Tensor, training: bool | None = None, **options: Any) -> Tensor:
            self._book.check_call(model, training)
            if self._flatten and training:
                raise ValueError(
                    f"The model {model.name!r} is called with training=True, which its layers would"
                    " not know as layers of a flat model. Leave flatten out."
                )
            if training is not None:
                options["training"] = training
            return run(inputs) if self._flatten else run(inputs, **options)

        return call


def as_functional(
    model: keras.Model, remedy: str = "convert the functional models inside it"
) -> keras.Model:
    """Returns a model as a functional one, whose graph can be walked.

    Args:
        model: the model.
        remedy: what to do with a model that has a `call` of its own, for the message.

    Raises:
        TypeError: if it is no model.
        ValueError: if it is not functional or sequential, or is not built.
    """
    if not isinstance(model, keras.Model):
        raise TypeError(
            f"Expected a keras.Model, got {model!r} of type {type(model).__name__}. Read a "
            "file with keras_gcnn.export.load first; put a layer into keras.Model(inputs, "
            "outputs)."
        )
    if isinstance(model, keras.Sequential) and is_graph(model) and model.built:
        model = keras.Model(model.inputs[0], model.outputs[0], name=model.name)
    if not is_graph(model) or isinstance(model, keras.Sequential):
        if type(model) is keras.Sequential:
            raise ValueError(
                f"The Sequential model {model.name!r} is not built, so that its layers have no "
                "shapes. Begin it with keras.Input, e.g. keras.Input((32, 32, 3)), or call "
                "model.build((None, 32, 32, 3)) first."
            )
        raise ValueError(
            f"{model.name!r} is not a graph of layers: its class {type(model).__name__} has a "
            f"`call` of its own. Make it of keras.Input and layers, {remedy}."
        )
    return model


def chains(model: keras.Model) -> list[tuple[keras.Operation, keras.Operation, Shape]]:
    """Returns pairs of operations that a rule book may fold into one.

    Both are called once and not with `training=True`, and the second alone reads what the first
    returns. The third entry is the shape of the tensor between them.
    """
    calls = calls_in(model)
    call_counts = Counter(id(call.operation) for call in calls)
    training = {id(call.operation) for call in calls if call.arguments.kwargs.get("training")}
    reader_counts: defaultdict[int, int] = defaultdict(int)
    for call in calls:
        for tensor in call.input_tensors:
            reader_counts[id(tensor)] += 1
    for tensor in model.outputs:
        reader_counts[id(tensor)] += 1
    pairs = []
    for call in calls:
        if len(call.input_tensors) != 1 or call_counts[id(call.operation)] > 1:
            continue
        (tensor,) = call.input_tensors
        before = tensor._keras_history.operation
        if training & {id(before), id(call.operation)}:
            continue
        if call_counts[id(before)] == 1 and reader_counts[id(tensor)] == 1:
            pairs.append((before, call.operation, tuple(tensor.shape)))
    return pairs
