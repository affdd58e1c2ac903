"""Measures how many requests a running server answers per second, and how fast.

python load.py http://127.0.0.1:8000/p4 http://127.0.0.1:8000/plain --seconds 10
"""

from __future__ import annotations

import argparse
import http.client
import io
import json
import statistics
import threading
import time
from urllib.parse import urlsplit

import numpy as np


def digit(rows: int, columns: int) -> list[list[float]]:
    """A vertical line; the content of the image does not matter for the time."""
    return [[float(abs(x - columns // 2) < 2) for x in range(columns)] for _ in range(rows)]


def body_of(image: list[list[float]], images: int, npy: bool) -> bytes:
    """The same image several times, as JSON or as .npy of 8-bit pixels."""
    if not npy:
        return json.dumps({"images": [image] * images}).encode()
    file = io.BytesIO()
    np.save(file, np.array([image] * images, "uint8"))
    return file.getvalue()


def send(url: str, until: float, body: bytes, times: list[float]) -> None:
    """Sends requests one after the other and notes the seconds of each."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=30)
    while time.perf_counter() < until:
        start = time.perf_counter()
        connection.request("POST", parts.path + "/predict", body)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{url} answered {answer.status}: {text.decode()}")
        times.append(time.perf_counter() - start)


def measure(
    url: str, seconds: float, clients: int, images: int, npy: bool = False
) -> dict[str, float]:
    """Requests a second, and the median and 99th percentile of their milliseconds."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=30)
    connection.request("GET", parts.path + "/")
    rows, columns, _ = json.loads(connection.getresponse().read())["image"]
    body = body_of(digit(rows, columns), images, npy)
    times: list[float] = []
    send(url, time.perf_counter() + 1, body, [])  # warm-up
    until = time.perf_counter() + seconds
    threads = [
        threading.Thread(target=send, args=(url, until, body, times)) for _ in range(clients)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(times) < 100:
        raise SystemExit(f"{url} answered {len(times)} requests, too few to say anything.")
    cuts = statistics.quantiles(times, n=100)
    return {
        "requests/s": round(len(times) / seconds, 1),
        "images/s": round(images * len(times) / seconds, 1),
        "p50, ms": round(1000 * cuts[49], 2),
        "p99, ms": round(1000 * cuts[98], 2),
    }


def main() -> None:
    """Prints one row per server."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("urls", nargs="+")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--clients", type=int, default=8, help="at the same time")
    parser.add_argument("--images", type=int, default=1, help="in each request")
    parser.add_argument("--npy", action="store_true", help="send .npy instead of JSON")
    options = parser.parse_args()
    for number, url in enumerate(options.urls):
        try:
            measured = measure(url, options.seconds, options.clients, options.images, options.npy)
        except (OSError, http.client.HTTPException, KeyError, ValueError) as error:
            raise SystemExit(f"No classifier answers at {url} ({error}). Is it served?") from None
        if not number:
            print("| server | " + " | ".join(measured) + " |")
            print("|" + "---|" * (len(measured) + 1))
        print(f"| {url} | " + " | ".join(map(str, measured.values())) + " |", flush=True)


if __name__ == "__main__":
    main()
