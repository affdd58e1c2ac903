"""Hypermodels over the zoo, in which every trial has the same budget."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import keras_tuner

from keras_gcnn import zoo
from keras_gcnn.training.tasks.classification import compile_classifier
from keras_gcnn.tuning.base_hypermodel import TRAINING, BaseHyperModel
from keras_gcnn.tuning.space import NEVER, space_of

_BUDGETS = ("parameters", "multiply_adds")


class ZooHyperModel(BaseHyperModel):
    """A builder of the zoo with its hyperparameters; see `hypermodel`.

    Attributes:
        space: the hyperparameters, each with its meaning and bounds.
        budget: the budget of every trial, as an argument of the builder.
    """

    def __init__(
        self,
        builder: str,
        budget: Mapping[str, int],
        groups: Sequence[str] | None,
        space: Mapping[str, Any] | None,
        arguments: Mapping[str, Any],
    ):
        super().__init__(builder, space_of(builder, groups, space))
        self.builder = builder
        self.budget = dict(budget)
        self.fixed = dict(arguments)
        self._check_arguments()

    def _check_arguments(self) -> None:
        signature = inspect.signature(getattr(zoo, self.builder)).parameters
        searched = {entry.name for entry in self.space}
        for name in self.fixed:
            if name in (*_BUDGETS, "widths", "weights", "include_top"):
                raise ValueError(
                    f"{name} cannot be set in a search: the widths follow from the budget, and "
                    "networks are trained from fresh weights."
                )
            if name in searched:
                raise ValueError(
                    f"{name} is a hyperparameter. Fix it by the space instead, e.g. "
                    f"space={{{name!r}: {self.fixed[name]!r}}}."
                )
            if name not in signature:
                close = difflib.get_close_matches(name, signature, n=1)
                hint = f" Did you mean {close[0]!r}?" if close else ""
                raise ValueError(f"keras_gcnn.zoo.{self.builder} has no argument {name!r}.{hint}")

    def arguments(self, hp: keras_tuner.HyperParameters) -> dict[str, Any]:
        """Returns the arguments of the builder in a trial, with the budget."""
        values = self.values(hp)
        taper = values.pop("taper")
        arguments = {**self.fixed, **self.budget}
        for name, value in values.items():
            if name == "kernel_sizes":
                arguments[name] = tuple(map(int, value.split()))
            elif name not in TRAINING and value != NEVER:
                arguments[name] = value
        if taper != 1:
            # Relative to the builder's default widths, which depend on group and restriction.
            widths = getattr(zoo, self.builder)(**arguments).widths
            last = max(1, len(widths) - 1)
            arguments["widths"] = [
                width * taper ** (index / last) for index, width in enumerate(widths)
            ]
        return arguments

    def feasible(self, hp: keras_tuner.HyperParameters) -> bool:
        """Whether the budget can be met with these hyperparameters."""
        try:
            getattr(zoo, self.builder)(**self.arguments(hp))
        except ValueError:
            return False
        return True

    def recipe_arguments(
        self, hp: keras_tuner.HyperParameters, widths: Sequence[int]
    ) -> dict[str, Any]:
        """Returns arguments of the builder with the given widths in place of the budget."""
        arguments = self.arguments(hp)
        for name in self.budget:
            del arguments[name]
        arguments["widths"] = widths
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in arguments.items()
        }

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Returns a compiled network: a classifier with cross-entropy, or an autoencoder."""
        model = getattr(zoo, self.builder)(**self.arguments(hp))
        optimizer = self.optimizer(hp)
        if self.builder in zoo.AUTOENCODERS:
            model.compile(optimizer)
        else:
            compile_classifier(model, optimizer)
        return model
