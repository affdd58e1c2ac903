"""Trains the recipes of `test_devices.py` on one device, on two, and on one after two.

All in one process, in which there are two devices, so that one after two is tried as well. Its
arguments are the folder with the recipes and what is trained beside the classifier.
"""

import json
import sys
from functools import partial
from pathlib import Path
from unittest import mock

import keras

from keras_gcnn import layers, training, zoo
from keras_gcnn.training.loop import data_parallel as dealing
from keras_gcnn.training.loop import devices, fitting
from keras_gcnn.zoo import posteriors

parts, call = set(), layers.GBatchNormalization.call


def small(input_shape, classes, data_format):
    """In the place of a builder of the zoo, whose networks are larger than is needed."""
    x = image = keras.Input(input_shape)
    for layer in (layers.LiftingConv2D(2, 5, "p4", strides=3), layers.GConv2D(2, 3, "p4")):
        x = keras.layers.ReLU()(layers.GBatchNormalization("p4")(layer(x)))
    x = keras.layers.GlobalAveragePooling2D()(layers.GPooling(group="p4")(x))
    return keras.Model(image, keras.layers.Dense(classes)(x))


def normalize(layer, inputs, training=None, mask=None):
    """As the layer does, noting what a device gets of a batch, or how many there are."""
    if keras.backend.backend() == "jax":
        import jax

        if isinstance(inputs, jax.core.Tracer):
            batch = inputs.shape
            jax.debug.inspect_array_sharding(
                inputs, callback=lambda one: parts.add((batch[0], one.shard_shape(batch)[0]))
            )
    else:
        import tensorflow as tf

        if context := tf.distribute.get_replica_context():
            parts.add(context.num_replicas_in_sync)
    return call(layer, inputs, training=training, mask=mask)


class Stop(fitting.Shuffle):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt
        super().on_epoch_begin(epoch, logs)


def main(folder, chosen):
    recipes = {
        name: training.load_recipe(folder / f"{name}.toml")
        for name in ("classifier", "autoencoder", "folder")
    }

    def train(name, count, recipe="classifier"):
        training.train(recipes[recipe], folder / name, devices=count)
        assert devices.in_use() == 1

    def stop(name, count):
        with mock.patch.object(fitting, "Shuffle", Stop):
            try:
                train(name, count)
            except KeyboardInterrupt:
                assert devices.in_use() == 1
                return
        raise AssertionError("was not stopped")

    with mock.patch.object(layers.GBatchNormalization, "call", normalize):
        train("two", 2)
    (folder / "parts.json").write_text(json.dumps(sorted(parts)))
    train("one", 1)
    stop("one, two", 1)
    train("one, two", 2)
    if "autoencoder" in chosen:
        for name, count in (("two autoencoders", 2), ("one autoencoder", 1)):
            train(name, count, "autoencoder")
    if "folder" in chosen:
        for name, count in (("two of a folder", 2), ("one of a folder", 1)):
            train(name, count, "folder")
    if "mutations" in chosen:
        with mock.patch.object(dealing, "all_layers", return_value=[]):
            train("unsynchronized", 2)
        with mock.patch.object(dealing, "_by_share", lambda compute_loss: partial(compute_loss)):
            train("unshared", 2)


if __name__ == "__main__":
    # In float64, since in float32 a training makes much of how sums are rounded.
    keras.config.set_floatx("float64")
    # Replicas draw other numbers than one device does.
    posteriors.GaussianSampling.call = lambda self, inputs, training=None: inputs[0]
    zoo.cohen_cnn = small
    main(Path(sys.argv[1]), sys.argv[2:])
