import os
from pathlib import Path

import pytest


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
