"""Random plain models, to be made equivariant: `python -m tests.helpers.random_plain 2000`."""

import sys
import warnings

import keras
import numpy as np
from keras import layers

import keras_gcnn
from tests.helpers.plain_models import randomized, squeeze_and_excite

TOLERANCE = 1e-4  # relative, in float32
GROUPS = ("p4", "p4m", "flip", "p2")


def normalized(x, rng):
    makers = [
        layers.BatchNormalization,
        layers.LayerNormalization,
        lambda: layers.GroupNormalization(int(rng.choice([1, 2, 4, -1]))),
        lambda: layers.PReLU(shared_axes=[[1, 2], None][rng.integers(2)]),
        lambda: layers.SpatialDropout2D(0.1),
        lambda: layers.Activation(str(rng.choice(["relu", "gelu", "softmax", "tanh"]))),
    ]
    return makers[rng.integers(len(makers))]()(x)


def windowed(x, rng):
    """A convolution or pooling with random settings."""
    channels = int(rng.choice([3, 4, 8, 12, 16]))
    size = int(rng.choice([1, 2, 3, 5]))
    window = {
        "strides": int(rng.choice([1, 1, 1, 2, 3])),
        "padding": str(rng.choice(["same", "valid"])),
    }
    dilated = {**window, "dilation_rate": 1 if window["strides"] > 1 else int(rng.choice([1, 2]))}
    kernel = (1, 3) if rng.random() < 0.1 else size
    makers = [
        lambda: layers.Conv2D(channels, kernel, use_bias=bool(rng.integers(2)), **dilated),
        lambda: layers.Conv2D(channels // 2 * 2, size, groups=2, **window),
        lambda: layers.DepthwiseConv2D(size, depth_multiplier=int(rng.choice([1, 2])), **window),
        lambda: layers.SeparableConv2D(channels, size, **window),
        lambda: layers.Conv2DTranspose(channels, size, **window),
        lambda: layers.MaxPooling2D(size, **window),
        lambda: layers.AveragePooling2D(size, **window),
        lambda: layers.Dense(channels, activation="relu"),
    ]
    return makers[rng.integers(len(makers))]()(x)


def reshaped(x, rng):
    pad = tuple(tuple(int(number) for number in rng.integers(0, 3, 2)) for _ in range(2))
    makers = [
        lambda: layers.ZeroPadding2D(pad),
        lambda: layers.Cropping2D(int(rng.integers(0, 2))),
        lambda: layers.UpSampling2D(interpolation=str(rng.choice(["nearest", "bilinear"]))),
    ]
    return makers[rng.integers(len(makers))]()(x)


def branched(x, rng):
    channels = x.shape[-1]
    makers = [
        lambda: squeeze_and_excite(x, channels),
        lambda: layers.Add()([x, layers.Conv2D(channels, 3, padding="same")(x)]),
        lambda: layers.Concatenate()([x, layers.Conv2D(8, 1)(x)]),
        lambda: x * layers.Conv2D(1, 1, activation="sigmoid")(x),
        lambda: keras.ops.maximum(x, layers.DepthwiseConv2D(3, padding="same")(x)),
        lambda: x * 0.5 + 1.0,
        lambda: x + keras.ops.mean(x, axis=(1, 2), keepdims=True),
    ]
    return makers[rng.integers(len(makers))]()


STEPS = (windowed, windowed, normalized, branched, reshaped)


def plain_model(seed):
    """A random model; its layers may be impossible to convert, but Keras builds it."""
    rng = np.random.default_rng(seed)
    size = int(rng.integers(7, 15))
    image = keras.Input((size, size, 3))
    x = image
    if rng.random() < 0.9:
        x = layers.Conv2D(8, 3, padding="same")(image)
    for _ in range(rng.integers(1, 7)):
        step = STEPS[rng.integers(len(STEPS))]
        try:
            found = step(x, rng)
        except (
            ValueError,
            ZeroDivisionError,
        ):  # Keras refuses it, e.g. for a map that is too small
            continue
        if min(found.shape[1:3]) >= 1 and max(found.shape[1:]) < 60:
            x = found
    end = rng.integers(4)
    if end == 1:
        x = layers.Dense(3)(layers.GlobalAveragePooling2D()(x))
    elif end == 2:
        x = layers.Dense(3)(layers.Dense(8, activation="relu")(layers.Flatten()(x)))
    elif end == 3:
        x = layers.Conv2D(2, 1)(x)
    return keras.Model(image, x)


def check(seed):
    """Returns `"exact"`, `"reported"` or `"refused"`; raises if a model is silently inexact."""
    plain = plain_model(seed)
    rng = np.random.default_rng(seed + 10**6)
    options = {
        "keep": str(rng.choice(["channels", "parameters", "fields"])),
        "downsampling": str(rng.choice(["stride", "exact"])),
    }
    group = str(rng.choice(GROUPS))
    try:
        network = keras_gcnn.convert(plain, group, **options)
    except ValueError as error:
        named = any(repr(operation.name) in str(error) for operation in plain.operations)
        if not named or "cannot be converted" not in str(error):
            raise AssertionError(f"seed {seed}: {error}") from error
        return "refused"
    report = randomized(network, seed).conversion
    if report.problems:
        return "reported"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        worst = max(report.errors().values())
    assert worst < TOLERANCE, f"seed {seed}: {worst:.1e} on {group} with {options}\n{report}"
    return "exact"


if __name__ == "__main__":
    counts = dict.fromkeys(("exact", "reported", "refused"), 0)
    failures = []
    for number in range(int(sys.argv[1])):
        try:
            counts[check(number)] += 1
        except Exception as error:
            failures.append(number)
            print(f"{number}: {type(error).__name__}: {error}"[:1500], flush=True)
    print(counts, "failures:", failures)
