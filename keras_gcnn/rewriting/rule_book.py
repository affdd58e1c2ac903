"""How one purpose replaces the layers of a model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from keras_gcnn.rewriting.copies import config_of, copy_weights, make_like
from keras_gcnn.rewriting.translator import Translator
from keras_gcnn.types import Shape

Rule = Callable[[Any, Any], Any]
"""Translates one call: `(translator, inputs) -> outputs`."""

CallRule = Callable[..., Any]
"""Translates one call with all its arguments: `(translator, *args, **kwargs) -> outputs`."""

TwinRule = Callable[[keras.Layer, str, Any], keras.Layer]
"""Returns the layer that replaces another one: `(layer, name, change) -> new layer`."""


class RuleBook:
    """The rules by which the engine rewrites a model for one purpose.

    Rules are found by the exact class of a layer, since a subclass may compute something else.
    There are two types. `rule` marks a function that adds any number of layers in place of one; it
    runs for each call of the layer. `twin_rule` marks a function that returns one new layer, which
    all calls share. A layer without a rule is copied with its weights.

    A purpose that needs more overrides the other methods in a subclass.

    Args:
        *parts: rule books whose rules this one takes over.

    Example:

    >>> import keras
    >>> from keras_gcnn.rewriting import RuleBook, rewrite
    >>> book = RuleBook()
    >>> @book.rule(keras.layers.ReLU)
    ... def leaky(translator, inputs):
    ...     return translator.add(keras.layers.LeakyReLU, inputs, 0.1)
    >>> image = keras.Input((8, 8, 1))
    >>> model = keras.Model(image, keras.layers.ReLU(name="act")(image))
    >>> rewrite(model, book).get_layer("act").__class__.__name__
    'LeakyReLU'
    """

    translator: type[Translator] = Translator
    """Class of the translators that rules receive."""

    def __init__(self, *parts: RuleBook):
        self._rules: dict[type, Rule] = {}
        self._twin_rules: dict[type, TwinRule] = {}
        self._taking_change: set[type] = set()
        for part in parts:
            self._rules |= part._rules
            self._twin_rules |= part._twin_rules
            self._taking_change |= part._taking_change

    def rule(
        self, *classes: type[keras.Layer], takes_change: bool = False
    ) -> Callable[[Rule], Rule]:
        """Marks a function `(translator, inputs) -> outputs` as the rule for classes of layers.

        Args:
            *classes: classes of layers.
            takes_change: whether the rule applies `translator.change`, so that the layer which
                follows can be folded into these.
        """

        def mark(function: Rule) -> Rule:
            self._rules.update(dict.fromkeys(classes, function))
            if takes_change:
                self._taking_change.update(classes)
            return function

        return mark

    def twin_rule(self, *classes: type[keras.Layer]) -> Callable[[TwinRule], TwinRule]:
        """Marks a function `(layer, name, change) -> new layer` as the rule for classes of layers.

        The engine builds the new layer by calling it, and then calls `transfer_weights`.
        """

        def mark(function: TwinRule) -> TwinRule:
            self._twin_rules.update(dict.fromkeys(classes, function))
            return function

        return mark

    def find_rule(self, layer: keras.Layer) -> Rule | None:
        """Returns the rule that translates each call of a layer, or None."""
        return self._rules.get(type(layer))

    def make_translator(
        self, operation: keras.Operation, name: str, change: Any, taken: set[str]
    ) -> Translator:
        """Returns the translator of one call of a layer or operation."""
        return self.translator(operation, name, change, taken)

    def find_call_rule(self, operation: keras.Operation) -> CallRule | None:
        """Returns a rule that translates each call of a layer or operation, or None.

        Such a rule receives all arguments of the call, and stands above all other rules.
        """
        return None

    def has_twin_rule(self, layer: keras.Layer) -> bool:
        """Whether a rule returns the layer that replaces this one."""
        return type(layer) in self._twin_rules

    def takes_change(self, layer: keras.Operation) -> bool:
        """Whether the rule for a layer applies `translator.change`."""
        return type(layer) in self._taking_change

    def twin(self, layer: keras.Layer, name: str, change: Any) -> keras.Layer:
        """Returns the layer that replaces one without a `rule`: by default a copy.

        Args:
            layer: the layer of the given model.
            name: name of the new layer.
            change: what `fold` returned for the layer that follows, or None.
        """
        rule = self._twin_rules.get(type(layer))
        if rule is not None:
            return rule(layer, name, change)
        return make_like(layer, {**config_of(layer), "name": name})

    def transfer_weights(self, layer: keras.Layer, twin: keras.Layer, change: Any) -> None:
        """Gives a twin that has been built the weights of its original."""
        if twin is not layer:
            copy_weights(layer, twin)

    def fold(self, layer: keras.Operation, following: keras.Operation, shape: Shape) -> Any:
        """Returns what a layer has to do in the end so that the following one can be left out.

        Args:
            layer: a layer that is called once and read by `following` only.
            following: the layer that may be folded into it.
            shape: shape of the tensor between the two.

        Returns:
            Anything that the rule for `layer` understands as `translator.change`, or None if the
            following layer has to stay.
        """
        return None

    def check(self, operation: keras.Operation) -> None:
        """Raises a `ValueError` if a layer or operation without a rule may not stay."""

    def check_call(self, layer: keras.Layer, training: bool | None) -> None:
        """Raises a `ValueError` if a layer is called in a way that the new model cannot have."""

    def as_graph(self, model: keras.Layer) -> keras.Layer:
        """Returns the graph that stands for a model with a `call` of its own; others unchanged."""
        return model
