"""Ctrl-C during training, on every backend."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import keras

from keras_gcnn.training.loop.checkpoint import Values

Handler = Callable[[int, FrameType | None], Any]


class Interrupt(keras.callbacks.Callback):
    """Raises `KeyboardInterrupt` at the end of a batch if Ctrl-C was pressed before."""

    def __init__(self) -> None:
        super().__init__()
        self._handler: Handler | None = None
        self._pressed = False

    def catch(self, handler: Handler) -> None:
        """Has Ctrl-C call `handler`, which raises the error, at the end of a batch from now on."""
        self._handler = handler
        signal.signal(signal.SIGINT, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._pressed and self._handler is not None:  # pressed again: interrupt at once
            self._handler(number, frame)
        self._pressed = True

    def raise_if_pressed(self) -> None:
        """Calls the former handler if Ctrl-C was pressed."""
        if self._pressed and self._handler is not None:
            self._handler(signal.SIGINT, None)

    def on_train_batch_end(self, batch: int, logs: Values = None) -> None:
        self.raise_if_pressed()

    # Not after a batch of validation: it is short, and a finished epoch is worth keeping.
    def on_epoch_end(self, epoch: int, logs: Values = None) -> None:
        self.raise_if_pressed()


@contextmanager
def interruptible() -> Iterator[Interrupt]:
    """Makes Ctrl-C end a `model.fit` that has the callback which this context manager returns.

    While Keras waits for the values of a batch, it catches every error, `KeyboardInterrupt` too; on
    JAX nearly all the time is spent there. Therefore the signal is only noted, and the callback,
    which has to be the last in the list, raises the error. Nothing changes outside the main thread,
    since other threads get no signals, or where Ctrl-C is ignored.
    """
    interrupt = Interrupt()
    main = threading.current_thread() is threading.main_thread()
    former = signal.getsignal(signal.SIGINT) if main else None
    if not callable(former):
        yield interrupt
        return
    interrupt.catch(former)
    try:
        yield interrupt
        interrupt.raise_if_pressed()  # pressed after the last batch
    finally:
        signal.signal(signal.SIGINT, former)
