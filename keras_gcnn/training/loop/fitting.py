"""Trains one network, resumably."""

from __future__ import annotations

from pathlib import Path

import keras
from rich.console import Console

from keras_gcnn.data import Dataset
from keras_gcnn.training import atomic_files
from keras_gcnn.training.inputs import augmentation
from keras_gcnn.training.loop.callbacks import Logs, ProgressBar, Shuffle
from keras_gcnn.training.loop.checkpoint import Checkpoint
from keras_gcnn.training.loop.data_parallel import (
    check_batches,
    ordered_batch_size,
    split_batches,
    validation_batch_size,
)
from keras_gcnn.training.loop.devices import in_use
from keras_gcnn.training.loop.interrupt import interruptible
from keras_gcnn.training.recipes.tables import TrainingTable
from keras_gcnn.training.tasks.classification import Classification
from keras_gcnn.training.tasks.task import Task


def _optimizer(settings: TrainingTable, steps: int) -> keras.optimizers.Optimizer:
    """Returns the optimizer of a recipe, given the number of batches in an epoch."""
    rate = settings.learning_rate
    if settings.schedule == "cosine":
        schedule = keras.optimizers.schedules.CosineDecay(rate, settings.epochs * steps)
        rate = keras.optimizers.schedules.serialize(schedule)
    config = {**settings.optimizer_arguments, "learning_rate": rate}
    try:
        return keras.optimizers.get({"class_name": settings.optimizer, "config": config})
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"training.optimizer = {settings.optimizer!r} with {config} is no optimizer of Keras. "
            f"Use the name of a class of keras.optimizers, e.g. 'adam' or 'sgd'. ({error})"
        ) from None


def check(dataset: Dataset, settings: TrainingTable) -> None:
    """Checks what `fit` needs, without training.

    Raises:
        ValueError: for an unknown optimizer, an empty validation split, images that cannot be
            changed as the settings ask, or batches that cannot be split over the devices.
    """
    if not len(dataset.validation):
        raise ValueError(
            "Early stopping needs validation images. Set data.validation to a share or a number "
            "larger than 0."
        )
    augmentation.check_fits(settings.augment, dataset.image_shape)
    sizes = (settings.batch_size, len(dataset.train), len(dataset.validation))
    check_batches(in_use(), *sizes)
    _optimizer(settings, steps=1)


def fit(
    model: keras.Model,
    dataset: Dataset,
    settings: TrainingTable,
    folder: Path,
    *,
    seed: int,
    task: Task | None = None,
    label: str = "",
    console: Console | None = None,
) -> list[dict[str, float]]:
    """Trains a network with early stopping, and leaves it with its best or last weights.

    After every epoch the state is on disk. A second call with a fresh model and the same arguments
    goes on from there, with the same batches in the same order.

    Args:
        model: built; from images to logits, or an autoencoder.
        dataset: with a validation split.
        settings: `[training]` of a recipe.
        folder: for `history.csv`, the TensorBoard logs in `logs/`, the state in `checkpoint/`.
        seed: int, for the order of the batches.
        task: what the network is trained for; None for classification.
        label: name of the network in the progress bar.
        console: where progress is shown; None for silence.

    Returns:
        The history: one dict per epoch.

    Raises:
        ValueError: for an unknown optimizer, an empty validation split, or a damaged state.
        FloatingPointError: if the loss is no longer finite.
    """
    check(dataset, settings)
    task = task or Classification()
    batches = task.batches(dataset.train, settings, seed)
    task.compile(model, _optimizer(settings, len(batches)))
    early_stopping = keras.callbacks.EarlyStopping(
        settings.monitor,
        mode="max" if "accuracy" in settings.monitor else "min",
        patience=settings.patience,
        restore_best_weights=settings.keep == "best",
    )
    checkpoint = Checkpoint(folder / "checkpoint", early_stopping)
    done = checkpoint.restore(model)
    csv = folder / "history.csv"
    callbacks = [
        Shuffle(batches),
        early_stopping,
        checkpoint,
        Logs(checkpoint, csv, folder / "logs"),
    ]
    bar = None
    if console is not None:
        bar = ProgressBar(console, label, len(batches))
        callbacks.append(bar)
        if done:
            console.print(f"{label}: going on after epoch {done}", markup=False, emoji=False)
    # A run that was killed after its last epoch only gets the kept weights back.
    finished = checkpoint.waited >= settings.patience
    count = len(dataset.validation)
    size = ordered_batch_size(in_use(), settings.batch_size, count) or settings.batch_size
    try:
        with interruptible() as interrupt, split_batches(model):
            model.fit(
                batches,
                shuffle=False,  # the batches have their order; Keras would draw another
                validation_data=task.validation(dataset.validation, settings, seed, size),
                validation_batch_size=validation_batch_size(in_use(), count),
                initial_epoch=done,
                epochs=done if finished else settings.epochs,
                callbacks=[*callbacks, interrupt],
                verbose=0,
            )
    finally:
        if bar is not None:
            bar.stop()
    atomic_files.write_csv(csv, checkpoint.history)  # a kill may have left it behind the state
    return checkpoint.history
