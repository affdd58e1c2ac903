"""One architecture of `keras.applications`, converted and measured under the backend in use."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

# Each with a size that all its windows fit.
NETWORKS = {
    "ConvNeXtTiny": 32,
    "DenseNet121": 61,
    "EfficientNetB0": 33,
    "EfficientNetV2B0": 33,
    "InceptionResNetV2": 75,
    "InceptionV3": 75,
    "MobileNet": 33,
    "MobileNetV2": 33,
    "MobileNetV3Small": 33,
    "NASNetMobile": 35,
    "ResNet50": 33,
    "ResNet50V2": 33,
    "VGG16": 32,
    "Xception": 71,
}
EXACT_SIZE = 96  # with exact downsampling
MOST = 10e9  # multiply-adds of one image; networks that need more are left out
MOST_WEIGHTS = 100e6  # trained kernels are expanded for all elements, which takes the memory
CLASSES, BATCH, STEPS = 10, 2, 5
# Of Adam, by `keep`: what makes a network wider needs smaller steps.
RATES = {"channels": 1e-3, "parameters": 1e-4, "fields": 1e-4}
DIFFERENCES = ("error", "loaded elsewhere", "ONNX", "to_plain")  # at best the rounding


def measure(name: str, keep: str, group: str, folder: str) -> list[dict[str, Any]]:
    """Converts one architecture at both sizes, saves the networks, and returns the rows."""
    random.seed(0)  # Keras takes its seeds from it
    rows = []
    for downsampling, size in (("stride", NETWORKS[name]), ("exact", EXACT_SIZE)):
        place = Path(folder, downsampling)
        place.mkdir()
        row = {"size": size, "downsampling": downsampling}
        rows.append(row | _measured(name, size, keep, downsampling, group, place))
    return rows


def _measured(
    name: str, size: int, keep: str, downsampling: str, group: str, folder: Path
) -> dict[str, Any]:
    import keras
    import numpy as np

    import keras_gcnn

    began = time.perf_counter()
    plain = getattr(keras.applications, name)(
        weights=None, input_shape=(size, size, 3), classes=CLASSES, classifier_activation=None
    )
    built = time.perf_counter() - began
    began = time.perf_counter()
    network = keras_gcnn.convert(plain, group, keep=keep, downsampling=downsampling)
    converted = time.perf_counter() - began
    lines = network.conversion.lines
    row = {
        "parameters": plain.count_params(),
        "converted": network.count_params(),
        "multiply-adds": sum(line.multiply_adds[0] or 0 for line in lines),
        "of the converted": sum(line.multiply_adds[1] or 0 for line in lines),
        "not exact": len(network.conversion.problems),
        **dict.fromkeys(["images differ", *DIFFERENCES, "loss falls", "left out"], ""),
        "build, s": round(built, 1),
        "convert, s": round(converted, 1),
    }
    if row["of the converted"] > MOST:
        return row | {"left out": f"more than {MOST:.0e} multiply-adds"}
    if row["converted"] > MOST_WEIGHTS:
        return row | {"left out": f"more than {MOST_WEIGHTS:.0e} parameters"}
    first = network.get_weights()
    rng = np.random.default_rng(0)
    images = _images(plain, rng, 2)
    _randomize(network, images, rng)
    row["images differ"] = f"{_save(network, images, folder):.0e}"
    errors = keras_gcnn.analysis.equivariance_error(
        network, group, inputs=images, output_type="trivial"
    )
    row["error"] = f"{max(errors.values()):.0e}"
    row["ONNX"] = _rounded(lambda: _onnx(network, folder))
    row["to_plain"] = _rounded(lambda: _plain(network, folder))
    network.set_weights(first)
    row["loss falls"] = _trained(network, _images(plain, rng, BATCH), RATES[keep])
    return row


def _randomize(network, images, rng) -> None:
    """Gives scales, offsets and statistics random values, near those that the images have.

    With statistics that do not fit, numbers fade from layer to layer, and the outputs would be
    equal for all images.
    """
    for weight in network.weights:
        if weight.name == "gamma":
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
        elif weight.name in ("bias", "beta"):
            weight.assign(rng.normal(size=weight.shape, scale=0.1))
    normalizations = [layer for layer in network.layers if hasattr(layer, "moving_variance")]
    momenta = [layer.momentum for layer in normalizations]
    for layer in normalizations:
        layer.momentum = 0.0
    network(images, training=True)
    for layer, momentum in zip(normalizations, momenta, strict=True):
        layer.momentum = momentum
        mean, variance = layer.moving_mean, layer.moving_variance
        mean.assign(mean + 0.1 * variance**0.5 * rng.normal(size=mean.shape).astype("float32"))
        # The mean of their inverses is about 1, so that numbers do not grow from layer to layer.
        variance.assign(variance * rng.uniform(0.6, 1.6, mean.shape).astype("float32"))


def _images(plain, rng, number: int):
    """Images of large random spots, with the range of numbers that the network reads."""
    import keras
    import numpy as np

    size = plain.input_shape[1]
    spots = np.kron(rng.uniform(size=(number, 4, 4, 3)), np.ones((1, 32, 32, 1)))[:, :size, :size]
    images = (spots + rng.uniform(size=(number, size, size, 3))) / 2
    scaling = (keras.layers.Rescaling, keras.layers.Normalization)
    is_scaled = any(isinstance(layer, scaling) for layer in plain.layers)
    return (images * 255 if is_scaled else images).astype("float32")


def _rounded(measured: Callable[[], float]) -> str:
    """A difference with one digit, or the reason why there is none."""
    try:
        return f"{measured():.0e}"
    except (ValueError, ImportError) as error:
        return str(error).splitlines()[0]


def _save(network, images, folder: Path) -> float:
    """Saves two images with their outputs; returns the difference of these as the others do."""
    import keras
    import numpy as np

    network.save(folder / "network.keras")
    outputs = keras.ops.convert_to_numpy(network(images, training=False))
    np.savez(folder / "outputs.npz", images=images, outputs=outputs)
    return float(np.abs(outputs[0] - outputs[1]).max() / np.abs(outputs).max())


def _difference(call: Callable, folder: Path) -> float:
    """The largest difference from the saved outputs, relative to the largest of them."""
    import keras
    import numpy as np

    with np.load(folder / "outputs.npz") as saved:
        images, expected = saved["images"], saved["outputs"]
    outputs = keras.ops.convert_to_numpy(call(images))
    return float(np.abs(outputs - expected).max() / np.abs(expected).max())


def _onnx(network, folder: Path) -> float:
    import onnxruntime

    from keras_gcnn import export

    session = onnxruntime.InferenceSession(export.save(network, folder / "network.onnx"))
    (entry,) = session.get_inputs()
    return _difference(lambda images: session.run(None, {entry.name: images})[0], folder)


def _plain(network, folder: Path) -> float:
    from keras_gcnn import export

    plain = export.to_plain(network)
    foreign = {type(layer) for layer in plain.layers if not _is_stock(layer)}
    if foreign:
        raise ValueError(f"holds {foreign}, which is not of Keras")
    return _difference(plain, folder)


def _is_stock(layer) -> bool:
    return type(layer).__module__.split(".")[0] == "keras"


def _trained(network, images, rate: float) -> str:
    """Whether the loss of a batch falls below the first within some steps, drop-out or not."""
    import keras
    import numpy as np

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(keras.optimizers.Adam(rate), loss, jit_compile=False)
    labels = np.arange(BATCH) % CLASSES
    losses = [float(network.train_on_batch(images, labels)) for _ in range(STEPS + 1)]
    return "yes" if min(losses[1:]) < losses[0] else f"no: {losses[0]:.2f} to {min(losses[1:]):.2f}"


def load(folder: str) -> dict[str, str]:
    """Loads what another backend saved, and returns the differences of the outputs."""
    import keras

    import keras_gcnn.layers  # noqa: F401 - registers the layers

    return {
        path.parent.name: _rounded(
            partial(_difference, keras.saving.load_model(path, compile=False), path.parent)
        )
        for path in Path(folder).glob("*/network.keras")
    }
