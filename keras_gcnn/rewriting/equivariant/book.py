"""The rule book that puts layers on a group in place of stock layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from keras_gcnn.groups import Group
from keras_gcnn.layers.common.stock_layers import stock_name
from keras_gcnn.model_graph import is_graph
from keras_gcnn.rewriting.equivariant import checks
from keras_gcnn.rewriting.equivariant.flow import Flow
from keras_gcnn.rewriting.equivariant.pointwise import is_pointwise
from keras_gcnn.rewriting.equivariant.report import Record
from keras_gcnn.rewriting.equivariant.roles import Role
from keras_gcnn.rewriting.equivariant.shape_rules import ON_ANY_AXES
from keras_gcnn.rewriting.equivariant.translator import GroupTranslator
from keras_gcnn.rewriting.equivariant.widths import Widths
from keras_gcnn.rewriting.rule_book import CallRule, RuleBook
from keras_gcnn.types import Tensor

GroupRule = Callable[..., Any]
"""Translates one call: `(translator, *args, **kwargs) -> outputs`."""

BEHIND_FLATTEN = frozenset(["Activation", "Dense", "Dropout", "ELU", "LeakyReLU", "ReLU"])
"""Classes that may read the vector that Flatten makes of a map."""

_DROPPED = ("mask", "training")  # arguments of calls


class GroupBook(RuleBook):
    """The rules of one conversion, and what it has found out so far.

    Args:
        rules: from the names of Keras's classes to rules.
        group: the group of the new network.
        widths: how many fields there are in place of plain channels.
        downsampling: `"stride"` or `"exact"`.
        head: `"invariant"` or `"orientations"`.
        on_unknown: `"raise"` or `"keep"`.
        data_format: of the model.
        flow: where the tensors of the plain model go.
    """

    def __init__(
        self,
        rules: dict[str, GroupRule],
        group: Group,
        widths: Widths,
        downsampling: str,
        head: str,
        on_unknown: str,
        data_format: str,
        flow: Flow,
    ):
        super().__init__()
        self.rules = rules
        self.group = group
        self.widths = widths
        self.downsampling = downsampling
        self.head = head
        self.on_unknown = on_unknown
        self.data_format = data_format
        self.flow = flow
        self.channel_axis = 1 if data_format == "channels_first" else -1
        self.made: dict[tuple[Any, ...], keras.Layer] = {}
        self.records: dict[int, Record] = {}
        # Maps behind Flatten, which is put off, with the layer that made them.
        self.flattened: dict[int, tuple[Tensor, keras.Operation]] = {}
        self._roles: dict[int, tuple[Tensor, Role]] = {}  # with the tensor, so that ids stay

    def role(self, tensor: Tensor) -> Role:
        """Returns how a tensor of the new network transforms; inputs of rank 4 are images."""
        if id(tensor) in self._roles:
            return self._roles[id(tensor)][1]
        return Role.IMAGE if len(tensor.shape) == 4 else Role.INVARIANT

    def mark(self, tensor: Tensor, role: Role) -> None:
        """Notes how a tensor transforms."""
        self._roles[id(tensor)] = (tensor, role)

    def is_marked(self, tensor: Tensor) -> bool:
        """Whether somebody has noted how a tensor transforms."""
        return id(tensor) in self._roles

    def record(self, operation: keras.Operation) -> Record:
        """Returns what the report will have on a layer or operation of the plain model."""
        return self.records.setdefault(id(operation), Record(operation))

    def make_translator(
        self, operation: keras.Operation, name: str, change: Any, taken: set[str]
    ) -> GroupTranslator:
        """Returns the translator of one call."""
        return GroupTranslator(self, operation, name, change, taken)

    def find_call_rule(self, operation: keras.Operation) -> CallRule | None:
        """Returns the rule for everything but models, which the engine walks through."""
        return None if is_graph(operation) else self._convert

    def check_call(self, layer: keras.Layer, training: bool | None) -> None:
        """Refuses a model inside the model that always trains; its layers would not know it."""
        if training:
            raise ValueError(
                f"{type(layer).__name__} {layer.name!r} cannot be converted: it is called with "
                "training=True. Call those of its layers so that should always train, such as "
                "Dropout."
            )

    def _convert(self, translator: GroupTranslator, *args: Any, **kwargs: Any) -> Any:
        operation = translator.layer
        self.record(operation)
        translator.training = kwargs.get("training")
        checks.check_weights(translator)
        frozen = translator.training is False or not getattr(operation, "trainable", True)
        if frozen and getattr(operation, "weights", []):
            translator.note("was frozen, and is trained anew")
        kwargs = {name: value for name, value in kwargs.items() if name not in _DROPPED}
        tensors = [
            each
            for each in keras.tree.flatten((args, kwargs))
            if isinstance(each, keras.KerasTensor)
        ]
        role = max((self.role(each) for each in tensors), default=Role.INVARIANT)
        if self.group.order == 1 and self.widths.scale is None:
            return translator.keep(*args, **kwargs)
        if any(id(each) in self.flattened for each in tensors):
            return self._behind_flatten(translator, *args, **kwargs)
        if role is not Role.INVARIANT:
            checks.check_call(translator, args, kwargs)
        elif self.group.order > 1:
            checks.check_positions(translator)
        if role is Role.INVARIANT and id(operation) not in self.flow.returning:
            return translator.keep(*args, **kwargs)
        rule = self.rules.get(stock_name(operation), unknown)
        if rule is not unknown and stock_name(operation) not in ON_ANY_AXES:
            translator.check_axes(tensors)
        return rule(translator, *args, **kwargs)

    def check_output(self, tensor: Tensor) -> None:
        """Raises a `ValueError` if an output of the model is a flattened map."""
        if id(tensor) in self.flattened:
            layer = self.flattened[id(tensor)][1]
            raise ValueError(
                f"{type(layer).__name__} {layer.name!r} cannot be converted: it makes an output of "
                "the numbers of all positions, which move with the image. Put "
                "GlobalAveragePooling2D in place of Flatten, or a Dense layer after it."
            )

    def _behind_flatten(self, translator: GroupTranslator, *args: Any, **kwargs: Any) -> Any:
        """Translates a layer that reads a map in place of the vector that Flatten makes of it."""
        name = stock_name(translator.layer)
        if name in BEHIND_FLATTEN:
            outputs = self.rules[name](translator, *args, **kwargs)
            if name != "Dense":
                self.flattened[id(outputs)] = outputs, translator.layer
            return outputs
        raise translator.fail(
            "reads the numbers of all positions after Flatten, which move with the image",
            "Put GlobalAveragePooling2D in place of Flatten, or a Dense layer after it.",
        )


def unknown(translator: GroupTranslator, *args: Any, **kwargs: Any) -> Any:
    """Refuses a layer without a rule, or keeps it if it treats all channels and positions alike."""
    operation = translator.layer
    if type(operation).__module__.startswith("keras_gcnn."):
        raise translator.fail(
            "is a layer of keras_gcnn already, and only models of Keras's layers are converted",
            "Convert the plain model that this one was made of, or build it with another group.",
        )
    if translator.book.on_unknown == "keep" and is_pointwise(
        operation, args, kwargs, translator.channel_axis
    ):
        translator.note("was kept, since it treats all channels and positions alike")
        return translator.keep(*args, **kwargs)
    reason, keep = "has no counterpart on a group", ""
    if translator.book.on_unknown == "keep":
        reason += ", and does not treat all channels and positions alike"
    else:
        keep = (
            'keep it by keras_gcnn.convert(..., on_unknown="keep") in Python if it treats every '
            "number by itself, "
        )
    raise translator.fail(
        reason,
        f"Put known layers in its place, convert the model up to it, {keep}or use "
        "keras_gcnn.symmetrize (keras-gcnn convert --symmetrize), which takes any model.",
    )
