"""Predicts the classes of image files with a saved model."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from keras_gcnn.data.folders.cache import Progress, in_threads, silent
from keras_gcnn.data.folders.decoding import BadImageError, decode, is_image
from keras_gcnn.data.folders.fitting import FITS, INTERPOLATIONS, Shape, as_type, fit_image
from keras_gcnn.export import metadata

Run = Callable[[np.ndarray], np.ndarray]
_BATCH = 64


@dataclass(frozen=True)
class Prediction:
    """What a model says of an image.

    Args:
        path: of the image.
        probabilities: of the classes, float64; None for an image that cannot be read.
        reason: why it cannot be read, or "".
    """

    path: Path
    probabilities: np.ndarray | None
    reason: str = ""


@dataclass(frozen=True)
class Classifier:
    """A saved classifier and how its images are prepared.

    Args:
        run: from a batch of images to scores.
        shape: to which images are brought.
        classes: their names.
    """

    run: Run
    shape: Shape
    classes: tuple[str, ...]

    def predict(self, paths: Sequence[Path], progress: Progress = silent) -> Iterator[Prediction]:
        """Yields a prediction for each file, in their order.

        Args:
            paths: of image files.
            progress: shows progress.
        """
        waiting: list[tuple[Path, np.ndarray | str]] = []
        images = in_threads(self._prepare, paths)
        for path, image in zip(paths, progress(images, "predicting", len(paths)), strict=True):
            waiting.append((path, image))
            if len(waiting) == _BATCH:
                yield from self._finish(waiting)
                waiting = []
        yield from self._finish(waiting)

    def _prepare(self, path: Path) -> np.ndarray | str:
        try:
            return as_type(fit_image(decode(path), self.shape), "float32")
        except BadImageError as error:
            return str(error)

    def _finish(self, waiting: list[tuple[Path, np.ndarray | str]]) -> Iterator[Prediction]:
        images = [image for _, image in waiting if not isinstance(image, str)]
        found = iter(as_probabilities(self.run(np.stack(images))) if images else ())
        for path, image in waiting:
            if isinstance(image, str):
                yield Prediction(path, None, image)
            else:
                yield Prediction(path, next(found))


def as_probabilities(scores: np.ndarray) -> np.ndarray:
    """Returns probabilities from logits; what are probabilities already stays as it is.

    Example:

    >>> as_probabilities(np.array([[0.0, 0.0], [0.0, np.log(3)]])).round(2).tolist()
    [[0.5, 0.5], [0.25, 0.75]]
    """
    scores = np.asarray(scores, "float64")
    sums = scores.sum(axis=-1)
    if scores.min() >= 0 and np.allclose(sums, 1, atol=1e-4):
        return scores
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def load_classifier(path: str | Path) -> Classifier:
    """Loads a `.keras` or an `.onnx` file with what it says of its classes and images.

    Raises:
        ValueError: if it is no classifier of images, or of another format.
    """
    path = Path(path)
    if path.suffix not in (".keras", ".onnx"):
        raise ValueError(f"{path}: expected a .keras or an .onnx file.")
    if not path.is_file():
        raise ValueError(f"{path} does not exist.")
    run, image, outputs = (_open_onnx if path.suffix == ".onnx" else _open_keras)(path)
    known = metadata.read(path)
    shape = _shape(path, image, known.get("images", {}))
    if len(outputs) != 2 or not isinstance(outputs[1], int) or outputs[1] < 2:
        raise ValueError(
            f"{path} has outputs of shape {outputs}; expected a score for each of several classes."
        )
    names = tuple(map(str, known.get("classes", ())))
    if len(names) != outputs[1]:
        names = tuple(map(str, range(outputs[1])))
    scale = float(known.get("scale", 1))
    if scale != 1:  # the file multiplies by it, and images are in [0, 1] here
        inner = run

        def run(images: np.ndarray) -> np.ndarray:
            return inner(images / np.float32(scale))

    return Classifier(run, shape, names)


def _open_keras(path: Path) -> tuple[Run, tuple, tuple]:
    from keras_gcnn.export import load

    model = load(path)
    try:
        (image,), (scores,) = model.inputs, model.outputs
    except (AttributeError, TypeError, ValueError):
        raise ValueError(f"{path} has to have one image as input and one output.") from None
    return model.predict_on_batch, tuple(image.shape), tuple(scores.shape)


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


def find_images(paths: Iterable[str | Path]) -> list[Path]:
    """Returns image files, and those in folders.

    Raises:
        ValueError: if a path does not exist, or there is no image.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            found += sorted(each for each in path.rglob("*") if each.is_file() and is_image(each))
        elif path.exists():
            found.append(path)
        else:
            raise ValueError(f"{path} does not exist. Name image files, or folders of them.")
    if not found:
        raise ValueError("There is no image in what was named.")
    return found


def as_csv(predictions: Iterable[Prediction], classes: Sequence[str], all_classes: bool) -> str:
    """Returns a table of predictions.

    Args:
        predictions: of image files.
        classes: their names.
        all_classes: whether there is a column of probabilities for each class.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    names = [f"probability of {name}" for name in classes] if all_classes else []
    writer.writerow(["file", "class", "probability", *names, "problem"])
    for each in predictions:
        if each.probabilities is None:
            writer.writerow([each.path, "", "", *[""] * len(names), each.reason])
            continue
        best = int(np.argmax(each.probabilities))
        numbers = [f"{value:.6f}" for value in each.probabilities] if all_classes else []
        row = [each.path, classes[best], f"{each.probabilities[best]:.6f}", *numbers, ""]
        writer.writerow(row)
    return text.getvalue()
