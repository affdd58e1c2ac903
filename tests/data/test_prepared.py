"""Reading TFDS' files: small ones that are written here."""

import builtins
import functools
import socket
import sys

import numpy as np
import pytest

from keras_gcnn import data
from keras_gcnn.data import tfds as prepared
from keras_gcnn.data.catalogue import CATALOGUE
from tests.helpers.prepared import prepare as write_prepared
from tests.helpers.prepared import random_images

pytestmark = pytest.mark.backend_free


@pytest.fixture
def prepare(tmp_path):
    """Writes a data set in TFDS' format and returns the directory."""
    return functools.partial(write_prepared, tmp_path)


def test_letters_are_upright_and_labelled_from_zero(prepare):
    train, test = random_images(26, "emnist/letters"), random_images(3, "emnist/letters", 1)
    splits = {"train": (train, np.arange(1, 27)), "test": (test, np.array([1, 26, 2]))}
    directory = prepare("emnist/letters", splits)
    loaded = data.load("emnist/letters", validation=0, data_dir=directory)
    assert np.array_equal(loaded.train.images, train.swapaxes(1, 2) / np.float32(255))
    assert loaded.train.labels.tolist() == list(range(26))
    assert [loaded.classes[label] for label in loaded.test.labels] == ["A", "Z", "B"]
    assert "26 training and 3 test images, as published" in loaded.description
    assert "JPEG" not in loaded.description


def test_a_single_split_is_divided_always_the_same_way(prepare, monkeypatch):
    images, labels = random_images(50, "emnist/bymerge"), np.arange(50) % 47
    directory = prepare("emnist/bymerge", {"test": (images, labels)})
    monkeypatch.setenv("TFDS_DATA_DIR", str(directory))
    one, other = (data.load("emnist", validation=5, seed=seed) for seed in (0, 1))
    assert (len(one.train), len(one.validation), len(one.test)) == (35, 5, 10)
    assert np.array_equal(one.test.images, other.test.images)
    assert not np.array_equal(one.validation.images, other.validation.images)
    parts = [image.tobytes() for s in (one.train, one.validation, one.test) for image in s.images]
    whole = images.swapaxes(1, 2) / np.float32(255)
    assert sorted(parts) == sorted(image.tobytes() for image in whole)
    assert "only the published test split of 50 images" in one.description


def test_emnist_letters_come_from_the_test_part_alone(prepare):
    """Those who download EMNIST have its training part too; others do not, and all get the same."""
    name, of_train, of_test = "emnist/bymerge", np.arange(47), np.arange(94) % 47
    splits = {
        "train": (random_images(47, name), of_train),
        "test": (random_images(94, name, 1), of_test),
    }
    directory = prepare(name, splits)
    loaded = data.load("emnist_letters", validation=0, data_dir=directory)
    parts = [image.tobytes() for part in (loaded.train, loaded.test) for image in part.images]
    letters = splits["test"][0][of_test >= 10].swapaxes(1, 2) / np.float32(255)
    assert sorted(parts) == sorted(image.tobytes() for image in letters)
    assert f"{len(loaded.train)} images for training" in loaded.description


@pytest.mark.parametrize(
    ("name", "needs"), [("rotated_mnist", "mnist"), ("emnist_letters", "emnist/bymerge")]
)
def test_made_data_sets_name_the_files_they_need(tmp_path, offline, name, needs):
    pytest.importorskip("tensorflow_datasets")
    with pytest.raises(
        data.DataNotFoundError, match=f"'{needs}' was not found.*tfds build {needs}"
    ):
        data.load(name, data_dir=tmp_path)


@pytest.mark.parametrize("encoding", ["png", "jpeg"])
def test_says_when_the_files_are_jpeg(prepare, encoding):
    part = (random_images(4, "cifar10"), np.arange(4))
    splits = {"train": part, "test": part}
    directory = prepare("cifar10", splits, encoding)
    loaded = data.load("cifar10", validation=1, data_dir=directory)
    assert loaded.image_shape == (32, 32, 3)
    assert ("re-encoded" in loaded.description) == (encoding == "jpeg")


