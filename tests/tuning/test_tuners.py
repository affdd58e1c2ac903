"""KerasTuner's tuners, at the smallest size."""

import io

import keras
import keras_tuner
import pytest
from rich.console import Console

from keras_gcnn import data
from keras_gcnn.training import load_recipe
from keras_gcnn.tuning import hypermodel, load_search, search

# The others differ from a random search in NumPy code, and in weights that they load.
KINDS = ["RandomSearch"] + [
    pytest.param(kind, marks=pytest.mark.backend_free)
    for kind in ("Hyperband", "BayesianOptimization", "GridSearch")
]


@pytest.mark.parametrize("kind", KINDS)
def test_keras_tuner_s_tuners_take_it(kind, tmp_path):
    digits = data.load("digits", subset=24, validation=20, test_subset=20)
    over = hypermodel(
        "lenet",
        20_000,
        ["z2", "p4"],
        space={"convolution": "full", "restrict_after": "never", "head": "invariant", "taper": 1.0},
    )
    limit = {"max_epochs": 2} if kind == "Hyperband" else {"max_trials": 2}
    tuner = getattr(keras_tuner, kind)(
        over, objective="val_accuracy", seed=1, directory=tmp_path, **limit
    )
    tuner.search(
        digits.train.images,
        digits.train.labels,
        validation_data=(digits.validation.images, digits.validation.labels),
        epochs=1,
        verbose=0,
    )
    trials = tuner.oracle.trials.values()
    assert len(trials) >= 2
    assert {trial.status for trial in trials} == {"COMPLETED"}
    (best,) = tuner.get_best_hyperparameters()
    assert best.get("group") in ("z2", "p4")
    assert isinstance(over.build(best), keras.Model)


def test_a_search_leaves_a_leaderboard_logs_a_picture_and_a_recipe(search_file, tmp_path):
    folder, out = tmp_path / "run", io.StringIO()
    rows = search(load_search(search_file), folder, console=Console(file=out, width=200))
    assert [row["rank"] for row in rows] == [1, 2]
    assert {row["group"] for row in rows} == {"z2", "p4"}
    assert rows[0]["val_loss"] <= rows[1]["val_loss"]
    for row in rows:
        assert 0.98 * 20_000 <= row["parameters"] <= 20_000
        logs = folder / f"trial_{row['trial']}" / "logs"
        assert len(list(logs.glob("events*"))) == 1
    # Groups are compared in pairs: what both have is the same.
    shared = ("head", "taper", "learning_rate", "weight_decay")
    assert len({tuple(row[name] for name in shared) for row in rows}) == 1
    assert (folder / "error_by_cost.png").stat().st_size > 10_000
    assert "trial 0: val_loss" in out.getvalue()
    assert "2 trials in" in out.getvalue()
    best = load_recipe(folder / "best.toml")
    assert {model.name for model in best.models} == {"z2", "p4"}
    by_group = {row["group"]: row for row in rows}
    for model in best.models:
        row = by_group[model.name]
        assert model.arguments["widths"] == row["widths"]
        assert best.training_of(model).learning_rate == row["learning_rate"]
        assert best.training_of(model).optimizer == "adamw"
