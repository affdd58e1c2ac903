"""A hypermodel over the group and the widths of a plain model that is made equivariant."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import keras_tuner

from keras_gcnn.rewriting.equivariant import convert
from keras_gcnn.tuning.base_hypermodel import BaseHyperModel
from keras_gcnn.tuning.space import converted_space

BUDGETS = ("parameters", "multiply_adds")
"""Arguments of `convert` that `hypermodel` has itself."""


class ConvertedHyperModel(BaseHyperModel):
    """The conversions of a plain model; see `hypermodel`.

    Attributes:
        space: the hyperparameters, each with its meaning and bounds.
        budget: the budget of every trial, as an argument of `keras_gcnn.convert`; empty if `keep`
            is searched instead.
    """

    def __init__(
        self,
        make: Callable[..., keras.Model],
        budget: Mapping[str, int],
        groups: Sequence[str] | None,
        space: Mapping[str, Any] | None,
        arguments: Mapping[str, Any],
    ):
        name = getattr(make, "__name__", type(make).__name__)
        super().__init__(name, converted_space(name, groups, space, keep=not budget))
        self.budget = dict(budget)
        self.fixed = dict(arguments)
        self._make = make
        self._check_arguments()

    def _check_arguments(self) -> None:
        searched = {entry.name for entry in self.space}
        known = inspect.signature(convert).parameters.keys() - {"model", *BUDGETS}
        for name, value in self.fixed.items():
            if name in searched:
                raise ValueError(
                    f"{name} is a hyperparameter. Fix it by the space instead, e.g. "
                    f"space={{{name!r}: {value!r}}}."
                )
            if name == "keep":
                raise ValueError("keep cannot be set with a budget, from which the widths follow.")
            if name not in known:
                raise ValueError(
                    f"keras_gcnn.convert has no argument {name!r}. It has "
                    f"{', '.join(sorted(known - searched))}."
                )

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Returns a compiled network, with the loss and metrics of the plain model if it has any.

        Raises:
            TypeError: if the function does not return a model.
            ValueError: if the model cannot be converted, is neither compiled nor a classifier, or
                the budget cannot be met.
        """
        values = self.values(hp)
        plain = self._make(hp) if _takes_hyperparameters(self._make) else self._make()
        if not isinstance(plain, keras.Model):
            raise TypeError(
                f"{self.name} returned {type(plain).__name__}; expected a function that returns a "
                "keras.Model."
            )
        arguments: dict[str, Any] = {**self.budget, **self.fixed}
        if "keep" in values:
            arguments["keep"] = values["keep"]
        network = convert(plain, values["group"], **arguments)
        _compile(network, plain, self.optimizer(hp))
        return network


def _takes_hyperparameters(make: Callable[..., keras.Model]) -> bool:
    """Whether the function has an argument without a default, for the hyperparameters."""
    parameters = inspect.signature(make).parameters.values()
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return any(each.default is each.empty and each.kind in positional for each in parameters)


def _compile(
    network: keras.Model, plain: keras.Model, optimizer: keras.optimizers.Optimizer
) -> None:
    """Compiles a network as the plain one is compiled, or as a classifier by integer labels."""
    if plain.compiled:
        # Keras's get_compile_config would turn a loss of one's own into a name.
        given = getattr(plain, "_compile_config", None)
        network.compile(**{**(given.config if given else {}), "optimizer": optimizer})
        network.optimizer.build(network.trainable_variables)
        return
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=_makes_logits(plain))
    network.compile(optimizer=optimizer, loss=loss, metrics=["accuracy"])


def _makes_logits(plain: keras.Model) -> bool:
    """Whether a classifier makes logits and not probabilities.

    Raises:
        ValueError: if the model is no classifier that integer labels could train.
    """
    end = plain.outputs[0]._keras_history.operation
    activation = getattr(getattr(end, "activation", None), "__name__", "linear")
    if type(end).__name__ == "Softmax":
        activation = "softmax"
    classes = plain.outputs[0].shape[-1]
    known = activation in ("linear", "softmax") and classes is not None and classes > 1
    if len(plain.outputs) > 1 or not known:
        ends = " and ".join(str(tuple(tensor.shape)) for tensor in plain.outputs)
        raise ValueError(
            f"{plain.name!r} is not compiled, and its outputs of shape {ends} with the activation "
            f"{activation!r} are not those of a classifier, (batch, classes) with softmax or none. "
            "Let the function compile the model with the loss and the metrics that it needs."
        )
    return activation == "linear"
