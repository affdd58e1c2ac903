"""Whose a folder is, and what is done with what lies in it. Nothing is trained here."""

import io
import json
import os

import filelock
import pytest
from rich.console import Console

from keras_gcnn import training
from keras_gcnn.training import atomic_files as files
from keras_gcnn.training import environment
from keras_gcnn.training.inputs.datasets import load_dataset
from keras_gcnn.training.loop.fitting import fit
from keras_gcnn.training.runs import run

pytestmark = [pytest.mark.backend_free, pytest.mark.usefixtures("untrained")]


def test_results_are_the_same_when_some_were_read_from_files(load, tmp_path, monkeypatch):
    # Else the date of training would differ.
    monkeypatch.setattr(environment, "describe", lambda *_: {"date": "1999-12-31", "keras": "0"})
    recipe = load(("seeds = [3]", "seeds = [3, 4]"))
    first = training.train(recipe, tmp_path / "run")
    assert json.loads(json.dumps(first)) == first
    (tmp_path / "run" / "plain-seed4" / "result.json").unlink()
    models = [tmp_path / "run" / f"{one}-seed4" / "model.keras" for one in ("plain", "turning")]
    before = [model.stat().st_mtime_ns for model in models]
    assert training.train(recipe, tmp_path / "run") == first
    # What was finished is not repeated.
    again = [model.stat().st_mtime_ns == at for model, at in zip(models, before, strict=True)]
    assert again == [False, True]
    assert training.train(recipe, tmp_path / "run") == first
    assert json.loads((tmp_path / "run" / "results.json").read_text())["results"] == first


def test_a_folder_belongs_to_one_recipe(load, tmp_path):
    training.train(load(("epochs = 4", "epochs = 1")), tmp_path / "run")
    with pytest.raises(ValueError, match="--fresh"):
        training.train(load(), tmp_path / "run")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    for fresh in (False, True):
        with pytest.raises(ValueError, match="holds no run"):
            training.train(load(), tmp_path / "mine", fresh=fresh)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="no symbolic links")
def test_fresh_removes_what_the_old_run_wrote_and_nothing_else(load, tmp_path):
    (tmp_path / "disk").mkdir()
    folder = tmp_path / "run"
    folder.symlink_to(tmp_path / "disk", target_is_directory=True)
    training.train(load(), folder)
    (folder / "notes.txt").write_text("mine")
    (folder / "plots").mkdir()
    # A mistake in the new recipe costs nothing.
    for old, new in (('"lenet"', '"lenets"'), ('"digits"', '"numbers"'), ("[2, 4]", "[2]")):
        with pytest.raises(ValueError, match=r"Choose|Known|positive"):
            training.train(load((old, new)), folder, fresh=True)
        assert (folder / "plain-seed3" / "model.keras").is_file()
        assert (folder / "results.json").is_file()
    training.train(load(("seeds = [3]", "seeds = [5]")), folder, fresh=True)
    assert folder.is_symlink()
    assert {path.name for path in folder.iterdir()} - {".lock"} == {
        *("notes.txt", "plots", "recipe.json", "plain-seed5", "turning-seed5"),
        *("results.json", "results.md", "errors.png", "accuracy_by_angle.png"),
    }


def test_fresh_does_not_take_a_foreign_folder(load, tmp_path):
    training.train(load(), tmp_path / "run")
    (tmp_path / "run" / "plain-seed5").mkdir()
    with pytest.raises(ValueError, match=r"plain-seed5 is in the way"):
        training.train(load(("seeds = [3]", "seeds = [5]")), tmp_path / "run", fresh=True)
    assert (tmp_path / "run" / "plain-seed3").is_dir()


@pytest.mark.parametrize("name", ["../mine", "", 3])
def test_fresh_never_leaves_the_folder(load, tmp_path, name):
    (tmp_path / "mine-seed3").mkdir()
    content = {"seeds": [3], "models": [{"name": name}]}
    files.write_json(tmp_path / "run" / "recipe.json", content)
    with pytest.raises(ValueError, match=r"recipe\.json is damaged"):
        training.train(load(), tmp_path / "run", fresh=True)
    assert (tmp_path / "mine-seed3").is_dir()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"lenet"', '"lenets"'),
        ('"digits"', '"numbers"'),
        ("batch_size = 40", 'optimizer = "adamant"'),
    ],
)
def test_a_mistake_does_not_claim_the_folder(load, tmp_path, old, new):
    with pytest.raises(ValueError, match=r"Choose|Known|adamant"):
        training.train(load((old, new)), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_leftovers_of_a_kill_are_removed(load, tmp_path):
    (tmp_path / ".partial-0123abcd-recipe.json").write_text("{")
    (tmp_path / ".lock").touch()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".partial-recipe.json").write_text("{")
    training.train(load(), tmp_path / "run")
    assert not list((tmp_path / "run").rglob(".partial*"))
    assert (tmp_path / ".partial-0123abcd-recipe.json").is_file()


def test_two_runs_do_not_share_a_folder(load, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    with (
        filelock.FileLock(folder / ".lock"),
        pytest.raises(ValueError, match="Another process is at work"),
    ):
        training.train(load(), folder)
    training.train(load(), folder)


@pytest.mark.parametrize("inside", ["", "inside"])
def test_a_file_is_no_folder(load, tmp_path, inside):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ValueError, match=r"is a file\. Choose another"):
        training.train(load(), tmp_path / "file" / inside)


