"""Searches in one process."""

import csv
import errno
import io
import json

import keras
import pytest
from PIL import Image

from keras_gcnn.full_disk import FullDiskError
from keras_gcnn.training import load_recipe
from keras_gcnn.training.loop import weights_file
from keras_gcnn.tuning import load_search, search, tuner
from keras_gcnn.tuning.folder import SearchFolder

pytestmark = pytest.mark.backend_free


def rows_of(folder):
    return list(csv.DictReader(io.StringIO((folder / "leaderboard.csv").read_text())))


@pytest.mark.parametrize("tuner", ["hyperband", "bayesian", "grid"])
def test_the_other_tuners_search_and_go_on(change, tmp_path, tuner):
    path = change(('tuner = "random"\n', f'tuner = "{tuner}"\n'), ('["z2", "p4"]', '["p4"]'))
    folder = tmp_path / "run"
    search(load_search(path, search__trials=1), folder)
    before = json.loads((folder / "trial_0" / "result.json").read_text())
    rows = search(load_search(path, search__trials=3, training__epochs=None), folder)
    assert len(rows) == (1 if tuner == "hyperband" else 3)
    assert {row["status"] for row in rows} == {"completed"}
    assert json.loads((folder / "trial_0" / "result.json").read_text()) == before
    settings = [(row["learning_rate"], row["weight_decay"]) for row in rows]
    assert len(set(settings)) == len(settings)


def test_hyperband_goes_on_with_the_best(change, tmp_path):
    path = change(
        ('tuner = "random"\ntrials = 2', 'tuner = "hyperband"'), ("epochs = 1", "epochs = 3")
    )
    rows = search(load_search(path), tmp_path / "run")
    assert {row["status"] for row in rows} == {"completed"}
    assert {row["epochs"] for row in rows} == {1, 3}
    promoted = [
        (values, row)
        for row in rows
        if "tuner/trial_id" in (values := _values(tmp_path / "run", row["trial"]))
    ]
    assert promoted
    for values, row in promoted:
        earlier = tmp_path / "run" / f"trial_{values['tuner/trial_id']}" / "history.csv"
        own = tmp_path / "run" / f"trial_{row['trial']}" / "history.csv"
        assert own.read_text().startswith(earlier.read_text())


def _values(folder, trial):
    state = json.loads((folder / "oracle.json").read_text())
    (found,) = [one for one in state["trials"] if one["trial_id"] == trial]
    return found["hyperparameters"]["values"]


def test_a_finished_search_is_read_and_may_get_more_trials(search_file, finished):
    folder, first = finished
    times = {path: path.stat().st_mtime_ns for path in folder.glob("trial_*/history.csv")}
    again = search(load_search(search_file), folder)
    assert again == first
    more = search(load_search(search_file, search__trials=4), folder)
    assert len(more) == 4
    assert {path: path.stat().st_mtime_ns for path in times} == times


def test_what_fails_is_recorded_with_its_reason(change, tmp_path):
    change(("learning_rate = { min = 1e-3, max = 1e-2 }", "learning_rate = [1e-3, 1e30]"))
    path = change(('tuner = "random"', 'tuner = "grid"'), ('["z2", "p4"]', '["z2"]'))
    rows = search(load_search(path, search__trials=4), tmp_path / "run")
    failed = [row for row in rows if row["status"] == "failed"]
    assert failed
    assert len(failed) < 4
    for row in failed:
        assert row["learning_rate"] == 1e30
        assert "FloatingPointError: The loss became" in row["reason"]
    assert "FloatingPointError" in (tmp_path / "run" / "leaderboard.md").read_text()
    best = load_recipe(tmp_path / "run" / "best.toml")
    assert best.training_of(best.models[0]).learning_rate == 1e-3


def test_a_search_of_failures_only_is_an_error(change, tmp_path):
    path = change(("learning_rate = { min = 1e-3, max = 1e-2 }", "learning_rate = 1e30"))
    with pytest.raises(ValueError, match=r"Every one of the 2 trials failed; .*FloatingPoint"):
        search(load_search(path), tmp_path / "run")
    assert not (tmp_path / "run" / "best.toml").exists()


