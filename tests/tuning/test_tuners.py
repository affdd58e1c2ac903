"""KerasTuner's tuners, at the smallest size."""

import io
from types import SimpleNamespace

import keras
import keras_tuner
import pytest
from rich.console import Console

from keras_gcnn import data
from keras_gcnn.training import load_recipe
from keras_gcnn.tuning import hypermodel, load_search, search
from keras_gcnn.tuning.announcer import Announcer
from keras_gcnn.tuning.durable_oracles import make_oracle

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


@pytest.mark.backend_free
def test_a_random_search_goes_on_in_the_groups_that_have_untried_settings(change, tmp_path):
    """Without a group the type of the convolutions has no effect, so z2 has one setting."""
    path = change(
        ('"full"', '["full", "g", "gc"]'),
        ("{ min = 1e-3, max = 1e-2 }", "0.01"),
        ("[0.01, 0.1]", "0.1"),
        ("trials = 2", "trials = 8"),
    )
    recipe = load_search(path)
    oracle = make_oracle(recipe, tmp_path, lambda values: True)
    oracle._set_project_dir(str(tmp_path), "run")
    space = keras_tuner.HyperParameters()
    hypermodel("lenet", 20_000, recipe.search.groups, space=recipe.search.space).build(space)
    oracle.update_space(space)
    trials = [oracle.create_trial(f"worker{number}") for number in range(5)]
    assert [trial.status for trial in trials] == ["RUNNING"] * 4 + ["STOPPED"]
    values = [trial.hyperparameters.values for trial in trials[:4]]
    found = {(each["group"], each.get("convolution")) for each in values}
    assert found == {("z2", None), ("p4", "full"), ("p4", "g"), ("p4", "gc")}


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("tuner", "done", "most", "expected"),
    [
        ("random", 4, 8, "stopped after 4 of 8 trials: every combination was tried."),
        ("hyperband", 4, 8, "stopped after 4 of 8 trials: hyperband needs no more."),
        ("random", 30, 30, "all 30 trials are done. To try more, run it again with --trials 40."),
        ("grid", 9, None, "all 9 trials are done."),
    ],
)
def test_the_end_of_a_search_says_why_there_are_no_more_trials(tuner, done, most, expected):
    board = SimpleNamespace(
        recipe=SimpleNamespace(search=SimpleNamespace(tuner=tuner)),
        oracle=SimpleNamespace(trials=dict.fromkeys(range(done)), max_trials=most),
    )
    out = io.StringIO()
    Announcer(board, Console(file=out, width=200)).sum_up()
    assert out.getvalue().endswith(f"{expected}\n")
