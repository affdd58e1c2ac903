"""Opens saved models to predict with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from keras_gcnn.data.folders.fitting import FITS, INTERPOLATIONS, Shape
from keras_gcnn.export import metadata
from keras_gcnn.training.predictions.batches import Run
from keras_gcnn.training.predictions.classes import Classifier
from keras_gcnn.training.predictions.masks import Segmenter

_PROBABILITIES = {"linear": False, "softmax": True, "sigmoid": True}  # by the last activation


def load_predictor(path: str | Path) -> Classifier | Segmenter:
    """Loads a `.keras` or an `.onnx` file with what it says of its classes and images.

    Raises:
        ValueError: if it is neither a classifier of images nor a network for masks, or of another
            format.
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
    scores = outputs[-1]
    least = {2: 2, 4: 1}.get(len(outputs))  # a map may have one score, that of the foreground
    fits = least is not None and isinstance(scores, int) and least <= scores
    if not fits or (len(outputs) == 4 and tuple(outputs[1:3]) != tuple(image[1:3])):
        raise ValueError(
            f"{path} has outputs of shape {outputs}; expected a score for each of several classes, "
            "or a map of scores that is as large as the image."
        )
    count = max(2, scores)
    names = tuple(map(str, known.get("classes", ())))
    if len(names) != count:
        names = tuple(map(str, range(count)))
    scale = float(known.get("scale", 1))
    if scale != 1:  # the file multiplies by it, and images are in [0, 1] here
        inner = run

        def run(images: np.ndarray) -> np.ndarray:
            return inner(images / np.float32(scale))

    probabilities = _PROBABILITIES.get(str(known.get("activation")))
    return (Classifier if len(outputs) == 2 else Segmenter)(run, shape, names, probabilities)


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
        if not isinstance(size, int):
            raise ValueError(f"{path} takes images of any size, and does not say which it is for.")
        sizes.append(size)
    fit, interpolation = known.get("fit"), known.get("interpolation")
    rows, columns = sizes
    return Shape(
        rows,
        columns,
        image[3],
        fit if fit in FITS else "crop",
        interpolation if interpolation in INTERPOLATIONS else "bilinear",
    )
