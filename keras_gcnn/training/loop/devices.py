"""The devices of one machine: how many there are, and training distributed over them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import keras

from keras_gcnn.arguments import as_count
from keras_gcnn.backend.ops import name as backend_name
from keras_gcnn.backend.ops import on, replicas
from keras_gcnn.types import Shape

_FRESH = "Start a new process, and ask for the devices before anything else is computed in it."


def prepare(count: int) -> None:
    """Makes sure that there are enough devices, before a backend has begun to compute.

    Without an accelerator the CPU counts as `count` devices, so that everything can be tried.

    Args:
        count: int, number of devices.

    Raises:
        ValueError: if it is no positive integer, there are fewer accelerators, the backend cannot
            train on several, or it has begun to compute with the CPU as one device.
    """
    if as_count(count) is None:
        raise ValueError(f"devices={count!r} (--devices) has to be a positive integer.")
    if count == 1:
        return
    backend = backend_name()
    if backend == "torch":
        raise ValueError(
            f"devices={count}: on PyTorch, Keras trains on one device. Use the backend jax or "
            "tensorflow (--backend), leave devices out, or train one network per device, in "
            "several processes with --networks and a --run-dir each."
        )
    available = {"jax": _jax_devices, "tensorflow": _tensorflow_devices}[backend](count)
    if available < count:
        raise ValueError(
            f"devices={count}, but {backend} sees {available} on this machine. Ask for at most "
            f"{available}, or make more of them visible (CUDA_VISIBLE_DEVICES)."
        )


def _jax_devices(count: int) -> int:
    import jax

    try:
        jax.config.update("jax_num_cpu_devices", count)  # has no effect where there is a GPU
    except RuntimeError:  # JAX has begun to compute
        if jax.default_backend() == "cpu" and jax.device_count() < count:
            raise ValueError(f"devices={count}, but JAX runs on one CPU. {_FRESH}") from None
    return jax.device_count()


def _tensorflow_devices(count: int) -> int:
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        return len(gpus)
    if len(tf.config.get_logical_device_configuration(_cpu()) or ()) < count:
        try:
            tf.config.set_logical_device_configuration(
                _cpu(), [tf.config.LogicalDeviceConfiguration() for _ in range(count)]
            )
        except RuntimeError:
            raise ValueError(f"devices={count}, but TensorFlow runs on one CPU. {_FRESH}") from None
    return len(tf.config.list_logical_devices("CPU"))


def _cpu() -> Any:
    import tensorflow as tf

    return tf.config.list_physical_devices("CPU")[0]


class _WholeBatches(keras.distribution.DataParallel):
    """Gives every device the whole batch, from which each step then takes the device's part.

    Keras itself would split all batches of an epoch like the first one, which fails for a last
    batch that cannot be split evenly.
    """

    def get_data_layout(self, data_shape: Shape) -> keras.distribution.TensorLayout:
        return keras.distribution.TensorLayout([None] * len(data_shape), self.device_mesh)


@contextmanager
def distributed(count: int) -> Iterator[None]:
    """Distributes networks that are built and trained in the context over `count` devices."""
    if count == 1:
        yield
    elif on("jax"):
        import jax

        names = [f"{device.platform}:{device.id}" for device in jax.devices()[:count]]
        keras.distribution.set_distribution(_WholeBatches(devices=names, auto_shard_dataset=False))
        try:
            yield
        finally:
            keras.distribution.set_distribution(None)
    else:
        with _replicated(count).scope():
            yield


@cache
def _replicated(count: int) -> Any:
    """Returns the only strategy for `count` devices.

    A second one would number its sums over devices from the start again. TensorFlow remembers the
    sizes of the sums by their number, and another network has other sizes.
    """
    import tensorflow as tf

    device = "GPU" if tf.config.list_physical_devices("GPU") else "CPU"
    return tf.distribute.MirroredStrategy([f"{device}:{index}" for index in range(count)])


def in_use() -> int:
    """Returns over how many devices a model is distributed that is built or trained now."""
    if on("jax"):
        distribution = keras.distribution.distribution()
        return 1 if distribution is None else int(distribution.device_mesh.devices.size)
    return replicas()
