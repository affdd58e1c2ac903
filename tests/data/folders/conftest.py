"""Small folders of images."""

import zlib

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def write(tmp_path):
    """Writes an image of random pixels, the same ones for the same name."""

    def write(name, shape=(8, 8, 3), dtype="uint8", **options):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        most = np.iinfo(dtype).max
        pixels = np.random.default_rng(zlib.crc32(name.encode())).integers(
            0, most, shape, dtype, endpoint=True
        )
        Image.fromarray(pixels).save(path, **options)
        return pixels

    return write


@pytest.fixture
def pets(write, tmp_path):
    """A folder with ten cats and ten dogs."""
    for name in ("cat", "dog"):
        for number in range(10):
            write(f"pets/{name}/{number}.png")
    return tmp_path / "pets"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_GCNN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"
