"""Opens saved models to predict with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from keras_gcnn.arguments import is_integer
from keras_gcnn.data.folders.fitting import FITS, INTERPOLATIONS, Shape
from keras_gcnn.export import metadata
from keras_gcnn.training.predictions.batches import Run
from keras_gcnn.training.predictions.classes import Classifier, makes_probabilities
from keras_gcnn.training.predictions.labels import Labeller
from keras_gcnn.training.predictions.masks import Segmenter
from keras_gcnn.training.predictions.numbers import Estimator
from keras_gcnn.untrusted.demand import LARGEST_IMAGE

_FLOAT32 = np.finfo("float32")
Predictor = Classifier | Labeller | Estimator | Segmenter


def load_predictor(path: str | Path) -> Predictor:
    """Loads a `.keras` or an `.onnx` file with what it says of its target, classes and images.

    Raises:
        ValueError: if its outputs are not those of a network for classes, labels, a number or
            masks, if it states an impossible size or scale, or if it is of another format.
    """
    path = Path(path)
    if path.suffix not in (".keras", ".onnx"):
        raise ValueError(f"{path}: expected a .keras or an .onnx file.")
    if not path.is_file():
        raise ValueError(f"{path} does not exist.")
    known = metadata.read(path)
    if path.suffix == ".onnx":
        run, image, outputs = _open_onnx(path)
    else:
        run, image, outputs, known["activation"] = _open_keras(path)
    shape = _shape(path, image, known.get("images", {}))
    scale = known.get("scale", 1)
    if not float(_FLOAT32.tiny) <= scale <= float(_FLOAT32.max):
        raise ValueError(
            f"{path} says that it multiplies its inputs by {scale}, which has to be a number above "
            "zero that float32 holds. Export the model again."
        )
    if scale != 1:  # the file multiplies by it, and images are in [0, 1] here
        inner = run

        def run(images: np.ndarray) -> np.ndarray:
            return inner(images / np.float32(scale))

    return _predictor(path, run, shape, image, outputs, known)


def _predictor(
    path: Path, run: Run, shape: Shape, image: tuple, outputs: tuple, known: dict[str, Any]
) -> Predictor:
    """Returns what runs a model for its target, which only files of labels and numbers name."""
    target, scores = known.get("target"), outputs[-1]
    is_vector = len(outputs) == 2 and isinstance(scores, int)
    probabilities = makes_probabilities(known.get("activation"))
    if target == "number":
        if not is_vector or scores != 1:
            raise ValueError(
                f"{path} has outputs of shape {outputs}; expected a single number, since it says "
                "that it predicts numbers."
            )
        return Estimator(run, shape)
    if target == "labels":
        if not is_vector:
            raise ValueError(
                f"{path} has outputs of shape {outputs}; expected a score for each label, since it "
                "says that it predicts labels."
            )
        return Labeller(run, shape, _names(known, scores), probabilities)
    is_map = len(outputs) == 4 and isinstance(scores, int)
    if is_vector and scores > 1:
        return Classifier(run, shape, _names(known, scores), probabilities)
    if is_map and tuple(outputs[1:3]) == tuple(image[1:3]):
        return Segmenter(run, shape, _names(known, max(2, scores)), probabilities)
    raise ValueError(
        f"{path} has outputs of shape {outputs}; expected a score for each of several classes, "
        "or a map of scores that is as large as the image."
    )


def _names(known: dict[str, Any], count: int) -> tuple[str, ...]:
    """Returns the names of classes, or their numbers if there are not as many names."""
    names = tuple(map(str, known.get("classes", ())))
    return names if len(names) == count else tuple(map(str, range(count)))


def _open_keras(path: Path) -> tuple[Run, tuple, tuple, str | None]:
    from keras_gcnn.export import load

    model = load(path)
    try:
        (image,), (scores,) = model.inputs, model.outputs
    except (AttributeError, TypeError, ValueError):
        raise ValueError(f"{path} has to have one image as input and one output.") from None
    activation = metadata.activation_of(model)
    return model.predict_on_batch, tuple(image.shape), tuple(scores.shape), activation


def _open_onnx(path: Path) -> tuple[Run, tuple, tuple]:
    try:
        import onnxruntime
    except ImportError:
        raise ImportError("ONNX files need onnxruntime: pip install onnxruntime.") from None
    try:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        (image,), (scores,) = session.get_inputs(), session.get_outputs()
    except Exception as error:  # of several classes
        raise ValueError(f"{path} cannot be loaded: {error}") from None

    def run(images: np.ndarray) -> np.ndarray:
        return session.run(None, {image.name: images})[0]

    return run, tuple(image.shape), tuple(scores.shape)


def _shape(path: Path, image: tuple, known: dict[str, Any]) -> Shape:
    """Returns how images are prepared, from the model's input and the metadata."""
    if len(image) != 4 or image[3] not in (1, 3):
        raise ValueError(
            f"{path} has an input of shape {image}; expected (batch, rows, columns, 1 or 3)."
        )
    sizes = []
    for name, given in (("rows", image[1]), ("columns", image[2])):
        size = given if isinstance(given, int) else known.get(name)
        if not is_integer(size):
            raise ValueError(f"{path} takes images of any size, and does not say which it is for.")
        sizes.append(size)
    fit, interpolation = known.get("fit"), known.get("interpolation")
    rows, columns = sizes
    if min(sizes) < 1 or rows * columns * image[3] > LARGEST_IMAGE:
        raise ValueError(
            f"{path} is for images of {rows} rows and {columns} columns; expected at least 1 of "
            f"each, and at most {LARGEST_IMAGE} numbers in an image. Export the model again."
        )
    return Shape(
        rows,
        columns,
        image[3],
        fit if fit in FITS else "crop",
        interpolation if interpolation in INTERPOLATIONS else "bilinear",
    )
