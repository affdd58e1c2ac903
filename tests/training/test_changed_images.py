"""A run on a folder goes on with the images that it was trained on, and with no others."""

import shutil

import numpy as np
import pytest
from PIL import Image

from keras_gcnn import training
from keras_gcnn.data import load_folder
from keras_gcnn.training.recipes.schema import Recipe
from keras_gcnn.training.runs import network_run

pytestmark = pytest.mark.backend_free


def write(folder, numbers):
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in numbers:
            pixels = rng.integers(0, 255, (13, 13), "uint8")
            Image.fromarray(pixels).save(folder / name / f"{number}.png")


@pytest.fixture
def images(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_GCNN_CACHE", str(tmp_path / "cache"))
    write(tmp_path / "images", range(8))
    return tmp_path / "images"


def recipe(images, seeds=(0,), **changes):
    content = {
        "title": "noise",
        "seeds": list(seeds),
        "data": {"folder": str(images), "validation": 4, "test": 4},
        "training": {"epochs": 1, "batch_size": 8},
        "evaluation": {"angles": False},
        "models": [
            {"name": "P4", "builder": "lenet", "arguments": {"group": "p4", "widths": [1, 1]}}
        ],
    }
    return Recipe.model_validate({**content, **changes})


def add_images(images):
    write(images, [8, 9])


def remove_an_image(images):
    (images / "a" / "3.png").unlink()


def change_a_class(images):
    (images / "a" / "3.png").rename(images / "b" / "from_a.png")


def replace_an_image(images):
    Image.new("L", (13, 13)).save(images / "a" / "3.png")


def rename_an_image(images):
    (images / "a" / "3.png").rename(images / "a" / "other.png")


def divide(images):
    for split in ("train", "test"):
        shutil.copytree(images, images.parent / "divided" / split)
    shutil.rmtree(images)
    (images.parent / "divided").rename(images)


@pytest.mark.parametrize(
    "change",
    [add_images, remove_an_image, change_a_class, replace_an_image, rename_an_image, divide],
)
def test_a_finished_network_of_other_images_is_not_gone_on_with(
    images, tmp_path, untrained, change
):
    training.train(recipe(images), tmp_path / "run")
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*.json")}
    change(images)
    with pytest.raises(
        ValueError, match=r"P4-seed0 was trained on other images than .*images has.*--run-dir"
    ):
        training.train(recipe(images, seeds=(0, 1), title="new"), tmp_path / "run")
    assert untrained == ["P4-seed0"]
    assert {path: path.read_bytes() for path in (tmp_path / "run").rglob("*.json")} == before
    # What the message says helps.
    training.train(recipe(images), tmp_path / "other")
    shutil.rmtree(tmp_path / "run" / "P4-seed0")
    training.train(recipe(images), tmp_path / "run")
    training.train(recipe(images), tmp_path / "run")
    assert untrained == ["P4-seed0"] * 3


def test_all_may_be_trained_anew(images, tmp_path, untrained):
    training.train(recipe(images), tmp_path / "run")
    add_images(images)
    training.train(recipe(images), tmp_path / "run", fresh=True)
    assert untrained == ["P4-seed0"] * 2


def test_an_interrupted_network_of_other_images_is_not_gone_on_with(
    images, tmp_path, untrained, monkeypatch
):
    def interrupted(model, dataset, settings, folder, **_):
        (folder / "checkpoint").mkdir()
        (folder / "checkpoint" / "state.json").write_text("{}")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(network_run, "fit", interrupted)
        with pytest.raises(KeyboardInterrupt):
            training.train(recipe(images), tmp_path / "run")
    add_images(images)
    for seeds in ((0, 1), (1, 0)):  # also if another network is to be trained first
        with pytest.raises(ValueError, match=r"P4-seed0 was trained on other images"):
            training.train(recipe(images, seeds), tmp_path / "run")
    remove = [images / name / f"{number}.png" for name in ("a", "b") for number in (8, 9)]
    for path in remove:
        path.unlink()
    training.train(recipe(images), tmp_path / "run")
    assert untrained == ["P4-seed0"]


def test_images_that_change_between_two_seeds_are_noticed(images, tmp_path, untrained, monkeypatch):
    trained = network_run.fit

    def change(*arguments, **options):
        add_images(images)
        return trained(*arguments, **options)

    monkeypatch.setattr(network_run, "fit", change)
    with pytest.raises(ValueError, match="have changed since this command began"):
        training.train(recipe(images, seeds=(0, 1)), tmp_path / "run")
    assert untrained == ["P4-seed0"]


def test_a_moved_folder_of_equal_images_goes_on(images, tmp_path, untrained, monkeypatch):
    rows = "".join(f"{name}/{number}.png,{name}\n" for name in "ab" for number in range(8))
    (images / "labels.csv").write_text(f"file,label\n{rows}")
    data = {"folder": "images", "table": "labels.csv", "validation": 4, "test": 4}
    monkeypatch.chdir(tmp_path)
    training.train(recipe("images", data=data), "run")
    (tmp_path / "elsewhere").mkdir()
    shutil.copytree("images", "elsewhere/images", copy_function=shutil.copyfile)  # with new times
    shutil.move("run", "elsewhere/run")
    monkeypatch.chdir(tmp_path / "elsewhere")
    training.train(recipe("images", data=data), "run")
    assert untrained == ["P4-seed0"]


def test_runs_of_earlier_versions_go_on(images, tmp_path, untrained):
    training.train(recipe(images), tmp_path / "run")
    (tmp_path / "run" / "P4-seed0" / "images.json").unlink()
    add_images(images)
    training.train(recipe(images), tmp_path / "run")
    assert untrained == ["P4-seed0"]


def test_masks_count_too(images):
    (images / "a").rename(images / "images")
    (images / "b").rename(images / "masks")

    def fingerprint():
        options = {"target": "mask", "masks": "foreground", "test": 0}
        return load_folder(images, **options).fingerprint

    before = fingerprint()
    assert before.startswith("8 images, ")
    assert fingerprint() == before
    Image.new("L", (13, 13)).save(images / "masks" / "3.png")
    assert fingerprint() != before
