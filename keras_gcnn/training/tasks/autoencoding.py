"""Autoencoding: networks that reconstruct images, measured by what their latent vectors keep."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_gcnn import analysis, export, zoo
from keras_gcnn.analysis.plots.embeddings import plot_latent_vectors, plot_reconstructions
from keras_gcnn.analysis.plots.results import plot_errors
from keras_gcnn.data import Dataset, Split
from keras_gcnn.training import atomic_files
from keras_gcnn.training.inputs.batches import OrderedBatches, ShuffledBatches, binarize
from keras_gcnn.training.inputs.rotated_evaluation import rotate_randomly
from keras_gcnn.training.recipes.schema import Recipe
from keras_gcnn.training.recipes.tables import LatentTable, TrainingTable
from keras_gcnn.training.reports.beta_grid import grid_markdown
from keras_gcnn.training.reports.report import Summary, by_network
from keras_gcnn.training.tasks.task import Task, copy_plot, network_folder

_FEWEST_TURNED = 40  # images that `angle_probe` needs
_NEIGHBOURS = 5  # that `knn_accuracy` asks, of as many labels or more
_TEST = 10**6  # added to a seed, so that test images are binarized independently of training
_FILES = {
    "losses.png": "Validation loss: mean, standard deviation, and every seed",
    "grid.md": "By beta and the dimension of the latent space",
}
# Plots of a single network: NAME.png in its folder, NAME-NETWORK.png in that of the run.
_NETWORK_PLOTS = {
    "reconstructions": "rotated images, and their reconstructions",
    "latent": "latent vectors of upright and of rotated images, by class",
}


class Autoencoding(Task):
    """Networks trained by the evidence lower bound, weighted by beta.

    Args:
        latent: `[latent]` of a recipe.
    """

    builders = zoo.AUTOENCODERS
    networks = "autoencoders"
    table = "[latent]"
    keys = ("measures", "latent")
    files = (*_FILES, *(f"{plot}-{{network}}.png" for plot in _NETWORK_PLOTS))

    def __init__(self, latent: LatentTable):
        self.latent = latent

    def arguments(self, dataset: Dataset) -> dict[str, Any]:
        return {"input_shape": dataset.image_shape}

    def metadata(self, dataset: Dataset) -> dict[str, Any]:
        return {}  # the outputs are no scores of classes

    def check(self, model: keras.Model, dataset: Dataset, name: str) -> None:
        super().check(model, dataset, name)
        if self.latent.invariance:
            self._check_test(
                dataset, _FEWEST_TURNED, "measures what latent vectors keep", "invariance"
            )
            self._check_labels(dataset)
        if self.latent.pictures:
            self._check_test(dataset, 2, "plots latent vectors", "pictures")
            if model.latent_dim < 2:
                raise ValueError(
                    f"Latent vectors of {name} have one coordinate, and are plotted in a plane. "
                    "Set latent.pictures = false, or latent_dim to 2 or more."
                )

    @staticmethod
    def _check_test(dataset: Dataset, least: int, what: str, key: str) -> None:
        count = len(dataset.test)
        if count < least:
            raise ValueError(
                f"[latent] {what} of at least {least} test images, and there are {count}. Set "
                f"latent.{key} = false, or take more images for testing."
            )

    def _check_labels(self, dataset: Dataset) -> None:
        """Checks that the labels for the nearest neighbours are of every class."""
        least = max(_NEIGHBOURS, len(np.unique(dataset.train.labels)))
        used = [count for count in self.latent.labels if count <= len(dataset.train)]
        if used and min(used) < least:
            raise ValueError(
                f"latent.labels has {min(used)}, and the nearest neighbours need at least {least} "
                f"labels: {_NEIGHBOURS} neighbours, and one label of each class. Give larger "
                "numbers, or set latent.invariance = false."
            )

    def compile(self, model: keras.Model, optimizer: keras.optimizers.Optimizer) -> None:
        model.compile(optimizer=optimizer)

    def batches(self, split: Split, settings: TrainingTable, seed: int) -> ShuffledBatches:
        return ShuffledBatches(
            split,
            settings.batch_size,
            seed,
            settings.augment,
            binarize=settings.binarize,
            straighten=settings.straighten,
            labels=False,
        )

    def validation(
        self, split: Split, settings: TrainingTable, seed: int, batch_size: int
    ) -> tuple:
        return (self._pixels(split, settings, seed).images,)

    @staticmethod
    def _pixels(split: Split, settings: TrainingTable, seed: int) -> Split:
        """Returns upright images, binarized if the training images are."""
        if not settings.binarize:
            return split
        return Split(binarize(np.asarray(split.images), seed + _TEST), split.labels)

    def symmetrize(
        self, model: zoo.VariationalAutoencoder, group: str, already: str | None = None
    ) -> zoo.VariationalAutoencoder:
        """Returns an autoencoder whose latent vectors are averaged over the poses of an image."""
        averaged = model.symmetrized(group, already=already)
        if model.compiled:
            self.compile(averaged, model.optimizer)
        return averaged

    def load(self, path: Path, dataset: Dataset) -> keras.Model:
        model = export.load(path, compile=True)
        if not isinstance(model, zoo.VariationalAutoencoder):
            raise ValueError(f"{path} is no autoencoder, but a {type(model).__name__}.")
        if tuple(model.encoder.input.shape[1:]) != dataset.image_shape:
            raise ValueError(
                f"{path} is for images of shape {tuple(model.encoder.input.shape[1:])}, and "
                f"{dataset.name} has {dataset.image_shape}."
            )
        return model

    def measure(
        self,
        model: keras.Model,
        dataset: Dataset,
        settings: TrainingTable,
        seed: int,
        folder: Path,
    ) -> dict[str, Any]:
        validation = self._pixels(dataset.validation, settings, seed)
        test = self._pixels(dataset.test, settings, seed)
        count = self.latent.images
        upright = Split(np.asarray(test.first(count).images), test.labels[:count])
        rotated = rotate_randomly(upright, seed)
        measures = {}
        for name, split in (("validation", validation), ("test", test)):
            values = model.evaluate(OrderedBatches(split), verbose=0, return_dict=True)
            measures[f"{name} loss"] = float(values["loss"])
        measures["reconstruction"] = float(values["reconstruction"])  # of the test images
        measures["KL"] = float(values["kl"])
        if self.latent.likelihood_samples:
            images = test.images[: self.latent.likelihood_images]
            evidence = analysis.evidence(model, images, self.latent.likelihood_samples, seed)
            measures["bound"] = evidence.bound
            measures["log-likelihood"] = evidence.log_likelihood
        if self.latent.invariance:
            measures |= self._invariance(model, dataset.train, upright, rotated, seed)
        if self.latent.pictures:
            _plot_network(model, test, upright, rotated, folder)
        return {"measures": measures, "latent": self.latent.model_dump(mode="json")}

    def _invariance(
        self,
        model: zoo.VariationalAutoencoder,
        train: Split,
        upright: Split,
        rotated: Split,
        seed: int,
    ) -> dict[str, float]:
        """Measures what latent vectors keep of the class and of the pose."""

        def embed(images: np.ndarray) -> np.ndarray:
            return model.embed(images, batch_size=256)

        images = np.asarray(upright.images)
        leakage = analysis.rotation_leakage(embed, images)
        measures = {
            "leakage": leakage.ratio,
            "farthest turn, rad": leakage.largest,
            "angle R2": analysis.angle_probe(embed, images, seed),
        }
        label_counts = [count for count in self.latent.labels if count <= len(train)]
        for count in label_counts:
            accuracy = analysis.knn_accuracy(embed, train, rotated, count, seed=seed)
            measures[f"kNN {count}, turned %"] = accuracy
        if label_counts:
            accuracy = analysis.knn_accuracy(embed, train, upright, label_counts[-1], seed=seed)
            measures[f"kNN {label_counts[-1]}, upright %"] = accuracy
        measures["clusters, turned %"] = analysis.clustering_accuracy(embed, rotated, seed=seed)
        return measures

    def is_measured(self, content: dict[str, Any], classes: int) -> bool:
        measures = content["measures"]
        return isinstance(content["latent"], dict) and all(
            isinstance(number, int | float) for number in measures.values()
        )

    def select(self, result: dict[str, Any], images: int) -> dict[str, Any] | None:
        return result if result["latent"] == self.latent.model_dump(mode="json") else None

    def plot(
        self, results: list[dict[str, Any]], recipe: Recipe, folder: Path, summary: Summary
    ) -> dict[str, str]:
        runs = by_network(results)
        captions = {"losses.png": _FILES["losses.png"]}
        losses = {
            name: [run["measures"]["validation loss"] for run in seeds]
            for name, seeds in runs.items()
        }
        atomic_files.write(
            folder / "losses.png",
            lambda path: plot_errors(
                losses,
                path,
                {name: seeds[0]["parameters"] for name, seeds in runs.items()},
                recipe.title,
                f"{recipe.data.title}, {summary.images['validation']:,} validation images",
                axis="validation loss (nats)",
            ),
        )
        if (text := grid_markdown(runs, recipe)) is not None:
            atomic_files.write_text(folder / "grid.md", text)
            captions["grid.md"] = _FILES["grid.md"]
        if self.latent.pictures:
            for name, seeds in runs.items():
                network = network_folder(folder, name, seeds[0]["seed"])
                for plot, caption in _NETWORK_PLOTS.items():
                    copies = copy_plot(network, folder, plot, name)
                    captions |= dict.fromkeys(copies, f"{name}: {caption}")
        return captions


def _plot_network(
    model: zoo.VariationalAutoencoder, test: Split, upright: Split, rotated: Split, folder: Path
) -> None:
    """Writes the plots of one network; `upright` are some test images, `rotated` the same ones."""
    _, first = np.unique(test.labels, return_index=True)  # an image of each class
    atomic_files.write(
        folder / "reconstructions.png",
        lambda path: plot_reconstructions(test.images[first[:10]], model.reconstruct, path),
    )
    vectors = {"upright": model.embed(upright.images), "turned": model.embed(rotated.images)}
    atomic_files.write(
        folder / "latent.png", lambda path: plot_latent_vectors(vectors, upright.labels, path)
    )
