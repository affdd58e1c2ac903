"""Autoencoders: trained to draw an image again, measured by what their latent vectors keep."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from keras_gcnn import analysis, export, zoo
from keras_gcnn.analysis.plots.embeddings import plot_latent_vectors, plot_reconstructions
from keras_gcnn.analysis.plots.results import plot_errors
from keras_gcnn.data import Split
from keras_gcnn.training import atomic_files as files
from keras_gcnn.training.batches import ShuffledBatches, binarize
from keras_gcnn.training.recipes.tables import LatentTable, TrainingTable
from keras_gcnn.training.reports.beta_grid import grid_markdown
from keras_gcnn.training.reports.report import by_network
from keras_gcnn.training.rotated_evaluation import at_any_angle
from keras_gcnn.training.runs.run_folder import ALONE, network_folder
from keras_gcnn.training.tasks.task import Task

_TEST = 10**6  # added to a seed, so that black and white test images are none of the training's


class Autoencoding(Task):
    """Trained by the evidence lower bound, weighted by beta.

    Args:
        latent: `[latent]` of a recipe.
    """

    builders = zoo.AUTOENCODERS
    kind = "autoencoder"
    table = "[latent]"
    keys = ("measures", "latent")

    def __init__(self, latent: LatentTable):
        self.latent = latent

    def arguments(self, dataset):
        return {"input_shape": dataset.image_shape}

    def compile(self, model, optimizer):
        model.compile(optimizer=optimizer)

    def batches(self, split, settings, seed):
        return ShuffledBatches(
            split,
            settings.batch_size,
            seed,
            settings.rotate,
            binarize=settings.binarize,
            straighten=settings.straighten,
            labels=False,
        )

    def validation(self, split, settings, seed):
        return (self._pixels(split, settings, seed).images,)

    @staticmethod
    def _pixels(split: Split, settings: TrainingTable, seed: int) -> Split:
        """The images as they are trained on, but for their angles."""
        if not settings.binarize:
            return split
        return Split(binarize(split.images, seed + _TEST), split.labels)

    def load(self, path, dataset):
        model = export.load(path, compile=True)
        if not isinstance(model, zoo.VariationalAutoencoder):
            raise ValueError(f"{path} is no autoencoder, but a {type(model).__name__}.")
        if tuple(model.encoder.input.shape[1:]) != dataset.image_shape:
            raise ValueError(
                f"{path} is for images of shape {tuple(model.encoder.input.shape[1:])}, and "
                f"{dataset.name} has {dataset.image_shape}."
            )
        return model

    def measure(self, model, dataset, settings, seed, folder):
        validation = self._pixels(dataset.validation, settings, seed)
        test = self._pixels(dataset.test, settings, seed)
        count = self.latent.images
        few = Split(test.images[:count], test.labels[:count])
        turned = at_any_angle(few, seed)
        measures = {}
        for name, split in (("validation", validation), ("test", test)):
            found = model.evaluate(split.images, verbose=0, batch_size=256, return_dict=True)
            measures[f"{name} loss"] = float(found["loss"])
        measures["reconstruction"] = float(found["reconstruction"])
        measures["KL"] = float(found["kl"])
        if self.latent.likelihood_samples:
            images = test.images[: self.latent.likelihood_images]
            samples = self.latent.likelihood_samples
            found = analysis.evidence(model, images, samples, seed)
            measures["bound"] = found.bound
            measures["log-likelihood"] = found.log_likelihood
        if self.latent.invariance:
            measures |= self._invariance(model, dataset.train, few, turned, seed)
        if self.latent.pictures:
            _draw_alone(model, test, few, turned, folder)
        return {"measures": measures, "latent": self.latent.model_dump(mode="json")}

    def _invariance(
        self,
        model: zoo.VariationalAutoencoder,
        train: Split,
        upright: Split,
        turned: Split,
        seed: int,
    ) -> dict[str, float]:
        """What latent vectors keep of the class, and of how an image is turned."""

        def embed(images: np.ndarray) -> np.ndarray:
            return model.embed(images, batch_size=256)

        leakage = analysis.rotation_leakage(embed, upright.images)
        found = {
            "leakage": leakage.ratio,
            "farthest turn, rad": leakage.largest,
            "angle R2": analysis.angle_probe(embed, upright.images, seed),
        }
        labels = [number for number in self.latent.labels if number <= len(train)]
        for number in labels:
            accuracy = analysis.knn_accuracy(embed, train, turned, number, seed=seed)
            found[f"kNN {number}, turned %"] = accuracy
        if labels:
            accuracy = analysis.knn_accuracy(embed, train, upright, labels[-1], seed=seed)
            found[f"kNN {labels[-1]}, upright %"] = accuracy
        found["clusters, turned %"] = analysis.clustering_accuracy(embed, turned, seed=seed)
        return found

    def is_measured(self, content: dict[str, Any], classes: int) -> bool:
        measures = content["measures"]
        return isinstance(content["latent"], dict) and all(
            isinstance(number, int | float) for number in measures.values()
        )

    def select(self, result, images):
        return result if result["latent"] == self.latent.model_dump(mode="json") else None

    def draw(self, results, recipe, folder, summary):
        runs = by_network(results)
        written = {"losses.png": "Validation loss: mean, standard deviation, and every seed"}
        files.write(
            folder / "losses.png",
            lambda path: plot_errors(
                {
                    name: [run["measures"]["validation loss"] for run in own]
                    for name, own in runs.items()
                },
                path,
                {name: own[0]["parameters"] for name, own in runs.items()},
                recipe.title,
                f"{recipe.data.name}, {summary.images['validation']:,} validation images",
                axis="validation loss (nats)",
            ),
        )
        if (text := grid_markdown(runs, recipe)) is not None:
            files.write_text(folder / "grid.md", text)
            written["grid.md"] = "By beta and the dimension of the latent space"
        if not self.latent.pictures:
            return written
        for name, own in runs.items():
            for picture, caption in ALONE.items():
                source = network_folder(folder, name, own[0]["seed"]) / f"{picture}.png"
                if source.is_file():
                    target = f"{picture}-{name}.png"
                    files.write(folder / target, lambda path, one=source: shutil.copy(one, path))
                    written[target] = f"{name}: {caption}"
        return written


def _draw_alone(
    model: zoo.VariationalAutoencoder, test: Split, upright: Split, turned: Split, folder: Path
) -> None:
    """The pictures of one network; `upright` are some of the test images, `turned` the same."""
    _, first = np.unique(test.labels, return_index=True)  # an image of each class
    files.write(
        folder / "reconstructions.png",
        lambda path: plot_reconstructions(test.images[first[:10]], model.reconstruct, path),
    )
    vectors = {"upright": model.embed(upright.images), "turned": model.embed(turned.images)}
    files.write(
        folder / "latent.png", lambda path: plot_latent_vectors(vectors, upright.labels, path)
    )
