"""From a run to the published zoo and back, on small networks."""

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
    """A recipe of two networks and its finished run."""
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
[[models]]
name = "fields-P4"
builder = "steerable_cnn"
arguments = { group = "d8", widths = [1, 1], kernel_sizes = [3, 3] }
augment = { rotate = "quarter" }
seeds = [0]
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
    for name in ("publish", "cards", "noted", "restore"):
        sys.modules.pop(name, None)


def test_a_published_network_is_found_by_name_and_predicts_the_same(publish, run, tmp_path):
    publish.main("tiny", run[1])
    network = zoo.lenet("p4", restrict_after="1", weights="digits")
    trained = keras.saving.load_model(run[1] / "P4-seed0" / "model.keras", compile=False)
    x = images((28, 28, 1))
    np.testing.assert_allclose(network.predict(x, verbose=0), trained.predict(x, verbose=0))
    card = json.loads((tmp_path / "trained" / "lenet-p4-z2after1-digits.json").read_text())
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


def test_the_card_of_a_network_of_fields(publish, run, tmp_path):
    """It has a group and no head; its training images are changed, those of the other are not."""
    publish.main("tiny", run[1])
    assert zoo.steerable_cnn("d8", weights="digits").widths == (1, 1)
    text = (tmp_path / "cards" / "steerable_cnn-d8-digits.md").read_text()
    assert "invariant under D8: exactly under the elements that move pixels" in text
    assert "like those above, each changed at random: rotated by quarter turns." in text
    text = (tmp_path / "cards" / "lenet-p4-z2after1-digits.md").read_text()
    assert "was trained without augmentation, and only" in text


def test_what_is_no_classifier_of_the_zoo_is_refused(publish, run, tmp_path, monkeypatch):
    masks = run[0].models[0].model_copy(update={"builder": "unet"})
    recipe = run[0].model_copy(update={"models": (masks,)})
    monkeypatch.setattr(publish, "load_recipe", lambda name: recipe)
    with pytest.raises(SystemExit, match=r"the recipe has unet\. Publish .* --no-models"):
        publish.main("tiny", run[1])
    assert list(tmp_path.iterdir()) == []


def test_a_card_that_cannot_be_written_moves_nothing(publish, run, tmp_path, monkeypatch):
    monkeypatch.setattr(publish.cards, "model_card", lambda identity, card: card["none"])
    with pytest.raises(KeyError):
        publish.main("tiny", run[1])
    assert list(tmp_path.iterdir()) == []


def test_publishing_again_replaces_the_older_files(publish, run, tmp_path):
    publish.main("tiny", run[1])
    (tmp_path / "results" / "tiny" / "old.csv").write_text("")
    publish.main("tiny", run[1])
    assert not (tmp_path / "results" / "tiny" / "old.csv").exists()
    assert len(list((tmp_path / "trained").iterdir())) == 4


def test_a_run_of_another_recipe_is_refused_and_nothing_written(
    publish, run, tmp_path, monkeypatch
):
    longer = run[0].training.model_copy(update={"epochs": 2})
    finer = run[0].evaluation.model_copy(update={"auc": True})
    other = run[0].model_copy(update={"training": longer, "evaluation": finer})
    monkeypatch.setattr(publish, "load_recipe", lambda name: other)
    told = r"not trained and measured as the recipe tiny says: \[training\], \[evaluation\] differ"
    with pytest.raises(SystemExit, match=told):
        publish.main("tiny", run[1])
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_too_large_replaces_nothing(publish, run, tmp_path, monkeypatch):
    publish.main("tiny", run[1])
    monkeypatch.setattr(publish, "LARGEST", 1000)
    with pytest.raises(SystemExit, match="at most 1,000"):
        publish.main("tiny", run[1])
    assert len(list((tmp_path / "trained").iterdir())) == 4


def test_an_unfinished_run_is_refused(publish, tmp_path):
    with pytest.raises(SystemExit, match="Finish it with `keras-gcnn train tiny`"):
        publish.main("tiny", tmp_path / "nowhere")


def test_published_results_are_a_run_that_networks_join(publish, run, tmp_path, monkeypatch):
    publish.main("tiny", run[1])
    restore = importlib.import_module("restore")
    monkeypatch.setattr(restore, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(restore, "load_recipe", lambda name: run[0])
    for network in ("P4", "fields-P4"):
        plot = tmp_path / "results" / "tiny" / f"latent-{network}.png"
        plot.write_text(f"a plot of {network}")
    restore.main("tiny", tmp_path / "grown")
    plots = {path.parent.name: path.read_text() for path in (tmp_path / "grown").glob("*/*.png")}
    assert plots == {"P4-seed0": "a plot of P4", "fields-P4-seed0": "a plot of fields-P4"}
    table, of_fields = run[0].models
    added = table.model_copy(update={"name": "plain", "arguments": {"widths": [2, 3]}})
    recipe = run[0].model_copy(update={"models": (table, of_fields, added)})
    results = train(recipe, tmp_path / "grown", seeds=[1])
    assert [(one["network"], one["seed"]) for one in results] == [
        ("P4", 0),
        ("P4", 1),
        ("fields-P4", 0),
        ("plain", 1),
    ]
    assert results[1] == json.loads((run[1] / "P4-seed1" / "result.json").read_text())
    with pytest.raises(SystemExit, match="grown exists"):
        restore.main("tiny", tmp_path / "grown")


def test_results_of_another_recipe_are_no_run_of_it(publish, run, tmp_path, monkeypatch, capsys):
    publish.main("tiny", run[1])
    restore = importlib.import_module("restore")
    monkeypatch.setattr(restore, "RESULTS", tmp_path / "results")
    table, of_fields = run[0].models
    other = table.model_copy(update={"learning_rate": 0.5})
    recipe = run[0].model_copy(update={"models": (other, of_fields)})
    monkeypatch.setattr(restore, "load_recipe", lambda name: recipe)
    with pytest.raises(SystemExit, match=r"is not the one of .*tiny: P4 differ\. Only networks"):
        restore.main("tiny", tmp_path / "grown")
    assert not (tmp_path / "grown").exists()
    (tmp_path / "results" / "tiny" / "recipe.json").unlink()  # as published earlier
    restore.main("tiny", tmp_path / "grown")
    assert "make sure that tiny has only grown" in capsys.readouterr().out
