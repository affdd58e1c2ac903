"""What all hypermodels share: their hyperparameters, and how their models are trained."""

from __future__ import annotations

from typing import Any

import keras
import keras_tuner

from keras_gcnn.tuning.hyperparameter import Hyperparameter

TRAINING = ("optimizer", "learning_rate", "sgd_learning_rate", "weight_decay")
"""Names of the hyperparameters that make the optimizer."""

_MOMENTUM = 0.9


class BaseHyperModel(keras_tuner.HyperModel):
    """A hypermodel whose hyperparameters have meanings and bounds.

    Args:
        name: of the hypermodel.
        space: its hyperparameters, with those of the optimizer.

    Attributes:
        space: see above.
    """

    def __init__(self, name: str, space: tuple[Hyperparameter, ...]):
        super().__init__(name=name)
        self.space = space

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

    def optimizer(self, hp: keras_tuner.HyperParameters) -> keras.optimizers.Optimizer:
        """Returns the optimizer of a trial."""
        training = self.training(hp)
        config = {**training["optimizer_arguments"], "learning_rate": training["learning_rate"]}
        return keras.optimizers.get({"class_name": training["optimizer"], "config": config})
