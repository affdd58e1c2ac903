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
from keras_gcnn.tuning.hyperparameter import Hyperparameter
from keras_gcnn.tuning.space import NEVER, space_of
from keras_gcnn.zoo.budget import find_budget

_TRAINING = ("optimizer", "learning_rate", "sgd_learning_rate", "weight_decay")
_BUDGETS = ("parameters", "multiply_adds")
_MOMENTUM = 0.9


class ZooHyperModel(keras_tuner.HyperModel):
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
        super().__init__(name=builder)
        self.builder = builder
        self.budget = dict(budget)
        self.space: tuple[Hyperparameter, ...] = space_of(builder, groups, space)
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

    def declare_hyperparameters(self, hp: keras_tuner.HyperParameters) -> None:
        self.values(hp)

    def values(self, hp: keras_tuner.HyperParameters) -> dict[str, Any]:
        """Returns the hyperparameters that take effect in a trial, by name."""
        declared = {entry.name: entry.declare(hp) for entry in self.space}
        return {name: value for name, value in declared.items() if value is not None}

    def training(self, hp: keras_tuner.HyperParameters) -> dict[str, Any]:
        """Returns optimizer, learning rate and arguments of the optimizer of a trial."""
        values = self.values(hp)
        rate, arguments = values.get("learning_rate"), {"weight_decay": values["weight_decay"]}
        if values["optimizer"] == "sgd":
            rate = values["sgd_learning_rate"]
            arguments |= {"momentum": _MOMENTUM, "nesterov": True}
        return {
            "optimizer": values["optimizer"],
            "learning_rate": rate,
            "optimizer_arguments": arguments,
        }

    def arguments(self, hp: keras_tuner.HyperParameters) -> dict[str, Any]:
        """Returns the arguments of the builder in a trial, with the budget."""
        values = self.values(hp)
        taper = values.pop("taper")
        arguments = {**self.fixed, **self.budget}
        for name, value in values.items():
            if name == "kernel_sizes":
                arguments[name] = tuple(map(int, value.split()))
            elif name not in _TRAINING and value != NEVER:
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
        training = self.training(hp)
        config = {**training["optimizer_arguments"], "learning_rate": training["learning_rate"]}
        optimizer = keras.optimizers.get({"class_name": training["optimizer"], "config": config})
        if self.builder in zoo.AUTOENCODERS:
            model.compile(optimizer)
        else:
            compile_classifier(model, optimizer)
        return model


def hypermodel(
    builder: str,
    parameters: int | None = None,
    groups: Sequence[str] | None = None,
    *,
    multiply_adds: int | None = None,
    space: Mapping[str, Any] | None = None,
    **arguments: Any,
) -> ZooHyperModel:
    """Makes a hypermodel over a builder of the zoo, for every tuner of KerasTuner.

    Every trial has the same number of trainable parameters, or of multiply-adds, at most 2 % below
    the budget and never above it, so that groups are compared fairly. At equal parameters a network
    on a group takes about `|G|` times the multiply-adds of a plain one.

    The hyperparameters are, as far as the builder has them, `group`, `convolution` (full or
    separable), `restrict_after` (where equivariance stops), `head`, `taper` (the shape of the
    widths), `dropout`, `max_frequency` and `kernel_sizes` of steerable networks, `posterior`,
    `latent_dim` and `beta` of autoencoders, and `optimizer`, `learning_rate`, `sgd_learning_rate`
    and `weight_decay`; `hypermodel(...).space` lists bounds and meanings.

    Args:
        builder: name of a builder of `keras_gcnn.zoo`.
        parameters: int, number of trainable parameters of every trial; or leave it out for
            `multiply_adds`.
        groups: names of groups to choose from; None for z2, p4 and p4m, or for so2 and z2 with an
            autoencoder.
        multiply_adds: int, number of multiply-adds for one image in every trial; see
            `keras_gcnn.analysis.cost`.
        space: what to search instead, by name of the hyperparameter: a value to fix it, a list of
            values, or a dict with `min` and `max`.
        **arguments: of the builder, the same for all trials, e.g. `input_shape` and `classes`.

    Returns:
        A `keras_tuner.HyperModel`. It compiles its models: classifiers with cross-entropy from
        logits and the metric `accuracy`.

    Raises:
        ValueError: for an unknown builder, group, hyperparameter or argument, values that are not
            possible, or not exactly one budget. A budget that cannot be met raises when a model is
            built.

    Example:

    >>> import keras_tuner
    >>> from keras_gcnn import tuning
    >>> model = tuning.hypermodel("lenet", parameters=50_000, groups=("z2", "p4"))
    >>> hp = keras_tuner.HyperParameters()
    >>> hp.Fixed("group", "p4")
    'p4'
    >>> 49_000 <= model.build(hp).count_params() <= 50_000
    True
    """
    budget = find_budget(parameters, multiply_adds)
    if budget is None:
        raise ValueError(
            "A search needs a budget, at which the networks are compared: parameters=50_000, or "
            "multiply_adds=5_000_000."
        )
    return ZooHyperModel(builder, dict([budget]), groups, space, arguments)
