"""A run goes on with a recipe that has grown, and with no other."""

import io
import json

import pytest
from rich.console import Console

from keras_gcnn import training
from keras_gcnn.training import atomic_files as files
from keras_gcnn.training.recipes import changes as growth
from keras_gcnn.training.runs import run

pytestmark = pytest.mark.backend_free
THIRD = """

[[models]]
name = "third"
builder = "lenet"
arguments = { group = "p4m", widths = [2, 2] }
seeds = [7, 3]
"""
OWN_SEEDS = (
    '"lenet"\narguments = { group = "z2"',
    '"lenet"\nseeds = [3, 4]\narguments = { group = "z2"',
)


def grown(recipe_file, load, *pairs):
    recipe_file.write_text(recipe_file.read_text() + THIRD)
    return load(*pairs)


def test_networks_have_seeds_of_their_own_and_data_are_loaded_once_a_seed(
    load, recipe_file, tmp_path, untrained, monkeypatch
):
    loaded = []
    original = run.data.load

    def count(*arguments, seed, **options):
        loaded.append(seed)
        return original(*arguments, seed=seed, **options)

    monkeypatch.setattr(run.data, "load", count)
    recipe = grown(recipe_file, load, OWN_SEEDS)
    results = training.train(recipe, tmp_path / "run")
    assert untrained == [
        "plain-seed3",
        "turning-seed3",
        "third-seed3",
        "plain-seed4",
        "third-seed7",
    ]
    assert loaded == [3, 4, 7]
    # In the order of the recipe, whatever the order of training.
    found = [(result["network"], result["seed"]) for result in results]
    assert found == [("plain", 3), ("plain", 4), ("turning", 3), ("third", 7), ("third", 3)]


def test_networks_and_seeds_may_be_added(load, recipe_file, tmp_path, untrained):
    folder = tmp_path / "run"
    training.train(load(), folder)
    before = (folder / "plain-seed3" / "model.keras").stat().st_mtime_ns
    del untrained[:]
    training.train(grown(recipe_file, load, OWN_SEEDS), folder)
    assert untrained == ["third-seed3", "plain-seed4", "third-seed7"]
    assert (folder / "plain-seed3" / "model.keras").stat().st_mtime_ns == before
    results = json.loads((folder / "results.json").read_text())
    assert {one["network"]: one["seeds"] for one in results["networks"]} == {
        "plain": [3, 4],
        "turning": [3],
        "third": [7, 3],
    }
    # From then on it is the run of the recipe that has grown.
    with pytest.raises(ValueError, match="third with seed 3 is gone; third with seed 7 is gone"):
        training.train(load((THIRD, "")), folder)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("epochs = 4", "epochs = 5", r": epochs of plain was 4 and is 5; .* A run may get further"),
        ("batch_size = 40", "batch_size = 30", r": training\.batch_size was 40 and is 30\. A run"),
        ("subset = 120", "subset = 100", r"data\.subset was 120 and is 100"),
        ("subset = 120", "", r"data\.test_subset was 40 and is null|data\.subset was 120 and is n"),
        ("seeds = [3]", "seeds = [4]", "plain with seed 3 is gone; turning with seed 3 is gone"),
        ('name = "plain"', 'name = "else"', "plain with seed 3 is gone"),
        ('name = "plain"', 'name = "plain"\nepochs = 2', "epochs of plain was 4 and is 2"),
        ('"p4", widths = [2, 4]', '"p4", widths = [3, 4]', r"arguments of turning\.widths was"),
    ],
)
@pytest.mark.usefixtures("untrained")
def test_any_other_change_is_refused_and_named(load, tmp_path, old, new, message):
    training.train(load(), tmp_path / "run")
    content = (tmp_path / "run" / "recipe.json").read_text()
    message = rf"was started with other settings(.|\n)*{message}(.|\n)*--run-dir.*--fresh"
    with pytest.raises(ValueError, match=message):
        training.train(load((old, new)), tmp_path / "run")
    assert (tmp_path / "run" / "recipe.json").read_text() == content
    assert (tmp_path / "run" / "plain-seed3" / "result.json").is_file()


def test_the_backend_counts_and_new_keys_do_not(load):
    new = {**load().model_dump(mode="json"), "backend": "jax"}
    old = json.loads(json.dumps(new))
    del old["training"]["schedule"], old["models"][0]["seeds"], old["evaluation"]["angles"]
    begun = [("plain", 3)]
    assert growth.find_changes(old, new, begun) == []
    old["backend"] = "torch"
    assert growth.find_changes(old, new, begun) == ['backend was "torch" and is "jax"']
    old["models"][0]["name"] = 3
    assert growth.find_changes(old, new, begun) == [
        "its recipe was written by another version of keras_gcnn"
    ]


