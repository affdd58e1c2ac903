"""Recipes for large data sets of TFDS train on small ones in its format, to their table."""

import numpy as np
import pytest

from keras_gcnn import training
from tests.helpers.levels import thoroughly
from tests.helpers.prepared import FORMS, prepare, random_images


@pytest.mark.thorough("jax", "tensorflow")
@pytest.mark.parametrize(
    ("recipe", "name", "splits"),
    [
        ("pcam", "patch_camelyon", {"train": 4, "validation": 2, "test": 4}),
        ("eurosat", "eurosat/rgb", {"train": 20}),
        *thoroughly(("colorectal", "colorectal_histology", {"train": 20})),
    ],
)
def test_an_epoch(recipe, name, splits, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_GCNN_CACHE", str(tmp_path / "cache"))
    _, _, classes, _ = FORMS[name]
    content = {
        split: (random_images(n, name, n), np.arange(n) % classes) for split, n in splits.items()
    }
    settings = training.load_recipe(
        recipe,
        data__subset=4,
        data__test_subset=4,
        training__epochs=1,
        training__batch_size=4,
        evaluation__turned=False,
        evaluation__angles=False,
    )
    (result,) = training.train(
        settings,
        tmp_path / "run",
        networks=["P4M"],
        data_dir=prepare(tmp_path / "tfds", name, content),
    )
    assert 0 <= result["errors"]["test"] <= 100
    assert np.sum(result["confusion"]) == 4
    text = (tmp_path / "run" / "results.md").read_text()
    assert ("test AUC" in text) == ("areas" in result) == (recipe == "pcam")
    assert "Not yet trained: plain with seed 0, plain-augmented with seed 0." in text
    assert list((tmp_path / "cache").glob("*.images"))