@pytest.mark.parametrize("content", ["", "{}", "[]", "null", "{", '{"network": "plain"}'])
def test_a_damaged_result_is_named(load, tmp_path, content):
    files.write_text(tmp_path / "run" / "plain-seed3" / "result.json", content)
    own = run.RunFolder(tmp_path / "run", load(), run.backend_name())
    files.write_json(tmp_path / "run" / "recipe.json", own.settings)
    with pytest.raises(ValueError, match=r"result\.json is damaged\. Delete it.*--fresh"):
        training.train(load(), tmp_path / "run")


def change_result(folder, **values):
    path = folder / "plain-seed3" / "result.json"
    content = {**json.loads(path.read_text()), **values}
    files.write_json(path, {key: value for key, value in content.items() if value is not None})


def test_damaged_confusions_are_named(load, tmp_path):
    folder = tmp_path / "run"
    recipe = load(("angle_step = 90", "angles = false\nconfusion = true"))
    training.train(recipe, folder)
    for damaged in ([[1, 2], [3, 4]], [[4] * 10] * 9, [[4] * 9] * 10, [[-4] * 10] * 10, 3, "x"):
        change_result(folder, confusion=damaged)
        with pytest.raises(ValueError, match=r"result\.json is damaged"):
            training.train(recipe, folder)


@pytest.mark.parametrize("values", [{"network": "turning"}, {"seed": 4}])
def test_a_result_in_another_network_s_folder_is_named(load, tmp_path, values):
    folder = tmp_path / "run"
    training.train(load(), folder)
    change_result(folder, **values)
    with pytest.raises(ValueError, match="its folder that of plain with seed 3"):
        training.train(load(), folder)


def test_a_result_of_another_version_is_completed_or_explained(load, tmp_path):
    folder = tmp_path / "run"
    first = training.train(load(), folder)
    files.write_csv(folder / "plain-seed3" / "history.csv", [{"seconds": 6.0}] * 4)
    change_result(folder, seconds=None, seconds_per_epoch=None, epochs=None)
    again = training.train(load(), folder)
    for key in ("epochs", "seconds", "seconds_per_epoch"):
        assert again[0][key] == first[0][key]
    (folder / "plain-seed3" / "history.csv").unlink()
    change_result(folder, parameters=None)
    message = (
        r"another version .* lacks epochs, parameters, seconds, seconds_per_epoch\. Go on with"
    )
    with pytest.raises(ValueError, match=message):
        training.train(load(), folder)


def test_the_training_state_of_a_finished_network_is_swept(load, tmp_path):
    folder = tmp_path / "run"
    training.train(load(), folder)
    left = folder / "plain-seed3" / "checkpoint"
    files.write_text(left / "state.json", "{}")  # as if killed before it was removed
    training.train(load(), folder)
    assert not left.exists()


def test_a_recipe_for_another_backend_is_refused(load, tmp_path):
    backend = run.backend_name()
    other = "torch" if backend != "torch" else "jax"
    recipe = load().model_copy(update={"backend": other})
    with pytest.raises(ValueError, match=f"backend '{other}', but Keras runs on '{backend}'"):
        training.train(recipe, tmp_path / "run")
    training.train(recipe.model_copy(update={"backend": backend}), tmp_path / "run")


def test_a_damaged_state_is_named(load, tmp_path):
    recipe = load(("epochs = 4", "epochs = 1"), ("subset = 120", "subset = 32"))
    dataset = load_dataset(recipe.data, 3)

    def train():
        network = run.build_network(recipe.models[0], dataset, 3)
        return fit(network, dataset, recipe.training, tmp_path, seed=3)

    history = train()
    (tmp_path / "history.csv").unlink()  # as if killed before it was written
    assert train() == history
    assert (tmp_path / "history.csv").is_file()
    (weights,) = (tmp_path / "checkpoint").glob("*.npz")
    whole = weights.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", None):
        weights.unlink() if damaged is None else weights.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"weights\.npz is damaged\. Delete the folder"):
            train()
    weights.write_bytes(whole)
    state = tmp_path / "checkpoint" / "state.json"
    content = json.loads(state.read_text())
    assert content["random"] == []  # there is no dropout
    more = [json.dumps({**content, "random": random}) for random in ([[3, 0]], [["a"]], 3, [3])]
    for damaged in ("", "{}", "[]", "null", '{"latest": 3}', *more):
        state.write_text(damaged)
        with pytest.raises(ValueError, match=r"state\.json is damaged[.:].* Delete the folder"):
            train()


def test_brackets_are_no_markup(load, tmp_path):
    console = Console(file=io.StringIO(), width=300)
    recipe = load(("Two small", "[bold]Two[/x] :car:"))
    for _ in range(2):
        training.train(recipe, tmp_path / "run [red]", console=console)
    shown = console.file.getvalue()
    assert "[bold]Two[/x] :car: networks" in shown
    assert "run [red]" in shown


def test_files_are_written_under_names_of_their_own(tmp_path):
    path = tmp_path / "a.weights.h5"

    def write(temporary):
        assert temporary.name.endswith(".weights.h5")
        files.write_text(path, "another process")
        temporary.write_text("this one")

    files.write(path, write)
    assert path.read_text() == "this one"
    with pytest.raises(ZeroDivisionError):
        files.write(path, lambda temporary: (temporary.write_text("half"), 1 / 0))
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
