"""Training on several devices of one machine, with the batches and the losses of one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import keras

from keras_gcnn.analysis.models import all_layers

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
            f"devices={count}, but {backend} sees {available}. Ask for so many at most, or make "
            "more of them visible (CUDA_VISIBLE_DEVICES)."
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


def check_batches(count: int, batch_size: int, train: int, validation: int) -> None:
    """Checks that every batch can be dealt out evenly.

    Keras cannot deal out others on JAX, and on TensorFlow takes the mean of unequal parts as if
    they were equal.

    Args:
        count: int, number of devices.
        batch_size: int, images of a batch.
        train: int, number of images to train on.
        validation: int, number of images to validate on.

    Raises:
        ValueError: if some batch cannot be.
    """
    for what, number in (
        ("training.batch_size", batch_size),
        ("the number of training images (data.subset)", train),
        ("the number of validation images (data.validation)", validation),
    ):
        if number % count:
            near = max(count, number - number % count)
            raise ValueError(
                f"Batches are dealt out evenly to {count} devices, so {what} has to be a multiple "
                f"of {count}. It is {number}: make it {near}."
            )


@contextmanager
def several(count: int) -> Iterator[None]:
    """Distributes what is built and trained in the context over so many devices."""
    if count == 1:
        yield
    elif keras.backend.backend() == "jax":
        import jax

        names = [f"{one.platform}:{one.id}" for one in jax.devices()[:count]]
        keras.distribution.set_distribution(
            keras.distribution.DataParallel(devices=names, auto_shard_dataset=False)
        )
        try:
            yield
        finally:
            keras.distribution.set_distribution(None)
    else:
        import tensorflow as tf

        kind = "GPU" if tf.config.list_physical_devices("GPU") else "CPU"
        names = [f"{kind}:{index}" for index in range(count)]
        with tf.distribute.MirroredStrategy(names).scope():
            yield


def in_use() -> int:
    """Number of devices that a model which is trained now is distributed over."""
    backend = keras.backend.backend()
    if backend == "jax":
        distribution = keras.distribution.distribution()
        return 1 if distribution is None else int(distribution.device_mesh.devices.size)
    if backend == "tensorflow":
        import tensorflow as tf

        return tf.distribute.get_strategy().num_replicas_in_sync
    return 1


@contextmanager
def synchronized(model: keras.Model) -> Iterator[None]:
    """Has normalisations take their statistics over all devices, as on JAX they do by themselves.

    Afterwards they are as they were, so that the model can be saved for any number of devices.
    """
    with ExitStack() as stack:
        if keras.backend.backend() == "tensorflow" and in_use() > 1:
            for layer in all_layers(model):
                if getattr(layer, "synchronized", None) is False:
                    layer.synchronized = True
                    stack.callback(setattr, layer, "synchronized", False)
        yield
