"""Callbacks: the order of batches, logs, and the progress bar."""

from __future__ import annotations

from pathlib import Path

import keras
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from keras_gcnn.full_disk import explain_full_disk
from keras_gcnn.training import atomic_files
from keras_gcnn.training.inputs.batches import ShuffledBatches
from keras_gcnn.training.loop.checkpoint import Checkpoint, Values


class Shuffle(keras.callbacks.Callback):
    """Passes the number of each epoch to the batches; in a resumed run only callbacks have it."""

    def __init__(self, batches: ShuffledBatches):
        super().__init__()
        self.batches = batches

    def on_epoch_begin(self, epoch: int, logs: Values = None) -> None:
        self.batches.start_epoch(epoch)


class Logs(keras.callbacks.Callback):
    """Writes the history as CSV and, for TensorBoard, as scalars.

    This uses TensorBoard's writer, since Keras's callback needs TensorFlow on every backend.

    Args:
        checkpoint: the run's `Checkpoint`, which has to precede this in the list of callbacks.
        csv: path of the CSV file.
        tensorboard: folder of the TensorBoard logs.
    """

    def __init__(self, checkpoint: Checkpoint, csv: Path, tensorboard: Path):
        super().__init__()
        self.checkpoint = checkpoint
        self.csv = csv
        self.tensorboard = tensorboard

    def on_train_begin(self, logs: Values = None) -> None:
        from tensorboard.summary import Writer

        with explain_full_disk(self.tensorboard):
            self._writer = Writer(str(self.tensorboard))

    def on_epoch_end(self, epoch: int, logs: Values = None) -> None:
        row = self.checkpoint.history[-1]
        atomic_files.write_csv(self.csv, self.checkpoint.history)
        with explain_full_disk(self.tensorboard):
            for name, value in row.items():
                if name != "epoch":
                    self._writer.add_scalar(name, value, step=row["epoch"])
            self._writer.flush()

    def on_train_end(self, logs: Values = None) -> None:
        self._writer.close()


class ProgressBar(keras.callbacks.Callback):
    """One bar for all epochs on a terminal, and one line per epoch elsewhere.

    Args:
        console: where to show it.
        label: what is trained.
        steps: int, number of batches in an epoch.
    """

    def __init__(self, console: Console, label: str, steps: int):
        super().__init__()
        self.console = console
        self.label = label
        self.steps = steps
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[values]}"),
            console=console,
            disable=not console.is_terminal,
        )

    def on_train_begin(self, logs: Values = None) -> None:
        epochs = self.params["epochs"]
        self._task = self._bar.add_task(
            self.label, total=epochs * self.steps, epoch=0, epochs=epochs, values=""
        )
        self._bar.start()

    def on_epoch_begin(self, epoch: int, logs: Values = None) -> None:
        self._bar.update(self._task, completed=epoch * self.steps, epoch=epoch + 1)

    def on_train_batch_end(self, batch: int, logs: Values = None) -> None:
        self._bar.advance(self._task)

    def on_epoch_end(self, epoch: int, logs: Values = None) -> None:
        logs = logs or {}
        values = "  ".join(
            f"{name.replace('_', ' ')} {float(logs[name]):.4f}"
            for name in ("loss", "val_loss", "val_accuracy")
            if name in logs
        )
        self._bar.update(self._task, values=values)
        if not self.console.is_terminal:
            epochs = self.params["epochs"]
            line = f"{self.label}  epoch {epoch + 1}/{epochs}  {values}"
            self.console.print(line, markup=False, emoji=False)

    def stop(self) -> None:
        """Releases the terminal; Keras calls no callback when training ends with an error."""
        self._bar.stop()
