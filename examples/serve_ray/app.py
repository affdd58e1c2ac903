"""An image classifier in ONNX behind HTTP: Ray Serve, ONNX Runtime, dynamic batches.

It does not need keras_gcnn: the model is a file that `keras_gcnn.export.save` or the command
`keras-gcnn export` wrote. `serve.yaml` beside this file names the file, the number of replicas and
the address.

    GET  /health   "ok"
    GET  /         the classes and the size of the images
    POST /predict  {"images": [image, ...]}, an image as nested lists (rows, columns[, channels]),
                   or an array (images, rows, columns[, channels]) as numpy.save writes it
"""

import asyncio
import json
import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
from fastapi import FastAPI, HTTPException, Request
from ray import serve
from reading import ClientError, read_images

# Ray pickles the class for its processes, so annotations are not postponed, and everything that the
# class uses is defined before it.

LARGEST_BODY = 4_000_000  # bytes
LONGEST_WAIT = 10  # seconds for a body
api = FastAPI(title="Image classifier")


async def _body(request: Request) -> bytes:
    """The body; one that is too long is refused before all of it has arrived."""
    too_slow = HTTPException(408, f"The body has not arrived within {LONGEST_WAIT} seconds.")
    try:
        announced = float(request.headers.get("content-length", 0))
    except ValueError:
        announced = math.nan
    received, size = [], 0
    too_long = HTTPException(413, f"The body is too long; send at most {LARGEST_BODY} bytes.")
    if announced > LARGEST_BODY:
        raise too_long
    try:
        async with asyncio.timeout(LONGEST_WAIT):
            async for part in request.stream():
                size += len(part)
                if size > LARGEST_BODY:
                    raise too_long
                received.append(part)
    except TimeoutError as error:
        raise too_slow from error
    return b"".join(received)


@serve.deployment(max_ongoing_requests=256, health_check_period_s=5)
@serve.ingress(api)
class Classifier:
    """One replica: a session of ONNX Runtime, and a queue that is turned into batches."""

    def __init__(self, model: str, threads: int = 1, pixels: tuple[float, float] = (0.0, 1.0)):
        path = Path(__file__).parent / model
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing. Write it with export_models.py.")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(path, options)
        entry = self.session.get_inputs()[0]
        self.name, self.shape = entry.name, tuple(entry.shape[1:])
        self.pixels = pixels
        # Bodies are read one after the other, outside the loop that answers.
        self.reader = ThreadPoolExecutor(1)
        if entry.type != "tensor(float)" or not all(isinstance(size, int) for size in self.shape):
            raise ValueError(f"{path} takes {entry.type} of shape {self.shape}, not float images.")
        stored = self.session.get_modelmeta().custom_metadata_map
        if stored.get("target") in ("labels", "number"):
            raise ValueError(
                f"{path} predicts {stored['target']}, and this server names one class."
            )
        outputs = [tuple(output.shape) for output in self.session.get_outputs()]
        scores = outputs[0][-1] if len(outputs) == 1 and len(outputs[0]) == 2 else None
        if not isinstance(scores, int) or scores < 2:
            raise ValueError(
                f"{path} has outputs of the shapes {outputs}, and this server names one of several "
                "classes. Give it a model with one output of the shape (images, classes)."
            )
        self.classes = json.loads(stored.get("classes", "null"))
        # A second softmax would make other numbers of probabilities.
        self.makes_probabilities = stored.get("activation") in ("softmax", "sigmoid")

    def check_health(self) -> None:
        """Called by Ray Serve, which replaces the replica if this fails."""
        self._logits(np.zeros((1, *self.shape), "float32"))

    def _logits(self, batch: np.ndarray) -> np.ndarray:
        return self.session.run(None, {self.name: batch})[0]

    @serve.batch(max_batch_size=64, batch_wait_timeout_s=0.002)
    async def classify(self, images: list[np.ndarray]) -> list[dict]:
        """Answers each image; Ray Serve calls it with all images that are waiting."""
        return [self._answer(logits) for logits in self._logits(np.stack(images))]

    def _answer(self, logits: np.ndarray) -> dict:
        probabilities = logits
        if not self.makes_probabilities:
            shifted = np.exp(logits - logits.max())
            probabilities = shifted / shifted.sum()
        best = int(logits.argmax())
        return {
            "class": self.classes[best] if self.classes else best,
            "index": best,
            "probability": float(probabilities[best]),
            "logits": logits.tolist(),
        }

    @api.get("/health")
    async def health(self) -> str:
        """Whether the server answers."""
        return "ok"

    @api.get("/")
    async def about(self) -> dict:
        """The classes, and the shape and range of images."""
        return {"classes": self.classes, "image": self.shape, "pixels": self.pixels}

    @api.post("/predict")
    async def predict(self, request: Request) -> dict:
        """Classifies images."""
        body = await _body(request)
        loop = asyncio.get_running_loop()
        try:
            images = await loop.run_in_executor(
                self.reader, read_images, body, self.shape, self.pixels
            )
        except ClientError as error:
            raise HTTPException(error.status, error.reason) from error
        predictions = await asyncio.gather(*(self.classify(image) for image in images))
        return {"predictions": predictions}


def build(arguments: dict) -> serve.Application:
    """The application that `serve.yaml` starts; its `args` are the arguments of `Classifier`."""
    return Classifier.bind(**arguments)
