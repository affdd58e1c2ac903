"""Traces functions of TensorFlow for converters that know no compiled functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import tensorflow as tf


@contextmanager
def without_xla() -> Iterator[None]:
    """Traces functions that XLA would compile as a part of the functions that call them."""
    wrap = tf.function

    def function(func: Callable | None = None, **options: Any) -> Any:
        if func is None and options.get("jit_compile"):
            return lambda called: called
        return wrap(func, **options)

    tf.function = function
    try:
        yield
    finally:
        tf.function = wrap