@pytest.mark.parametrize(
    ("files", "damage"),
    [
        ("*train*", lambda file: file.write_bytes(file.read_bytes()[:500])),
        ("*train*", lambda file: file.write_bytes(file.read_bytes()[::-1])),
        ("*train*", lambda file: file.write_bytes(b"")),
        ("*test*", lambda file: file.unlink()),
        ("dataset_info.json", lambda file: file.write_text("{")),
    ],
    ids=["cut off", "reversed", "empty", "missing", "no JSON"],
)
def test_damaged_files_are_reported(prepare, files, damage):
    part = (random_images(4, "cifar10"), np.arange(4))
    directory = prepare("cifar10", {"train": part, "test": part})
    damage(next(directory.glob(f"cifar10/*/{files}")))
    with pytest.raises(data.DataNotFoundError, match=r"damaged or missing.*`tfds build") as caught:
        data.load("cifar10", validation=1, data_dir=directory)
    assert str(directory) in str(caught.value)


@pytest.fixture
def offline(monkeypatch):
    """No server can be reached; the list of those that were tried."""
    tried = []

    def refuse(host, *args, **kwargs):
        tried.append(host)
        raise socket.gaierror("no network in this test")

    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    return tried


def test_missing_data_offline_says_what_to_do_without_trying_for_long(
    tmp_path, offline, monkeypatch
):
    tfds = pytest.importorskip("tensorflow_datasets")
    downloads = []
    monkeypatch.setattr(
        tfds.core.DatasetBuilder, "download_and_prepare", lambda *args: downloads.append(args)
    )
    with pytest.raises(data.DataNotFoundError) as caught:
        data.load("emnist/balanced", data_dir=tmp_path / "empty")
    message = str(caught.value)
    assert isinstance(caught.value, FileNotFoundError)
    for part in ("'emnist/balanced'", str(tmp_path / "empty"), "TFDS_DATA_DIR", "tfds build"):
        assert part in message
    assert "'digits'" in message
    assert len(offline) == 1
    assert not downloads


def test_a_download_that_fails_is_reported(tmp_path, monkeypatch):
    tfds = pytest.importorskip("tensorflow_datasets")

    def fail(builder, *args, **kwargs):
        raise OSError("the server hung up")

    monkeypatch.setattr(prepared, "_answers", lambda host: True)
    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", fail)
    with pytest.raises(data.DataNotFoundError, match="OSError: the server hung up"):
        data.load("mnist", data_dir=tmp_path)


def test_an_answer_with_an_error_is_an_answer(monkeypatch):
    def forbidden(request, timeout):
        raise prepared.HTTPError(request.full_url, 403, "forbidden", None, None)

    monkeypatch.setattr(prepared, "urlopen", forbidden)
    assert prepared._answers("https://example.org")


def test_missing_packages_are_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(ImportError, match=r"tensorflow_datasets.* pip install tensorflow-datasets"):
        data.load("mnist")
    original = builtins.__import__

    def without_scipy(name, *args, **kwargs):
        if name.partition(".")[0] == "scipy":
            raise ImportError("no scipy")
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_scipy)
    with pytest.raises(ImportError, match="pip install scipy"):
        data.rotate(np.zeros((1, 2, 2, 1)), 10)


def test_class_names():
    sizes = {name: len(entry.classes) for name, entry in CATALOGUE.items()}
    assert sizes == {
        "mnist": 10,
        "fashion_mnist": 10,
        "cifar10": 10,
        "patch_camelyon": 2,
        "colorectal_histology": 8,
        "eurosat": 10,
        "emnist": 47,
        "emnist/bymerge": 47,
        "emnist/balanced": 47,
        "emnist/byclass": 62,
        "emnist/letters": 26,
        "emnist/digits": 10,
        "emnist/mnist": 10,
    }
    assert all(len(set(entry.classes)) == len(entry.classes) for entry in CATALOGUE.values())
