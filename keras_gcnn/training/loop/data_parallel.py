"""Batches split over several devices, with the losses that one device would compute."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import keras

from keras_gcnn.backend.ops import on
from keras_gcnn.model_graph import all_layers
from keras_gcnn.training.loop.devices import in_use
from keras_gcnn.types import Tensor


def check_batches(count: int, batch_size: int, train: int, validation: int) -> None:
    """Checks that batches can be split over devices.

    Args:
        count: int, number of devices.
        batch_size: int, number of images in a batch.
        train: int, number of images to train on.
        validation: int, number of images to validate on.

    Raises:
        ValueError: if they cannot.
    """
    if batch_size % count:
        nearest = max(count, batch_size - batch_size % count)
        raise ValueError(
            f"Batches are split evenly over {count} devices, so training.batch_size has to be a "
            f"multiple of {count}. It is {batch_size}: make it {nearest}."
        )
    if not on("tensorflow") or count == 1:
        return
    if not _every_device_has_images(count, batch_size, train):
        rest = train % batch_size
        few = f"of {train} training images (data.subset) in batches of {batch_size}, {rest} remain"
        even = train - rest or max(count, train - train % count)
        raise ValueError(
            f"On TensorFlow every one of {count} devices needs images of each batch, and {few} for "
            f"the last, too few for all devices. Set data.subset to {even}, or change "
            "training.batch_size."
        )
    if validation_batch_size(count, validation) is None:
        raise ValueError(
            f"On TensorFlow every one of {count} devices needs images of each batch, and there are "
            f"{validation} validation images. Set data.validation to {count} or a multiple of it."
        )


def validation_batch_size(count: int, validation: int, most: int = 256) -> int | None:
    """Returns the largest batch size up to `most` that can be split, or None if there is none.

    Args:
        count: int, number of devices.
        validation: int, number of images to validate on.
        most: int, the largest batch size.
    """
    most = min(most, validation)
    sizes = range(most - most % count, 0, -count)
    return next((size for size in sizes if _every_device_has_images(count, size, validation)), None)


def ordered_batch_size(count: int, batch_size: int, validation: int) -> int | None:
    """Returns the batch size for validation images that are read from a file, batch by batch.

    It is at most that of training, since such images may be large; a larger one only where no
    smaller one can be split.

    Args:
        count: int, number of devices.
        batch_size: int, number of images in a batch of training.
        validation: int, number of images to validate on.
    """
    size = validation_batch_size(count, validation, batch_size)
    return size or validation_batch_size(count, validation)


def _every_device_has_images(count: int, batch_size: int, images: int) -> bool:
    """Whether no device is left without images, given that TensorFlow rounds parts up.

    The first batch has to be even, since Keras takes the mean of its parts.
    """
    rest = images % batch_size
    part = -(-rest // count)
    return min(batch_size, images) % count == 0 and (not rest or part * (count - 1) < rest)


@contextmanager
def split_batches(model: keras.Model) -> Iterator[None]:
    """Makes every device compute its part of each batch while a model is trained in the context.

    Afterwards the model is as before, so that it can be saved for any number of devices.

    Args:
        model: compiled, inside `devices.distributed`.
    """
    with ExitStack() as stack:
        if in_use() > 1 and on("jax"):
            for name in ("train_step", "test_step"):
                setattr(model, name, _split_step(getattr(model, name)))
                stack.callback(delattr, model, name)
        elif in_use() > 1:
            for layer in all_layers(model):
                if getattr(layer, "synchronized", None) is False:
                    layer.synchronized = True  # on JAX, statistics are always over all devices
                    stack.callback(setattr, layer, "synchronized", False)
            model.compute_loss = _by_share(model.compute_loss)
            stack.callback(delattr, model, "compute_loss")
        yield


def _split_step(step: Callable) -> Callable:
    """Returns a step of JAX in which every device computes its part of a batch.

    An uneven batch, which only the last of an epoch can be, is computed whole by every device.
    """
    distribution = keras.distribution.distribution()

    def split(tensor: Any) -> Any:
        if tensor is None or tensor.shape[0] % distribution.device_mesh.devices.size:
            return tensor
        axes = [distribution.batch_dim_name] + [None] * (len(tensor.shape) - 1)
        layout = keras.distribution.TensorLayout(axes, distribution.device_mesh)
        return keras.distribution.distribute_tensor(tensor, layout)

    def split_step(state: Any, data: Any) -> Any:
        return step(state, keras.tree.map_structure(split, data))

    return split_step


def _by_share(compute_loss: Callable) -> Callable:
    """Returns a loss of TensorFlow whose gradient is weighted by the replica's share of the batch.

    Keras takes the mean over replicas, although some may have fewer images of the last batch. The
    value of the loss stays, since Keras already averages it over images.
    """
    import tensorflow as tf

    def compute_loss_by_share(
        x: Tensor = None,
        y: Tensor = None,
        y_pred: Tensor = None,
        sample_weight: Tensor = None,
        training: bool = True,
    ) -> Tensor:
        loss = compute_loss(x, y, y_pred, sample_weight, training=training)
        replica = tf.distribute.get_replica_context()
        if replica is None:  # Keras builds the model
            return loss
        images = tf.cast(tf.shape(x)[0], loss.dtype)
        share = images * replica.num_replicas_in_sync / replica.all_reduce("SUM", images)
        return share * loss + tf.stop_gradient(loss - share * loss)

    return compute_loss_by_share