def test_a_folder_of_another_search_is_left_alone(finished, change, tmp_path):
    folder, _ = finished
    before = (folder / "oracle.json").read_bytes()
    path = change(("parameters = 20_000", "parameters = 30_000"), ("0.1]", "0.2]"))
    message = r"search\.parameters was 20000 and is 30000; search\.space\.weight_decay was"
    with pytest.raises(ValueError, match=message):
        search(load_search(path), folder)
    assert (folder / "oracle.json").read_bytes() == before
    search(load_search(path), folder, fresh=True)
    assert {row["parameters"] for row in rows_of(folder)} != {"20000"}
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "thesis.tex").touch()
    for fresh in (False, True):
        with pytest.raises(ValueError, match="holds no search"):
            search(load_search(path), tmp_path / "else", fresh=fresh)


def test_a_search_that_noted_a_name_beside_its_folder_goes_on(search_file, tmp_path):
    """Earlier versions did."""
    loaded = load_search(search_file, data__folder="pics", data__subset=None)
    folder = SearchFolder(tmp_path / "run", loaded, keras.backend.backend())
    old = {**folder.settings, "data": {**folder.settings["data"], "name": "digits"}}
    assert folder._find_changes(old) == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('builder = "lenet"', 'builder = "lenett"', "no builder of classifiers"),
        ('builder = "lenet"', 'builder = "unet"', r"for masks if data\.target is"),
        ("parameters = 20_000", "parameters = 60", "cannot be built with z2: parameters=60 is too"),
        ('["z2", "p4"]', '["z2", "p7"]', "p7"),
        ("taper = 1.0", "tapper = 1.0", "Did you mean 'taper'"),
        ('head = "invariant"', 'head = "flat"', "may be 'invariant'"),
    ],
)
def test_what_the_library_cannot_build_is_said_before_anything_is_written(
    change, tmp_path, old, new, message
):
    with pytest.raises(ValueError, match=message):
        search(load_search(change((old, new))), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("trials = 2", "trial = 2", r"search\.trial: unknown key; allowed are builder, parameters"),
        ("trials = 2", "trials = 0", r"search\.trials: .*greater than 0"),
        ('"random"', '"annealing"', r"search\.tuner: .*'random', 'hyperband'"),
        ("epochs = 1", "epochs = 1\nlearning_rate = 0.1", "searched over; to fix it"),
        ("epochs = 1", "epochs = 1\nbinarize = true", r"training\.binarize is for autoencoders"),
        ("epochs = 1", "epochs = 1\nstraighten = true", r"training\.straighten is for autoenc"),
        (
            "batch_size = 20",
            'class_weights = "balanced"\n[latent]',
            r"class_weights is for class",
        ),
        (
            "batch_size = 20",
            "straighten = true\nbinarize = true\n[latent]",
            "leave augment and binarize out",
        ),
        ("seed = 3", "seeds = [3]", "unknown key"),
        ("parameters = 20_000", 'parameters = "20k"', r"search\.parameters: .*integer"),
        ("parameters = 20_000", "multiply_adds = 0", r"search\.multiply_adds: .*greater than 0"),
        ("parameters = 20_000", "", "search: .*a search has one budget"),
    ],
)
def test_a_mistake_in_a_recipe_is_named_by_its_key(change, old, new, message):
    with pytest.raises(ValueError, match=message):
        load_search(change((old, new)))


def test_a_search_goes_on_with_its_images_and_no_others(change, tmp_path, rng, monkeypatch):
    monkeypatch.setenv("KERAS_GCNN_CACHE", str(tmp_path / "cache"))

    def write(numbers):
        for name in ("a", "b"):
            (tmp_path / "images" / name).mkdir(parents=True, exist_ok=True)
            for number in numbers:
                pixels = rng.integers(0, 255, (13, 13), "uint8")
                Image.fromarray(pixels).save(tmp_path / "images" / name / f"{number}.png")

    write(range(20))
    path = change(("validation = 30\nsubset = 40\ntest_subset = 20\n", "test = 0\n"))

    def search_with(trials, **options):
        loaded = load_search(path, search__trials=trials, data__folder=str(tmp_path / "images"))
        return search(loaded, tmp_path / "run", **options)

    search_with(1)
    assert len(search_with(2)) == 2
    write([20])
    with pytest.raises(ValueError, match=r"trials of the search in .*run were trained on other im"):
        search_with(3)
    assert len(search_with(1, fresh=True)) == 1


