"""Training on several devices of one machine, with the batches and the losses of one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import keras

from keras_gcnn.backend.ops import replicas

_FRESH = "Start a new process, and ask for the devices before anything else is computed in it."


def prepare(count: int) -> None:
    """Makes sure that there are so many devices, before a backend has begun to compute.

    Without an accelerator the CPU counts as so many devices, so that everything can be tried.

    Args:
        count: int, number of devices.

    Raises:
        ValueError: if it is no such number, there are fewer accelerators, the backend cannot
            train on several, or it has begun to compute on a CPU that counts as one.
    """
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise ValueError(f"devices={count!r} (--devices) has to be a positive integer.")
    if count == 1:
        return
    backend = keras.backend.backend()
    if backend == "torch":
        raise ValueError(
            f"devices={count}: Keras trains on one device on PyTorch. Use the backend jax or "
            "tensorflow (--backend), leave devices out, or train a network per device, e.g. one "
            "with --networks in each of several processes."
        )
    available = {"jax": _jax_devices, "tensorflow": _tensorflow_devices}[backend](count)
    if available < count:
        raise ValueError(
            f"devices={count}, but {backend} sees {available} on this machine. Ask for so many at "
            "most, or make more of them visible (CUDA_VISIBLE_DEVICES)."
        )


def _jax_devices(count: int) -> int:
    import jax

    try:
        jax.config.update("jax_num_cpu_devices", count)  # of no effect where there is a GPU
    except RuntimeError:  # it has begun to compute
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


def _cpu():
    import tensorflow as tf

    return tf.config.list_physical_devices("CPU")[0]


class _Whole(keras.distribution.DataParallel):
    """Gives every device the whole batch, of which a step then takes what is the device's own.

    Keras itself deals out all batches of an epoch like the first of them, and so cannot do it with
    a last one that is uneven.
    """

    def get_data_layout(self, data_shape):
        return keras.distribution.TensorLayout([None] * len(data_shape), self.device_mesh)


@contextmanager
def several(count: int) -> Iterator[None]:
    """Distributes what is built and trained in the context over so many devices."""
    if count == 1:
        yield
    elif keras.backend.backend() == "jax":
        import jax

        names = [f"{one.platform}:{one.id}" for one in jax.devices()[:count]]
        keras.distribution.set_distribution(_Whole(devices=names, auto_shard_dataset=False))
        try:
            yield
        finally:
            keras.distribution.set_distribution(None)
    else:
        with _replicated(count).scope():
            yield


@cache
def _replicated(count: int):
    """The one strategy for so many devices.

    Another would number its sums over devices as the first one did, whose sizes TensorFlow
    remembers; of another network they have others.
    """
    import tensorflow as tf

    kind = "GPU" if tf.config.list_physical_devices("GPU") else "CPU"
    return tf.distribute.MirroredStrategy([f"{kind}:{index}" for index in range(count)])


def in_use() -> int:
    """Number of devices that a model which is trained now is distributed over."""
    if keras.backend.backend() == "jax":
        distribution = keras.distribution.distribution()
        return 1 if distribution is None else int(distribution.device_mesh.devices.size)
    return replicas()
