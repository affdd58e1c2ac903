"""The guide to searches: its recipe, its table and its program are as it says."""

import re
import sys
import tomllib
from pathlib import Path

import keras
import pytest

from keras_gcnn import cli, zoo
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
