"""Batches dealt out to several devices: each computes a part, and the losses are those of one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import keras

from keras_gcnn.model_graph import all_layers
from keras_gcnn.training.loop.devices import in_use


def check_batches(count: int, batch_size: int, train: int, validation: int) -> None:
    """Checks that batches can be dealt out.

    Args:
        count: int, number of devices.
        batch_size: int, images of a batch.
        train: int, number of images to train on.
        validation: int, number of images to validate on.

    Raises:
        ValueError: if they cannot be.
    """
    if batch_size % count:
        near = max(count, batch_size - batch_size % count)
        raise ValueError(
            f"Batches are dealt out evenly to {count} devices, so training.batch_size has to be a "
            f"multiple of {count}. It is {batch_size}: make it {near}."
        )
    if keras.backend.backend() != "tensorflow" or count == 1:
        return
    if not _every_device_has_images(count, batch_size, train):
        rest = train % batch_size
        few = f"of {train} training images (data.subset) in batches of {batch_size}, {rest} remain"
        even = train - rest or max(count, train - train % count)
        raise ValueError(
            f"On TensorFlow every one of {count} devices needs images of each batch, and {few} for "
            f"the last, too few for their even parts. Set data.subset to {even}, or change "
            "training.batch_size."
        )
    if validation_batch_size(count, validation) is None:
        raise ValueError(
            f"On TensorFlow every one of {count} devices needs images of each batch, and there are "
            f"{validation} validation images. Set data.validation to {count} or a multiple of it."
        )


def validation_batch_size(count: int, validation: int) -> int | None:
    """The largest batch size up to 256 that can be dealt out, or None if there is none.

    Args:
        count: int, number of devices.
        validation: int, number of images to validate on.
    """
    most = min(256, validation)
    sizes = range(most - most % count, 0, -count)
    return next((one for one in sizes if _every_device_has_images(count, one, validation)), None)


def _every_device_has_images(count: int, batch_size: int, images: int) -> bool:
    """Whether TensorFlow, which deals out by rounding up, leaves no device without a part.

    The first batch has to be even besides, since Keras takes the mean of its parts.
    """
    rest = images % batch_size
    part = -(-rest // count)
    return min(batch_size, images) % count == 0 and (not rest or part * (count - 1) < rest)


@contextmanager
def dealt_out(model: keras.Model) -> Iterator[None]:
    """Has a model that is trained in the context compute a part of each batch per device.

    Afterwards it is as it was, so that it can be saved for any number of devices.

    Args:
        model: compiled, under `devices.several`.
    """
    with ExitStack() as stack:
        if in_use() > 1 and keras.backend.backend() == "jax":
            for name in ("train_step", "test_step"):
                setattr(model, name, _on_parts(getattr(model, name)))
                stack.callback(delattr, model, name)
        elif in_use() > 1:
            for layer in all_layers(model):
                if getattr(layer, "synchronized", None) is False:
                    layer.synchronized = True  # on JAX statistics are over all devices anyway
                    stack.callback(setattr, layer, "synchronized", False)
            model.compute_loss = _by_share(model.compute_loss)
            stack.callback(delattr, model, "compute_loss")
        yield


def _on_parts(step: Callable) -> Callable:
    """A step of JAX in which every device computes its part of a batch.

    One that is uneven, which only the last of an epoch is, is computed by all of them.
    """
    distribution = keras.distribution.distribution()

    def deal(tensor: Any) -> Any:
        if tensor is None or tensor.shape[0] % distribution.device_mesh.devices.size:
            return tensor
        axes = [distribution.batch_dim_name] + [None] * (len(tensor.shape) - 1)
        layout = keras.distribution.TensorLayout(axes, distribution.device_mesh)
        return keras.distribution.distribute_tensor(tensor, layout)

    def step_on_parts(state, data):
        return step(state, keras.tree.map_structure(deal, data))

    return step_on_parts


def _by_share(compute_loss: Callable) -> Callable:
    """A loss of TensorFlow whose gradient counts by how much of the batch a replica has.

    Keras takes the mean over replicas, some of which may have less of the last batch.
    The value itself stays, since Keras keeps its mean over images.
    """
    import tensorflow as tf

    def compute_loss_by_share(x=None, y=None, y_pred=None, sample_weight=None, training=True):
        loss = compute_loss(x, y, y_pred, sample_weight, training=training)
        replica = tf.distribute.get_replica_context()
        if replica is None:  # Keras builds the model
            return loss
        own = tf.cast(tf.shape(x)[0], loss.dtype)
        share = own * replica.num_replicas_in_sync / replica.all_reduce("SUM", own)
        return share * loss + tf.stop_gradient(loss - share * loss)

    return compute_loss_by_share
