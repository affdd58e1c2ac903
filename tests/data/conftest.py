import functools
import os
from pathlib import Path

import pytest

from keras_gcnn.data import tfds as prepared

_read_split = prepared._read_split
_keep_split = prepared.keep_split


@pytest.fixture
def tfds_dir():
    """Call it with the data sets a test needs: the directory where they are prepared, or a skip."""
    default = Path(__file__).parents[2].parent / "shared" / "tfds"
    directory = Path(os.environ.get("TFDS_DATA_DIR") or default)

    def require(*names):
        pytest.importorskip("tensorflow_datasets")
        missing = [name for name in names if not list(directory.glob(f"{name}/*/features.json"))]
        if missing:
            pytest.skip(f"{', '.join(missing)} not prepared; set TFDS_DATA_DIR")
        return directory

    return require


@pytest.fixture(scope="module")
def read_once():
    """Every split of the prepared data sets is decoded once, for all tests of a file."""
    decoded = {}

    @functools.wraps(_read_split)
    def read(tfds, builder, entry, split):
        key = (builder.data_path, entry.tfds_name, split)
        if key not in decoded:
            decoded[key] = _read_split(tfds, builder, entry, split)
            for part in decoded[key]:
                part.flags.writeable = False
        return decoded[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prepared, "_read_split", read)
        yield


@pytest.fixture
def read_few(monkeypatch):
    """Only the first 20 images of every split are decoded."""
    monkeypatch.setattr(
        prepared,
        "_read_split",
        lambda tfds, builder, entry, split: _read_split(tfds, builder, entry, f"{split}[:20]"),
    )
    monkeypatch.setattr(
        prepared,
        "keep_split",
        lambda tfds, builder, split, **options: _keep_split(
            tfds, builder, f"{split}[:20]", **options
        ),
    )
