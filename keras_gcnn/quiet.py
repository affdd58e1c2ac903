"""Silence where another library warns of what is known."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_LOCK = threading.RLock()


@contextmanager
def without_warnings() -> Iterator[None]:
    """In here no warning is shown.

    The filters belong to the whole process, and two threads that replace them and put them back in
    turn would leave the wrong ones: one thread waits for the other.
    """
    with _LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
