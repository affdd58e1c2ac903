"""Networks that name the class of an image."""

from __future__ import annotations

import keras

from keras_gcnn import zoo
from keras_gcnn.training.batches import ShuffledBatches
from keras_gcnn.training.recipes.tables import EvaluationTable
from keras_gcnn.training.reports import plots as pictures
from keras_gcnn.training.tasks import measurement
from keras_gcnn.training.tasks.evaluation import load_classifier
from keras_gcnn.training.tasks.task import Task


class Classification(Task):
    """Trained by cross-entropy, measured by the errors on test images.

    Args:
        evaluation: `[evaluation]` of a recipe.
    """

    builders = zoo.BUILDERS
    kind = "classifier"
    table = "[evaluation]"
    keys = measurement.KEYS

    def __init__(self, evaluation: EvaluationTable | None = None):
        self.evaluation = evaluation or EvaluationTable()

    def arguments(self, dataset):
        return {"input_shape": dataset.image_shape, "classes": len(dataset.classes)}

    def compile(self, model, optimizer):
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(optimizer=optimizer, loss=loss, metrics=["accuracy"])

    def batches(self, split, settings, seed):
        return ShuffledBatches(split, settings.batch_size, seed, settings.rotate)

    def validation(self, split, settings, seed):
        return split.images, split.labels

    def load(self, path, dataset):
        return load_classifier(path, dataset)

    def measure(self, model, dataset, settings, seed, folder):
        return measurement.measure(model, dataset, self.evaluation, seed)

    def is_measured(self, content, classes):
        return measurement.is_measured(content, classes)

    def select(self, result, images):
        return measurement.select(result, self.evaluation, images)

    def draw(self, results, recipe, folder, summary):
        return pictures.draw(results, recipe, folder, summary)
