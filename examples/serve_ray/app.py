"""An image classifier in ONNX behind HTTP: Ray Serve, ONNX Runtime, batches made of what arrives.

Needs nothing of keras_gcnn: the model is a file that `keras_gcnn.export.save` or the command
`keras-gcnn export` wrote. `serve.yaml` beside this file says which file, how many replicas, and
where to listen.

    GET  /health   "ok"
    GET  /         the classes and the size of the images
    POST /predict  {"images": [image, ...]}, an image as nested lists (rows, columns[, channels])
"""

import asyncio
import json
import math
from pathlib import Path

import numpy as np
import onnxruntime
from fastapi import FastAPI, HTTPException, Request
from ray import serve

# Ray sends the class to its processes as it is here: annotations are not postponed, and what it
# uses comes before it.

LARGEST_BODY = 4_000_000  # bytes
LONGEST_WAIT = 10  # seconds for a body
MOST_IMAGES = 256  # in one request
api = FastAPI(title="Image classifier")


async def _body(request: Request) -> bytes:
    """The body, unless it is too long, which is noticed before all of it is there."""
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
    """One replica: a session of ONNX Runtime, and a queue that becomes batches."""

    def __init__(self, model: str, threads: int = 1, pixels: tuple[float, float] = (0.0, 1.0)):
        path = Path(__file__).parent / model
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing. Write it with export_models.py.")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(path, options)
        entry = self.session.get_inputs()[0]
        self.name, self.shape = entry.name, tuple(entry.shape[1:])
        self.lowest, self.highest = pixels
        if entry.type != "tensor(float)" or not all(isinstance(one, int) for one in self.shape):
            raise ValueError(f"{path} takes {entry.type} of shape {self.shape}, not float images.")
        stored = self.session.get_modelmeta().custom_metadata_map
        self.classes = json.loads(stored.get("classes", "null"))

    def check_health(self) -> None:
        """Called by Ray Serve, which replaces a replica in which it fails."""
        self._logits(np.zeros((1, *self.shape), "float32"))

    def _logits(self, batch: np.ndarray) -> np.ndarray:
        return self.session.run(None, {self.name: batch})[0]

    @serve.batch(max_batch_size=64, batch_wait_timeout_s=0.002)
    async def classify(self, images: list[np.ndarray]) -> list[dict]:
        """One image in, one answer out; called with as many as wait."""
        return [self._answer(logits) for logits in self._logits(np.stack(images))]

    def _answer(self, logits: np.ndarray) -> dict:
        shifted = np.exp(logits - logits.max())
        best = int(logits.argmax())
        return {
            "class": self.classes[best] if self.classes else best,
            "index": best,
            "probability": float(shifted[best] / shifted.sum()),
            "logits": logits.tolist(),
        }

    @api.get("/health")
    async def health(self) -> str:
        """Whether the server answers."""
        return "ok"

    @api.get("/")
    async def about(self) -> dict:
        """What is served."""
        pixels = (self.lowest, self.highest)
        return {"classes": self.classes, "image": self.shape, "pixels": pixels}

    @api.post("/predict")
    async def predict(self, request: Request) -> dict:
        """Classifies images."""
        images = self._read(await _body(request))
        found = await asyncio.gather(*(self.classify(image) for image in images))
        return {"predictions": found}

    def _read(self, body: bytes) -> list[np.ndarray]:
        """The images of a request, or an error of the client's that says what is wrong."""
        try:
            content = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise HTTPException(400, f"The body is no JSON: {error}.") from error
        images = content.get("images") if isinstance(content, dict) else None
        if not isinstance(images, list) or not images:
            raise HTTPException(422, 'Send {"images": [image, ...]}, with one image or more.')
        if len(images) > MOST_IMAGES:
            raise HTTPException(413, f"{len(images)} images; send at most {MOST_IMAGES} at once.")
        return [self._image(image, number) for number, image in enumerate(images)]

    def _image(self, image: object, number: int) -> np.ndarray:
        try:
            array = np.array(image)
        except ValueError as error:
            raise HTTPException(422, f"Image {number} has rows of different lengths.") from error
        if array.dtype.kind not in "iuf":
            raise HTTPException(422, f"Image {number} is no nested list of numbers.")
        with np.errstate(over="ignore"):
            array = array.astype("float32")
        if array.shape == self.shape[:-1] and self.shape[-1] == 1:
            array = array[..., None]
        if array.shape != self.shape:
            raise HTTPException(
                422, f"Image {number} has the shape {array.shape}; the model takes {self.shape}."
            )
        if not np.isfinite(array).all():
            raise HTTPException(422, f"Image {number} holds NaN, infinity or too large a number.")
        if array.min() < self.lowest or array.max() > self.highest:
            raise HTTPException(
                422,
                f"Image {number} has pixels from {array.min():g} to {array.max():g}; the model "
                f"takes {self.lowest:g} to {self.highest:g}.",
            )
        return array


def build(arguments: dict) -> serve.Application:
    """What `serve.yaml` starts; its `args` are those of `Classifier`."""
    return Classifier.bind(**arguments)
