"""Silences warnings of other libraries about something that is already handled."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_LOCK = threading.RLock()


@contextmanager
def without_warnings() -> Iterator[None]:
    """Shows no warnings inside a `with` block.

    The filters of warnings belong to the whole process. Two threads that replaced them and put them
    back in turn would leave the wrong ones, so a second thread waits for the first.
    """
    with _LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
