import shutil

import pytest

from keras_gcnn.tuning import load_search, search

SEARCH = """\
title = "Small"
seed = 3

[data]
name = "digits"
validation = 30
subset = 40
test_subset = 20

[training]
epochs = 1
batch_size = 20

[search]
builder = "lenet"
parameters = 20_000
groups = ["z2", "p4"]
tuner = "random"
trials = 2

[search.space]
optimizer = "adamw"
convolution = "full"
head = "invariant"
restrict_after = "never"
taper = 1.0
learning_rate = { min = 1e-3, max = 1e-2 }
weight_decay = [0.01, 0.1]
"""


@pytest.fixture
def search_file(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(SEARCH)
    return path


@pytest.fixture(scope="session")
def searched(tmp_path_factory):
    folder = tmp_path_factory.mktemp("searched")
    path = folder / "small.toml"
    path.write_text(SEARCH)
    return folder / "run", search(load_search(path), folder / "run")


@pytest.fixture
def finished(searched, tmp_path):
    """The folder of a finished search, which is a copy for each test, and its rows."""
    folder, rows = searched
    return shutil.copytree(folder, tmp_path / "finished"), rows


@pytest.fixture
def change(search_file):
    """Replaces parts of the recipe's text, each of which has to be there."""

    def changed(*pairs):
        text = search_file.read_text()
        for old, new in pairs:
            assert old in text
            text = text.replace(old, new)
        search_file.write_text(text)
        return search_file

    return changed
