"""Programs that run once, compiled quickly."""

import contextlib

import keras


@contextlib.contextmanager
def without_optimizing():
    """JAX compiles without optimizing in here; the other backends do not compile.

    It is a switch of the whole process, for tests that run in one thread.
    """
    if keras.backend.backend() != "jax":
        yield
        return
    import jax

    before = jax.config.values["jax_disable_most_optimizations"]
    jax.config.update("jax_disable_most_optimizations", True)
    try:
        yield
    finally:
        jax.config.update("jax_disable_most_optimizations", before)
