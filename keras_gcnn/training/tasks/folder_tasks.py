"""Tasks on folders of images: several labels for an image, or a number."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_gcnn import zoo
from keras_gcnn.analysis.scores import area_of_class
from keras_gcnn.data import Dataset, Split
from keras_gcnn.training.inputs.rotated_evaluation import predict, random_rotation
from keras_gcnn.training.recipes.tables import TrainingTable
from keras_gcnn.training.tasks.folder_task import FolderTask

_ROTATED = ", any angle"


class Vectors(FolderTask):
    """A task whose networks predict a vector of numbers for an image."""

    builders = zoo.BUILDERS

    def measure(
        self,
        model: keras.Model,
        dataset: Dataset,
        settings: TrainingTable,
        seed: int,
        folder: Path,
    ) -> dict[str, Any]:
        return {"measures": self.measure_vectors(model, dataset.test, seed)}

    def measure_vectors(self, model: keras.Model, test: Split, seed: int) -> dict[str, float]:
        """Returns the measures of images as they are and rotated at random, by name."""
        measures = self.compare(test.labels, predict(model, test))
        pose = random_rotation(len(test), seed)
        rotated = self.compare(test.labels, predict(model, test, pose))
        return {**measures, **{f"{name}{_ROTATED}": rotated[name] for name in rotated}}

    @abstractmethod
    def compare(self, labels: np.ndarray, outputs: np.ndarray) -> dict[str, float]:
        """Returns measures of the outputs of a network, by name."""


class Regression(Vectors):
    """Networks that predict a number for each image, trained by squared errors."""

    networks = "networks for numbers"
    loss_name = "RMSE"

    def arguments(self, dataset: Dataset) -> dict[str, Any]:
        return {"input_shape": dataset.image_shape, "classes": dataset.train.labels.shape[1]}

    def metadata(self, dataset: Dataset) -> dict[str, Any]:
        return {"target": "number"}

    def finish(self, model: keras.Model, dataset: Dataset) -> keras.Model:
        """Lets the network predict standardised numbers, which a last layer brings to their scale.

        Without it, a network would have to learn the mean of the numbers by its bias.
        """
        labels = dataset.train.labels
        spread = float(labels.std()) or 1.0
        # In full precision: bfloat16 holds the numbers around 2000 to 8, whatever their spread.
        rescaling = keras.layers.Rescaling(
            spread, float(labels.mean()), dtype="float32", name="to_numbers"
        )
        return keras.Model(model.inputs, rescaling(model.output), name=model.name)

    def compile(self, model: keras.Model, optimizer: keras.optimizers.Optimizer) -> None:
        model.compile(optimizer=optimizer, loss="mean_squared_error", metrics=["mae"])

    def compare(self, labels: np.ndarray, outputs: np.ndarray) -> dict[str, float]:
        errors = outputs - labels
        spread = np.square(labels - labels.mean()).mean()
        squared = np.square(errors).mean()
        explained = 1 - squared / spread if spread > 0 else float("nan")
        return {
            "RMSE": float(np.sqrt(squared)),
            "mean error": float(np.abs(errors).mean()),
            "R2": float(explained),
        }


class Labelling(Vectors):
    """Networks that say of every label whether an image has it, trained by cross-entropy."""

    networks = "networks for several labels"
    loss_name = "wrong labels %"

    def arguments(self, dataset: Dataset) -> dict[str, Any]:
        return {"input_shape": dataset.image_shape, "classes": len(dataset.classes)}

    def metadata(self, dataset: Dataset) -> dict[str, Any]:
        return {"target": "labels", **super().metadata(dataset)}

    def compile(self, model: keras.Model, optimizer: keras.optimizers.Optimizer) -> None:
        loss = keras.losses.BinaryCrossentropy(from_logits=True)
        accuracy = keras.metrics.BinaryAccuracy(name="accuracy", threshold=0.0)
        model.compile(optimizer=optimizer, loss=loss, metrics=[accuracy])

    def compare(self, labels: np.ndarray, outputs: np.ndarray) -> dict[str, float]:
        wrong = (outputs > 0) != (labels > 0.5)
        areas = [
            area_of_class(scores, of > 0.5) for scores, of in zip(outputs.T, labels.T, strict=True)
        ]
        known = [area for area in areas if np.isfinite(area)]
        return {
            "wrong labels %": 100 * float(wrong.mean()),
            "images with a wrong label %": 100 * float(wrong.any(axis=1).mean()),
            "area under the curve": float(np.mean(known)) if known else float("nan"),
        }
