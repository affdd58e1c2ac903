"""Plain models of ordinary code, to be made equivariant."""

import keras
import numpy as np
from keras import layers


def squeeze_and_excite(x, channels):
    gate = layers.GlobalAveragePooling2D()(x)
    gate = layers.Dense(channels // 2, activation="relu")(gate)
    gate = layers.Dense(channels, activation="sigmoid")(gate)
    return layers.Multiply()([x, layers.Reshape((1, 1, channels))(gate)])


def block(x, channels, strides=1):
    """A residual block with a depthwise convolution and a gate."""
    short = x
    if strides > 1:
        short = layers.Conv2D(channels, 1, strides=strides, padding="same")(x)
    if strides > 1:  # as Keras's applications pad
        sides = tuple((size % 2, 1) for size in x.shape[1:3])
        x = layers.ZeroPadding2D(sides)(x)
    padding = "valid" if strides > 1 else "same"
    x = layers.DepthwiseConv2D(3, strides=strides, padding=padding, use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    x = layers.Conv2D(channels, 1)(x)
    return layers.Add()([squeeze_and_excite(x, channels), short])


def classifier(size=13):
    """Every kind of layer of an image classifier; a model in the model, called twice."""
    image = keras.Input((size, size, 3), name="image")
    x = layers.Rescaling(2.0, -1.0)(image)
    x = layers.Conv2D(16, 3, padding="same", name="stem")(x)
    x = layers.PReLU(shared_axes=[1, 2])(x)
    branches = [
        layers.Conv2D(16, (1, 3), padding="same", activation="relu")(x),
        layers.SeparableConv2D(8, 3, padding="same")(x),
        layers.AveragePooling2D(3, 1, padding="same")(x),
    ]
    x = layers.Concatenate()(branches)
    x = layers.Conv2D(16, 3, padding="same", groups=2, name="grouped")(x)
    x = layers.LayerNormalization()(x)
    inner = keras.Sequential(
        [keras.Input((None, None, 16)), layers.Conv2D(16, 3, padding="same"), layers.ReLU()],
        name="inner",
    )
    x = inner(inner(x))
    x = block(x, 32, strides=2)
    x = block(x, 32)
    x = layers.GroupNormalization(4)(keras.ops.relu(x) * 0.5)
    x = layers.MaxPooling2D(3, 2, padding="same")(x)
    x = layers.Dense(32, activation="gelu")(x)
    x = layers.SpatialDropout2D(0.1)(x)
    x = layers.GlobalAveragePooling2D(keepdims=True)(x)
    x = layers.Flatten()(layers.Dropout(0.1)(x))
    x = layers.Dense(20, activation="relu")(x)
    return keras.Model(image, layers.Dense(5, name="logits")(x), name="plain")


def segmenter(size=8):
    """A small U-Net whose output has the channels of the image, added to it."""
    image = keras.Input((size, size, 3))
    first = layers.Conv2D(8, 3, padding="same", activation="relu", name="first")(image)
    x = layers.MaxPooling2D()(first)
    x = layers.Conv2D(16, 3, padding="same", activation="relu", name="second")(x)
    up = layers.Conv2DTranspose(8, 2, strides=2, name="up")(x)
    other = layers.UpSampling2D(interpolation="bilinear")(x)
    x = layers.Concatenate()([first, up, other, image])
    x = layers.Conv2D(3, 3, padding="same", activation="tanh", name="residual")(x)
    mask = layers.Conv2D(1, 1, activation="sigmoid", name="mask")(x)
    return keras.Model(image, [layers.Add()([x, image]), mask])


def randomized(model, seed=0):
    """Gives all weights and statistics random values, so that nothing is hidden by zeros."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        if weight.name == "moving_variance":
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
        elif weight.name in ("bias", "beta", "moving_mean", "alpha"):
            weight.assign(rng.normal(size=weight.shape, scale=0.3))
    return model
