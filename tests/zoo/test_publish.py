"""From a run to the published zoo and back, on one small network."""

import importlib
import json
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_gcnn import zoo
from keras_gcnn.training import load_recipe, train
from keras_gcnn.zoo import pretrained
from tests.zoo.networks import images

pytestmark = pytest.mark.backend_free
SCRIPTS = Path(__file__).parents[2] / "zoo"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A recipe of two seeds and its finished run."""
    folder = tmp_path_factory.mktemp("publish")
    path = folder / "tiny.toml"
    path.write_text(
        """
title = "A tiny network"
seeds = [0, 1]
[data]
name = "digits"
validation = 40
subset = 40
test_subset = 40
[training]
epochs = 1
batch_size = 40
[evaluation]
turned = false
angles = false
[[models]]
name = "P4"
builder = "lenet"
arguments = { group = "p4", widths = [2, 3], restrict_after = "1" }
"""
    )
    recipe = load_recipe(path)
    train(recipe, folder / "run")
    return recipe, folder / "run"


@pytest.fixture
def publish(tmp_path, monkeypatch, run):
    """The script, writing elsewhere."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    script = importlib.import_module("publish")
    trained = tmp_path / "trained"
    for name, path in (("RESULTS", "results"), ("CARDS", "cards"), ("TRAINED", "trained")):
        monkeypatch.setattr(script, name, tmp_path / path)
    monkeypatch.setattr(script, "ROOT", tmp_path)
    monkeypatch.setattr(script, "load_recipe", lambda name: run[0])
    monkeypatch.setattr(pretrained, "_folder", lambda: trained)
    pretrained.entries.cache_clear()
    yield script
    pretrained.entries.cache_clear()
    sys.modules.pop("publish"), sys.modules.pop("cards"), sys.modules.pop("restore", None)


def test_a_published_network_is_found_by_name_and_predicts_the_same(publish, run, tmp_path):
    publish.main("tiny", run[1])
    network = zoo.lenet("p4", restrict_after="1", weights="digits")
    trained = keras.saving.load_model(run[1] / "P4-seed0" / "model.keras", compile=False)
    x = images((28, 28, 1))
    np.testing.assert_allclose(network.predict(x, verbose=0), trained.predict(x, verbose=0))
    (card,) = [json.loads(one.read_text()) for one in (tmp_path / "trained").glob("*.json")]
    errors = [
        json.loads((run[1] / f"P4-seed{seed}" / "result.json").read_text())["errors"]["test"]
        for seed in (0, 1)
    ]
    assert card["test error, mean, %"] == pytest.approx(np.mean(errors), abs=1e-3)
    assert card["training"]["epochs"] == 1
    assert card["arguments"]["widths"] == [2, 3]
    page = (tmp_path / "README.md").read_text()
    assert f"{np.mean(errors):.2f} ± {np.std(errors, ddof=1):.2f}" in page
    for link in ("cards/lenet-p4-z2after1-digits.md", "results/tiny/results.md"):
        assert link in page
        assert (tmp_path / link).is_file()


def test_publishing_again_replaces_the_older_files(publish, run, tmp_path):
    publish.main("tiny", run[1])
    (tmp_path / "results" / "tiny" / "old.csv").write_text("")
    publish.main("tiny", run[1])
    assert not (tmp_path / "results" / "tiny" / "old.csv").exists()
    assert len(list((tmp_path / "trained").iterdir())) == 2


def test_a_run_of_another_recipe_is_refused_and_nothing_written(
    publish, run, tmp_path, monkeypatch
):
    longer = run[0].training.model_copy(update={"epochs": 2})
    other = run[0].model_copy(update={"training": longer})
    monkeypatch.setattr(publish, "load_recipe", lambda name: other)
    with pytest.raises(SystemExit, match="was not trained as the recipe tiny says: training"):
        publish.main("tiny", run[1])
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_too_large_replaces_nothing(publish, run, tmp_path, monkeypatch):
    publish.main("tiny", run[1])
    monkeypatch.setattr(publish, "LARGEST", 1000)
    with pytest.raises(SystemExit, match="at most 1,000"):
        publish.main("tiny", run[1])
    assert len(list((tmp_path / "trained").iterdir())) == 2


def test_an_unfinished_run_is_refused(publish, tmp_path):
    with pytest.raises(SystemExit, match="Finish it with `keras-gcnn train tiny`"):
        publish.main("tiny", tmp_path / "nowhere")


def test_published_results_are_a_run_that_networks_join(publish, run, tmp_path, monkeypatch):
    publish.main("tiny", run[1])
    restore = importlib.import_module("restore")
    monkeypatch.setattr(restore, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(restore, "load_recipe", lambda name: run[0])
    (tmp_path / "results" / "tiny" / "latent-P4.png").write_text("a plot of this network")
    restore.main("tiny", tmp_path / "grown")
    plots = sorted((tmp_path / "grown").glob("*/*.png"))
    assert plots == [tmp_path / "grown" / "P4-seed0" / "latent.png"]
    (table,) = run[0].models
    added = table.model_copy(update={"name": "plain", "arguments": {"widths": [2, 3]}})
    recipe = run[0].model_copy(update={"models": (table, added)})
    results = train(recipe, tmp_path / "grown", seeds=[1])
    assert [(one["network"], one["seed"]) for one in results] == [
        ("P4", 0),
        ("P4", 1),
        ("plain", 1),
    ]
    assert results[1] == json.loads((run[1] / "P4-seed1" / "result.json").read_text())
    with pytest.raises(SystemExit, match="grown exists"):
        restore.main("tiny", tmp_path / "grown")