def test_what_was_not_begun_may_be_corrected_or_left_out(load, tmp_path, untrained):
    folder = tmp_path / "run"
    training.train(load(("seeds = [3]", "seeds = [3, 4]")), folder, networks=["plain"], seeds=[3])
    corrected = load(('"p4", widths = [2, 4]', '"p4m", widths = [1, 2]'))
    results = training.train(corrected, folder)
    assert [(one["network"], one["seed"]) for one in results] == [("plain", 3), ("turning", 3)]
    assert untrained == ["plain-seed3", "turning-seed3"]
    with pytest.raises(ValueError, match=r'turning\.group was "p4m" and is "p4"'):
        training.train(load(), folder)


@pytest.mark.usefixtures("untrained")
def test_where_nothing_was_begun_anything_may_change(load, tmp_path):
    folder = tmp_path / "run"
    training.train(load(), folder)
    for one in folder.glob("*-seed3"):
        one.rename(tmp_path / one.name)
    training.train(load(("batch_size = 40", "batch_size = 30")), folder)
    assert json.loads((folder / "recipe.json").read_text())["training"]["batch_size"] == 30


def test_only_the_epochs_that_a_network_gets_are_compared(load, tmp_path, untrained):
    folder = tmp_path / "run"
    own = ('"plain"', '"plain"\nepochs = 2')
    training.train(load(own), folder, networks=["plain"])
    training.train(load(own, ("epochs = 4", "epochs = 3")), folder)
    assert untrained == ["plain-seed3", "turning-seed3"]


@pytest.mark.usefixtures("untrained")
def test_a_foreign_folder_is_not_taken_for_a_new_network(load, recipe_file, tmp_path):
    training.train(load(), tmp_path / "run")
    (tmp_path / "run" / "third-seed7").mkdir()
    with pytest.raises(ValueError, match="third-seed7 is in the way"):
        training.train(grown(recipe_file, load), tmp_path / "run")


@pytest.mark.usefixtures("untrained")
def test_fresh_removes_all_networks_of_a_run_that_had_grown(load, recipe_file, tmp_path):
    folder = tmp_path / "run"
    training.train(grown(recipe_file, load, OWN_SEEDS), folder)
    training.train(load((THIRD, "")), folder, fresh=True)
    assert {one.name for one in folder.glob("*-seed*")} == {"plain-seed3", "turning-seed3"}


@pytest.mark.usefixtures("untrained")
def test_a_title_may_change(load, tmp_path):
    training.train(load(), tmp_path / "run")
    training.train(load(("Two small", "A few small")), tmp_path / "run")
    assert (tmp_path / "run" / "results.md").read_text().startswith("# A few small networks")


def test_some_networks_or_seeds_are_trained_now_and_the_rest_later(load, tmp_path, untrained):
    folder = tmp_path / "run"
    recipe = load(("seeds = [3]", "seeds = [3, 4]"))
    (result,) = training.train(recipe, folder, networks=["turning"], seeds=[4])
    assert (result["network"], result["seed"]) == ("turning", 4)
    assert untrained == ["turning-seed4"]
    text = (folder / "results.md").read_text()
    assert "Not yet trained: plain with seed 3, turning with seed 3, plain with seed 4." in text
    assert "| plain |" not in text
    console = Console(file=io.StringIO(), width=200)
    training.train(recipe, folder, networks=["plain"], console=console)
    assert untrained == ["turning-seed4", "plain-seed3", "plain-seed4"]
    assert "turning, seed 4: already trained" in console.file.getvalue()
    results = json.loads((folder / "results.json").read_text())
    assert results["missing"] == [{"network": "turning", "seed": 3}]
    assert len(training.train(recipe, folder)) == 4
    assert untrained[3:] == ["turning-seed3"]
    assert "Not yet" not in (folder / "results.md").read_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"networks": ["plain", "p4", "p8"]},
            r"has no 'p4', 'p8'\. Give some of plain, turning; .*--networks plain --networks turn",
        ),
        ({"networks": "plain"}, r"networks='plain': expected a list.*networks=\['plain'\]"),
        ({"seeds": [5]}, r"seeds=\[5\].*has no 5.*some of 3, 4; .*--seed 3 --seed 4"),
        ({"seeds": 0}, r"seeds=0: expected a list.*seeds=\[3\]"),
        ({"networks": ["plain"], "fresh": True}, "removes all networks.*Leave one"),
        ({"seeds": [3], "fresh": True}, "removes all networks.*Leave one"),
        ({"networks": []}, "nothing to train"),
        (
            {"networks": ["turning"], "seeds": [4]},
            r"nothing to train.*plain with 3, 4; turning with 3\.",
        ),
    ],
)
def test_parts_that_the_recipe_does_not_have_are_explained(load, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        training.train(load(OWN_SEEDS), tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("untrained")
def test_parts_from_different_machines_are_told_apart(load, tmp_path):
    folder = tmp_path / "run"
    training.train(load(), folder, networks=["plain"])
    path = folder / "plain-seed3" / "result.json"
    result = json.loads(path.read_text())
    files.write_json(path, {**result, "environment": {"date": "1999", "processor": "80486"}})
    training.train(load(), folder)
    text = (folder / "results.md").read_text()
    assert "- plain with seed 3: date: 1999, processor: 80486." in text
    assert "- turning with seed 3: date: 2" in text
