"""What `examples/serve_ray` does with bodies and unanswered requests, without a server."""

import asyncio
import io
import json
import re
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.backend_free
EXAMPLE = Path(__file__).parents[1] / "examples" / "serve_ray"


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@pytest.fixture
def example(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLE)


HEADER = b"{'descr': %s, 'fortran_order': False, 'shape': %s}\n"


def with_header(dtype, shape, numbers=b""):
    header = HEADER % (dtype, shape)
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + numbers


ARRAYS = [
    (with_header(b"'<f4'", b"(10000000000, 28, 28)"), 400, "has not the length"),
    (with_header(b"'<f4'", b"(-1, -28, 28)", bytes(784 * 4)), 400, "has not the length"),
    (with_header(b"'|O'", b"(1, 28, 28)", bytes(784 * 8)), 422, "array of numbers"),
    (with_header(b"'<f4'", b"(784,)", bytes(784 * 4)), 422, "of the shape (images, 28, 28, 1)"),
    (with_header(b"'<f4'", b"(0, 28, 28)"), 422, "one image or more"),
    (with_header(b"'<f4'", b"(1, 28, 28)" + b" " * 2000, bytes(784 * 4)), 400, "no .npy file"),
    (b"\x93NUMPY\x02\x00", 400, "version 1.0"),
    (b"\x93NUMPY", 400, "no .npy file"),
    (npy(np.zeros((300, 28, 28), "uint8")), 413, "at most 256"),
    (npy(np.full((1, 28, 28), 255, "uint8")), 422, "pixels from 255 to 255"),
    (npy(np.zeros((28, 28, 28, 28))[:1, :, :, :1].copy()[..., None]), 422, "of the shape"),
    (npy(np.asfortranarray(np.zeros((2, 28, 28)))), 422, "in C order"),
]


@pytest.mark.parametrize(("body", "status", "message"), ARRAYS)
def test_arrays_that_are_no_images(example, body, status, message):
    from reading import ClientError, read_images

    with pytest.raises(ClientError, match=re.escape(message)) as caught:
        read_images(body, (28, 28, 1), (0, 1))
    assert caught.value.status == status


@pytest.mark.parametrize("part", [b"[]", b"0", b"{}", b"[[0]]"])
def test_bodies_of_many_parts_are_refused_before_they_are_parsed(example, part):
    from reading import ClientError, read_images

    body = b'{"images": [' + b",".join([part] * (3_900_000 // (len(part) + 1))) + b"]}"
    tracemalloc.start()
    try:
        with pytest.raises(ClientError, match="at most 256"):
            read_images(body, (28, 28, 1), (0, 1))
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("nested", [False, True])
def test_as_many_images_as_are_allowed_are_read(example, nested):
    from reading import MOST_IMAGES, read_images

    images = np.zeros((MOST_IMAGES, 28, 28, 1) if nested else (MOST_IMAGES, 28, 28))
    body = json.dumps({"images": images.tolist()}).encode()
    assert len(read_images(body, (28, 28, 1), (0, 1))) == MOST_IMAGES


async def exchange(answers, messages=({"type": "http.request", "body": b"x" * 10},)):
    """What a client receives from `RetryOnce`, and the bodies that reached the server.

    `answers` has the status of each of the server's calls, or None for none.
    """
    from retry import RetryOnce

    bodies, sent, waiting = [], [], list(messages)

    async def server(scope, receive, send):
        bodies.append((await receive()).get("body"))
        status = answers[len(bodies) - 1]
        if status is not None:
            await send({"type": "http.response.start", "status": status})

    async def receive():
        return waiting.pop(0)

    async def send(message):
        sent.append(message)

    await RetryOnce(server)({"type": "http"}, receive, send)
    return [one["status"] for one in sent if "status" in one], bodies, sent


def test_a_request_is_sent_again_once(example):
    pytest.importorskip("starlette")
    body = b"x" * 10
    assert asyncio.run(exchange([200]))[:2] == ([200], [body])
    assert asyncio.run(exchange([500]))[:2] == ([500], [body])  # an answer of the application
    assert asyncio.run(exchange([None, 200]))[:2] == ([200], [body, body])
    statuses, bodies, sent = asyncio.run(exchange([None, None]))
    assert (statuses, bodies) == ([503], [body, body])
    assert (b"retry-after", b"1") in sent[0]["headers"]
    long = {"type": "http.request", "body": bytes(4_000_001)}
    assert asyncio.run(exchange([None], [long]))[0] == [503]
    assert len(asyncio.run(exchange([None], [{"type": "http.disconnect"}]))[1]) == 1
