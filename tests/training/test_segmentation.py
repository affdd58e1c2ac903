"""Recipes train networks for masks, and measure them in every pose."""

import keras
import numpy as np
import pytest
from PIL import Image

from keras_gcnn import training, zoo
from keras_gcnn.data import Split
from keras_gcnn.export.metadata import add_to_keras
from keras_gcnn.training.inputs.batches import ShuffledBatches
from keras_gcnn.training.inputs.mask_evaluation import (
    confusion,
    count_turned,
    count_upright,
    dice,
    intersection_over_union,
)
from keras_gcnn.training.recipes.schema import Recipe
from keras_gcnn.training.recipes.tables import AugmentTable
from keras_gcnn.training.tasks.folder_evaluation import evaluate_folder
from keras_gcnn.training.tasks.segmentation import mask_measures

UNET = {"group": "p4m", "widths": [1, 1], "depth": 1}


@pytest.fixture
def cells(tmp_path, monkeypatch):
    """A folder of images with bright spots, and their masks."""
    monkeypatch.setenv("KERAS_GCNN_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:16, :16]
    for name in ("images", "masks"):
        (tmp_path / "cells" / name).mkdir(parents=True)
    for number in range(20):
        row, column = rng.uniform(4, 12, 2)
        spot = (rows - row) ** 2 + (columns - column) ** 2 < 12
        image = rng.integers(0, 90, (16, 16), "uint8") + np.where(spot, 150, 0).astype("uint8")
        Image.fromarray(image).save(tmp_path / "cells" / "images" / f"{number}.png")
        mask = np.where(spot, 255, 0).astype("uint8")
        Image.fromarray(mask).save(tmp_path / "cells" / "masks" / f"{number}.png")
    return tmp_path / "cells"


def recipe(folder, **changes):
    content = {
        "title": "spots",
        "data": {"folder": str(folder), "target": "mask", "validation": 4, "test": 4},
        "training": {"epochs": 3, "batch_size": 4, "learning_rate": 0.01},
        "models": [{"name": "P4M", "builder": "unet", "arguments": UNET}],
    }
    return Recipe.model_validate({**content, **changes})


def test_a_network_for_masks_is_trained_and_the_run_goes_on(cells, tmp_path):
    (result,) = training.train(recipe(cells), tmp_path / "run")
    measures = result["measures"]
    for pose in ("quarter turns", "mirrored"):
        assert measures[f"Dice, {pose}"] == pytest.approx(measures["Dice"], abs=1e-3)
    assert 0 < measures["Dice, any angle"] <= 1
    assert {"IoU", "wrong pixels %", "Dice of background", "IoU of foreground"} <= set(measures)
    for name in ("losses.png", "masks-P4M.png"):
        assert (tmp_path / "run" / name).stat().st_size > 1000
        assert f"({name})" in (tmp_path / "run" / "results.md").read_text()
    again = training.train(recipe(cells, title="the same"), tmp_path / "run")
    assert again == [result]

    whole = evaluate_folder(tmp_path / "run" / "P4M-seed0" / "model.keras", cells, output=tmp_path)
    assert whole["images"] == 20
    found = whole["measures"]
    assert found["Dice, mirrored"] == pytest.approx(found["Dice"], abs=1e-3)
    assert (tmp_path / "masks.png").stat().st_size > 1000


def test_a_folder_without_foreground_and_a_network_of_one_logit(cells, tmp_path):
    model = zoo.unet("p4", (16, 16, 1), classes=1, widths=(1, 1), depth=1)
    model.save(tmp_path / "model.keras")
    add_to_keras(tmp_path / "model.keras", {"classes": ["background", "foreground"]})
    for path in (cells / "masks").iterdir():
        Image.new("L", (16, 16)).save(path)
    found = evaluate_folder(tmp_path / "model.keras", cells, output=tmp_path / "out")["measures"]
    wrong = np.mean([_foreground(model, path) for path in (cells / "images").iterdir()])
    assert found["wrong pixels %"] == pytest.approx(100 * wrong)
    with pytest.raises(ValueError, match=r"predicts masks.*table='x\.csv'"):
        evaluate_folder(tmp_path / "model.keras", cells, table="x.csv")


def _foreground(model, path):
    """The share of pixels with a positive logit."""
    image = np.asarray(Image.open(path)).astype("float32") / 255
    return np.mean(model.predict_on_batch(image[None, ..., None]) > 0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": {"test": 0}}, "measured on test images, and there are none"),
        ({"data": {"size": [16, 24]}, "augment": {"rotate": "quarter"}}, "images are 16 x 24"),
        ({"arguments": {"classes": 1}}, r"models.arguments of P4M make a network from .*1\); the"),
        ({"arguments": {"classifier_activation": "softmax"}}, "end the network by softmax"),
    ],
)
def test_a_mistake_is_found_before_anything_is_trained(cells, tmp_path, changes, message):
    data = {"folder": str(cells), "target": "mask", "validation": 4, "test": 4}
    augment = {"augment": changes["augment"]} if "augment" in changes else {}
    model = {"name": "P4M", "builder": "unet", "arguments": UNET | changes.get("arguments", {})}
    wrong = recipe(cells, data=data | changes.get("data", {}), models=[model | augment])
    with pytest.raises(ValueError, match=message):
        training.train(wrong, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_only_networks_for_masks_are_trained_on_masks(cells, tmp_path):
    models = [{"name": "P4", "builder": "lenet"}]
    with pytest.raises(ValueError, match=r"'lenet' is no builder of networks for masks.*unet"):
        training.train(recipe(cells, models=models), tmp_path / "run")
    with pytest.raises(ValueError, match=r"networks for masks if data\.target is"):
        training.train(recipe(cells, data={"name": "digits"}), tmp_path / "run")


@pytest.mark.backend_free
def test_masks_are_changed_as_their_images_are(rng):
    masks = rng.integers(0, 3, (6, 9, 9)).astype("int32")
    split = Split(masks[..., None].astype("float32"), masks)
    for settings in (
        AugmentTable(rotate="quarter", flip="both"),
        AugmentTable(flip="horizontal", shift=3),
    ):
        images, labels = ShuffledBatches(split, 6, 0, settings)[0]
        assert labels.dtype == np.int32
        np.testing.assert_array_equal(images[..., 0], labels)
        assert any((labels != mask).any() for mask in masks)
    # Blocks are larger than displacements, so that most pixels stay where image and mask agree.
    blocks = masks[:, :3, :3].repeat(8, axis=1).repeat(8, axis=2)
    split = Split(blocks[..., None].astype("float32") / 2, blocks)
    bent = AugmentTable(rotate="any", zoom=0.2, elastic=1.0, interpolation="cubic")
    images, labels = ShuffledBatches(split, 6, 0, bent)[0]
    assert set(np.unique(labels)) <= {0, 1, 2}  # no values between those of neighbours
    assert (abs(2 * images[..., 0] - labels) < 0.5).mean() > 0.9


@pytest.mark.backend_free
def test_coefficients_of_masks():
    true = np.array([[0, 0, 1], [1, 1, -1]])
    counts = confusion(true, np.array([[0, 1, 1], [1, 0, 2]]), 3)
    assert counts.tolist() == [[1, 1, 0], [1, 2, 0], [0, 0, 0]]
    np.testing.assert_allclose(dice(counts), [2 / 4, 4 / 6, np.nan])
    np.testing.assert_allclose(intersection_over_union(counts), [1 / 3, 2 / 4, np.nan])
    measures = mask_measures(counts, ("a", "b", "c"))
    assert measures["Dice"] == pytest.approx((2 / 4 + 4 / 6) / 2)
    assert measures["wrong pixels %"] == pytest.approx(40)
    assert np.isnan(measures["IoU of c"])


def test_what_lies_outside_of_a_turned_image_does_not_count():
    inputs = keras.Input((12, 12, 1))
    logits = keras.layers.Concatenate()([0.5 - inputs, inputs - 0.5])
    model = keras.Model(inputs, logits)  # bright pixels are of the second class
    masks = np.ones((3, 12, 12), "int32")
    masks[1] = 0
    split = Split(masks[..., None].astype("float32"), masks)
    np.testing.assert_array_equal(
        count_upright(model, split, 2), [[[0, 0], [0, 144]], [[144, 0], [0, 0]], [[0, 0], [0, 144]]]
    )
    turned = count_turned(model, split, 2, seed=1)
    assert turned["quarter turns"].tolist() == [[3 * 144, 0], [0, 6 * 144]]
    assert turned["mirrored"].tolist() == [[4 * 144, 0], [0, 8 * 144]]
    counts = turned["any angle"]
    assert 300 < counts.sum() < 3 * 144
    assert np.trace(counts) / counts.sum() > 0.97  # at corners the image is half dark
