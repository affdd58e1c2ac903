"""Ctrl-C during training, on every backend."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import keras


class Interrupt(keras.callbacks.Callback):
    """Raises `KeyboardInterrupt` at the end of a batch, if Ctrl-C was pressed before."""

    def __init__(self):
        super().__init__()
        self._handler = None
        self._asked = False

    def catch(self, handler) -> None:
        """From now on Ctrl-C calls `handler`, which raises the error, at the end of a batch."""
        self._handler = handler
        signal.signal(signal.SIGINT, self._ask)

    def _ask(self, number, frame):
        if self._asked:  # pressed again: at once
            self._handler(number, frame)
        self._asked = True

    def raise_if_asked(self) -> None:
        """Calls the former handler if Ctrl-C was pressed."""
        if self._asked:
            self._handler(signal.SIGINT, None)

    def on_train_batch_end(self, batch, logs=None):
        self.raise_if_asked()

    # Not after a batch of validation: it is short, and a finished epoch is worth keeping.
    def on_epoch_end(self, epoch, logs=None):
        self.raise_if_asked()


@contextmanager
def interruptible() -> Iterator[Interrupt]:
    """Makes Ctrl-C end `model.fit`, given the callback that this context manager returns.

    Where Keras waits for the values of a batch it catches every error, `KeyboardInterrupt` too; on
    JAX nearly all the time is spent there. So the signal is only noted, and the callback, which has
    to be the last, raises the error. Outside the main thread, which gets no signals, or where
    Ctrl-C is ignored, nothing changes.
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
        interrupt.raise_if_asked()  # pressed after the last batch
    finally:
        signal.signal(signal.SIGINT, former)