def test_a_damaged_state_is_told(search_file, finished):
    folder, _ = finished
    state = folder / "oracle.json"
    whole = json.loads(state.read_text())
    lost = {**whole, "trials": whole["trials"][:1]}
    without = {name: one for name, one in whole["oracle"].items() if name != "start_order"}
    for damaged in ({}, lost, {**whole, "oracle": without}):
        state.write_text(json.dumps(damaged))
        with pytest.raises(ValueError, match=r"oracle\.json is damaged"):
            search(load_search(search_file), folder)


@pytest.mark.parametrize("damaged", ["", "[]", "{}", '{"starts": "a", "epoch": 0}'])
def test_a_damaged_note_of_starts_loses_no_trial(search_file, tmp_path, damaged):
    folder = tmp_path / "run" / "trial_0"
    starts = folder / "starts.json"
    tuner._count_start(folder)
    assert json.loads(starts.read_text())["starts"] == 1
    starts.write_text(damaged)
    tuner._count_start(folder)
    assert json.loads(starts.read_text())["starts"] == 1


def test_a_full_disk_is_no_fault_of_a_trial(search_file, tmp_path, monkeypatch):
    def fill(model, path):
        raise OSError(errno.ENOSPC, "No space left on device")

    recipe = load_search(search_file, search__trials=1)
    with monkeypatch.context() as patch:
        patch.setattr(weights_file, "save", fill)
        with pytest.raises(FullDiskError, match="No space left on device"):
            search(recipe, tmp_path / "run")
    (row,) = search(recipe, tmp_path / "run")
    assert (row["trial"], row["status"]) == ("0", "completed")


def test_a_worker_of_another_search_is_refused(finished, change, monkeypatch):
    folder, _ = finished
    for name, value in (("ORACLE_IP", "127.0.0.1"), ("ORACLE_PORT", "1"), ("TUNER_ID", "w1")):
        monkeypatch.setenv(f"KERASTUNER_{name}", value)
    with pytest.raises(ValueError, match=r"search\.parameters was 20000 and is 30000"):
        search(load_search(change(("parameters = 20_000", "parameters = 30_000"))), folder)


def test_autoencoders_are_compared_by_the_bound(change, tmp_path):
    change(('builder = "lenet"\nparameters = 20_000', 'builder = "vae"\nparameters = 120_000'))
    change(('["z2", "p4"]', '["z2"]'), ("[search]\n", "[latent]\npictures = false\n\n[search]\n"))
    change(
        ('convolution = "full"\nhead = "invariant"\nrestrict_after = "never"\n', "latent_dim = 3\n")
    )
    rows = search(load_search(change(("trials = 2", "trials = 1"))), tmp_path / "run")
    assert rows[0]["negative_elbo"] > 0
    best = load_recipe(tmp_path / "run" / "best.toml")
    assert best.latent is not None
    assert best.models[0].arguments["latent_dim"] == 3
    assert best.models[0].arguments["beta"] == rows[0]["beta"]


def test_trials_compute_in_the_type_of_the_recipe(change, tmp_path, monkeypatch):
    types = []

    def fit(model, *arguments, **options):
        types.append(model.get_layer("conv1").compute_dtype)
        assert keras.config.dtype_policy().name == "float32"
        return [{"val_loss": 1.0, "seconds": 1.0}]

    monkeypatch.setattr(tuner, "fit", fit)
    path = change(("epochs = 1", 'epochs = 1\ndtype = "mixed_bfloat16"'))
    search(load_search(path, search__trials=1), tmp_path / "run")
    assert types == ["bfloat16"]
    best = load_recipe(tmp_path / "run" / "best.toml")
    assert best.training.dtype == "mixed_bfloat16"


def test_another_backend_is_refused(search_file, tmp_path):
    other = "torch" if keras.backend.backend() != "torch" else "jax"
    with pytest.raises(ValueError, match=f"KERAS_BACKEND={other}"):
        search(load_search(search_file, backend=other), tmp_path / "run")
