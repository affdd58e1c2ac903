"""The guide to searches: its recipe, its table and its program are as it says."""

import json
import re
import runpy
import sys
import tomllib
from pathlib import Path

import keras
import pytest
import tomli_w
import typer

from keras_gcnn import cli, zoo
from keras_gcnn.training import load_recipe
from keras_gcnn.tuning import SearchRecipe, hypermodel, load_search, search_names, space_of

pytestmark = pytest.mark.backend_free
FOLDER = Path(__file__).parents[2] / "tuning"
GUIDE = (FOLDER / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)


def test_its_recipe_is_one():
    recipe = SearchRecipe.model_validate(tomllib.loads(*blocks("toml")))
    hypermodel(recipe.search.builder, 50_000, recipe.search.groups, space=recipe.search.space)


def test_its_table_has_every_hyperparameter():
    every = {one.name for b in (*zoo.BUILDERS, *zoo.AUTOENCODERS) for one in space_of(b)}
    rows = re.findall(r"^\| (`.*?) \|", GUIDE, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", " ".join(rows))) == every


def test_its_programs_run(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    names = {}
    for program in blocks("python"):
        exec(compile(program, "guide", "exec"), names)
    assert len(names["tuner"].oracle.trials) == 2
    assert next(entry.name for entry in names["model"].space) == "group"


def test_the_searches_of_the_library_are_valid():
    assert {path.stem for path in (FOLDER / "searches").glob("*.toml")} == set(search_names())
    for name in search_names():
        table = load_search(name).search
        hypermodel(table.builder, table.parameters, table.groups, space=table.space)


def test_the_script_is_the_command(monkeypatch, search_file, tmp_path, capsys):
    monkeypatch.setenv("KERAS_BACKEND", keras.backend.backend())
    options = ["--run-dir", str(tmp_path / "run"), "--trials", "0"]
    monkeypatch.setattr(sys, "argv", ["search.py", str(search_file), *options])
    names = {"__name__": "__main__"}
    with pytest.raises(SystemExit) as caught:
        exec(compile((FOLDER / "search.py").read_text(), "search.py", "exec"), names)
    assert caught.value.code == 2
    assert "search.trials" in capsys.readouterr().err
    assert names["main"] is cli.main


def confirmed(folder, best, search):
    """The recipe that `confirm.py` writes for the results of a search."""
    (folder / "best.toml").write_text(tomli_w.dumps(best))
    (folder / "search.json").write_text(json.dumps(search))
    names = runpy.run_path(str(FOLDER / "confirm.py"))
    names["main"](folder, 2)
    return load_recipe(folder / "confirm.toml")


def test_the_best_of_a_search_is_compared_with_the_default(tmp_path):
    found = {"group": "p4", "dropout": 0.25, "widths": [3, 5]}
    best = {
        "title": "best",
        "training": {"epochs": 3},
        "models": [{"name": "p4", "builder": "lenet", "arguments": found, "learning_rate": 0.01}],
    }
    search = {"title": "x", "search": {"parameters": 20_000, "arguments": {"padding": "same"}}}
    recipe = confirmed(tmp_path, best, search)
    assert recipe.seeds == (0, 1)
    assert not recipe.evaluation.turned
    assert [model.name for model in recipe.models] == ["p4", "p4-default"]
    assert recipe.models[0].arguments == found
    default = {"padding": "same", "group": "p4", "dropout": 0.25, "parameters": 20_000}
    assert recipe.models[1].arguments == default
    assert recipe.training_of(recipe.models[1]).learning_rate == 0.01


@pytest.mark.parametrize(
    "files", [{}, {"best.toml": "= 3", "search.json": "{}"}, {"best.toml": "", "search.json": "[]"}]
)
def test_a_folder_of_no_finished_search_is_not_compared(tmp_path, files):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    names = runpy.run_path(str(FOLDER / "confirm.py"))
    with pytest.raises(typer.BadParameter, match="is not the folder of a finished search"):
        names["main"](tmp_path, 2)


def test_the_best_autoencoder_is_compared_with_a_default_of_the_same_latent_space(tmp_path):
    space = {"latent_dim": 3, "beta": 0.5, "posterior": "gaussian"}
    found = {"group": "so2", **space, "max_frequency": 2, "widths": [3, 5]}
    best = {
        "title": "best",
        "training": {"epochs": 3},
        "latent": {"invariance": False},
        "models": [{"name": "so2", "builder": "vae", "arguments": found}],
    }
    search = {"title": "x", "search": {"parameters": 150_000, "arguments": {}}}
    recipe = confirmed(tmp_path, best, search)
    assert not recipe.latent.invariance
    default = {"group": "so2", **space, "parameters": 150_000}
    assert recipe.models[1].arguments == default
