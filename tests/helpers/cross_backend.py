"""A small model of every layer, and a program that saves it under the backend it is run on.

`python -m tests.helpers.cross_backend FOLDER` writes, for both data formats, the model with random
weights, inputs, and what the model predicts.
"""

import sys
from pathlib import Path

import keras
import numpy as np

from keras_gcnn import layers
from keras_gcnn.backend.stateless import without_trace
from tests.helpers.layers import DATA_FORMATS, randomize, to_format

SIZE = 10


def invariants(images, axis, here):
    """Images to invariant maps, through every layer of fields."""
    fields = {0: 2, 1: 2, 2: 1}
    maps = layers.DiscMask(**here)(images)
    maps = layers.SteerableConv2D({0: 3}, fields, 3, **here)(maps)
    maps = layers.SteerableBatchNormalization(fields, axis)(maps)
    maps = layers.SteerableLayerNormalization(fields, axis)(maps)
    maps = layers.SteerableGroupNormalization(fields, 2, axis)(maps)
    maps = layers.FourierActivation(fields, samples=8, **here)(maps)
    maps = layers.SteerableAveragePooling2D(fields, **here)(maps)
    maps = layers.NormActivation(fields, "elu", **here)(maps)
    maps = layers.SteerableDropout(0.5, fields, **here)(maps)
    maps = layers.SteerableConv2DTranspose(fields, fields, 2, strides=2, **here)(maps)
    maps = layers.GatedActivation(fields, **here)(maps)
    return [layers.InvariantMap(fields, 2, **here)(maps), layers.NormPooling(fields, **here)(maps)]


def invariants_of_mirrors(images, axis, here):
    """Images to invariant maps, through fields of D8, maps on P4M and fields of D4."""
    fields = layers.Fields.regular(1, group="d8")
    maps = layers.SteerableConv2D({0: 3}, fields, 3, **here)(images)
    maps = layers.SteerableBatchNormalization(fields, axis)(maps)
    maps = layers.NormActivation(fields, "elu", **here)(
        layers.FourierActivation(fields, **here)(maps)
    )
    restriction = layers.SteerableRestriction(fields, "d4", **here)
    on_group = layers.ToGroupMaps(restriction.fields_out, **here)(restriction(maps))
    on_group = layers.GConv2D(1, 3, "p4m", **here)(on_group)
    fields = layers.Fields.regular(1, group="d4")
    maps = layers.SteerableConv2D(fields, fields, 3, **here)(
        layers.ToFields("p4m", **here)(on_group)
    )
    maps = maps / 100  # the random weights make large numbers
    return [layers.SteerablePooling(fields, **here)(maps), layers.NormPooling(fields, **here)(maps)]


def build(data_format):
    """Images to vectors, through every layer of `keras_gcnn.layers`."""
    here = {"data_format": data_format}
    axis = 1 if data_format == "channels_first" else -1
    shape = to_format(np.empty((1, SIZE, SIZE, 3)), data_format).shape[1:]
    images = keras.Input(shape)
    maps = layers.LiftingConv2D(2, 3, "p4m", padding="same", activation="relu", **here)(images)
    maps = layers.GBatchNormalization("p4m", axis=axis)(maps)
    maps = layers.GLayerNormalization("p4m", axis)(maps)
    maps = layers.GPReLU("p4m", **here)(layers.GGroupNormalization(2, "p4m", axis)(maps))
    maps = layers.GLayerScale(0.9, "p4m", **here)(layers.GRMSNormalization("p4m", axis)(maps))
    maps = layers.GMaxPooling2D(**here)(maps)
    # Side by side: one after the other their random weights would make numbers too large.
    dropped = layers.GDropout(0.5, "p4m", **here)(maps)
    sides = [
        layers.GSeparableConv2D(2, 3, "p4m", **here)(maps),
        layers.GSeparableConv2D(2, 3, "p4m", variant="g", padding="same", **here)(maps),
        layers.GDepthwiseConv2D(3, "p4m", depth_multiplier=2, **here)(maps),
        layers.GConv2DTranspose(2, 2, "p4m", strides=2, **here)(dropped),
    ]
    sides = [layers.GGlobalPooling("mean", "p4m", **here)(side) for side in sides]
    on_fields = [*invariants(images, axis, here), *invariants_of_mirrors(images, axis, here)]
    sides += [keras.layers.GlobalAveragePooling2D(**here)(side) for side in on_fields]
    maps = layers.GConv2D(2, 3, "p4m", padding="same", **here)(maps)
    maps = layers.GAveragePooling2D(**here)(maps)
    maps = layers.Restriction("p4m", "p4", **here)(maps)
    maps = layers.GConv2D(3, 2, "p4", **here)(maps)
    directions = layers.GOrientation("p4", **here)(maps)
    # Not short: the angle of a short vector hangs on its last digits.
    long = keras.ops.tanh(directions[:, 0] / 100) + 1
    turned = layers.TurnByVector(**here)([images, layers.UnitDirection()(long)])
    sides += [keras.layers.Flatten()(turned), keras.layers.Flatten()(directions / 10)]
    dense = [keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(2)]
    sides.append(layers.Symmetrized(keras.Sequential(dense), "p4m", **here)(images))
    plane = keras.layers.Flatten()(layers.GPooling("mean", "p4", **here)(maps))
    pooled = layers.GGlobalPooling("max", "p4", **here)(maps)
    mu, kappa = layers.VonMisesFisherHead(3)(pooled)
    latent = layers.VonMisesFisherSampling()([mu, layers.KLToUniform(3)(kappa)])
    latent = layers.GaussianSampling()([latent, mu])
    return keras.Model(images, keras.layers.Concatenate()([plane, pooled, kappa, latent, *sides]))


def save(folder):
    rng = np.random.default_rng(3)
    for data_format in DATA_FORMATS:
        model = randomize(build(data_format), rng)
        inputs = to_format(rng.normal(size=(4, SIZE, SIZE, 3)), data_format).astype("float32")
        outputs = keras.ops.convert_to_numpy(without_trace(model)(inputs))
        model.save(folder / f"{data_format}.keras")
        np.savez(folder / f"{data_format}.npz", inputs=inputs, outputs=outputs)
    (folder / "backend.txt").write_text(keras.backend.backend(), encoding="utf-8")


if __name__ == "__main__":
    save(Path(sys.argv[1]))
