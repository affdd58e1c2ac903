import csv
import io
import json

import keras
import numpy as np
import pytest
from rich.console import Console

from keras_gcnn import analysis, export, training
from keras_gcnn.export import metadata
from keras_gcnn.training.inputs.datasets import load_dataset
from keras_gcnn.training.loop.fitting import fit
from keras_gcnn.training.runs.networks import build_network
from keras_gcnn.training.tasks.evaluation import evaluate_file

_TURNING = 'name = "turning"\n'


@pytest.fixture
def recipe(recipe_file):
    return training.load_recipe(recipe_file)


@pytest.fixture
def finished(recipe, tmp_path):
    training.train(recipe, tmp_path / "run")
    return tmp_path / "run"


def test_a_run_writes_all_it_promises_and_knows_when_it_is_done(finished, recipe):
    results = json.loads((finished / "results.json").read_text())
    assert results["environment"]["backend"].startswith(keras.backend.backend())
    assert {"date", "keras", "processor", "python"} <= set(results["environment"])
    plain, turning = results["results"]
    assert (plain["network"], turning["network"]) == ("plain", "turning")
    errors = turning["errors"]
    assert errors["test"] == pytest.approx(errors["quarter turns"])
    assert set(errors) == {"test", "quarter turns", "mirrored", "any angle"}
    assert turning["accuracy_by_angle"]["90.0"] == pytest.approx(100 - errors["test"])

    markdown = (finished / "results.md").read_text()
    assert f"| turning | {turning['parameters']:,} |" in markdown
    assert "Seeds: 3." in markdown
    assert (finished / "accuracy_by_angle.png").read_bytes().startswith(b"\x89PNG")
    for name in ("plain", "turning"):
        own = finished / f"{name}-seed3"
        rows = list(csv.DictReader((own / "history.csv").open()))
        assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]
        assert float(rows[-1]["loss"]) < float(rows[0]["loss"])
        assert list((own / "logs").glob("events*"))
        assert not (own / "checkpoint").exists()

    before = (finished / "turning-seed3" / "model.keras").stat().st_mtime_ns
    assert training.train(recipe, finished) == results["results"]
    assert (finished / "turning-seed3" / "model.keras").stat().st_mtime_ns == before

    measured = evaluate_file(
        finished / "turning-seed3" / "model.keras",
        "digits",
        test_subset=40,
        seed=3,
        picture=finished / "picture.png",
    )
    assert measured["errors"] == pytest.approx(errors)
    assert (finished / "picture.png").is_file()


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"lenet"', '"lenets"', "no builder"),
        ("widths = [2, 4]", "depth = 3", "depth"),
        ("widths = [2, 4]", "widths = [2]", "2 positive integers"),
        ("batch_size = 40", 'optimizer = "adamant"', "adamant"),
        ("validation = 60", "validation = 0.0001", "data.validation"),
        ('"digits"', '"numbers"', "digits"),
        (_TURNING, f'{_TURNING}symmetrize = {{ group = "so2" }}\n', "turning: .* infinitely many"),
        (
            _TURNING,
            f'{_TURNING}symmetrize = {{ group = "p4", already = "c8" }}\n',
            "symmetrize of turning: already='c8' is no subgroup",
        ),
    ],
)
def test_a_recipe_that_does_not_fit_the_library_is_explained(
    recipe_file, tmp_path, old, new, message
):
    recipe_file.write_text(recipe_file.read_text().replace(old, new))
    with pytest.raises(ValueError, match=message):
        training.train(training.load_recipe(recipe_file), tmp_path / "run")
    assert not (tmp_path / "run").exists()  # nothing was trained in vain


@pytest.mark.thorough("jax", "tensorflow")
def test_a_network_runs_on_several_poses_after_its_training(load, tmp_path):
    """It is measured and kept like that, and answers the same in every pose."""
    once = 'symmetrize = { group = "p4m", already = "p4" }\nepochs = 1\n'
    recipe = load(('name = "turning"\n', f'name = "turning"\n{once}'))
    recipe = recipe.model_copy(update={"models": recipe.models[1:]})
    (result,) = training.train(recipe, tmp_path / "run")
    errors = result["errors"]
    assert errors["test"] == errors["quarter turns"] == errors["mirrored"]
    text = (tmp_path / "run" / "results.md").read_text()
    assert "on every image in several poses, and averaged: turning (p4m, already p4)." in text
    path = tmp_path / "run" / "turning-seed3" / "model.keras"
    model = export.load(path)
    assert len(model.layers[-1].poses) == 2
    assert result["multiply_adds"] == 2 * analysis.cost(model.layers[-1].model).multiply_adds
    assert evaluate_file(path, "digits", test_subset=40, seed=3)["errors"] == errors


def prepare(recipe, **settings):
    dataset = load_dataset(recipe.data, 3)
    return (
        build_network(recipe.models[1], dataset, 3),
        dataset,
        recipe.training.model_copy(update=settings),
    )


@pytest.mark.thorough("jax", "tensorflow")
def test_early_stopping_leaves_the_best_weights(recipe, tmp_path):
    # A learning rate at which the loss soon rises.
    network, dataset, settings = prepare(recipe, epochs=30, patience=2, learning_rate=0.05)
    history = fit(network, dataset, settings, tmp_path, seed=3)
    losses = [row["val_loss"] for row in history]
    assert len(history) < 30
    assert int(np.argmin(losses)) == len(losses) - 3
    found = network.evaluate(
        dataset.validation.images, dataset.validation.labels, verbose=0, return_dict=True
    )
    assert found["loss"] == pytest.approx(min(losses), rel=1e-4)


def test_a_loss_that_is_not_finite_is_an_error(recipe, tmp_path):
    network, dataset, settings = prepare(recipe, learning_rate=1e20)
    with pytest.raises(FloatingPointError, match="learning rate"):
        fit(network, dataset, settings, tmp_path, seed=3)


def test_training_in_bfloat16_keeps_a_network_of_float32(load, tmp_path):
    recipe = load(
        ("epochs = 4", 'epochs = 4\ndtype = "mixed_bfloat16"'), ('name = "plain"', 'name = "half"')
    )
    dataset = load_dataset(recipe.data, 3)
    trained = build_network(recipe.models[0], dataset, 3, dtype=recipe.training.dtype)
    assert trained.get_layer("conv1").compute_dtype == "bfloat16"
    assert keras.config.dtype_policy().name == "float32"

    training.train(recipe, tmp_path / "run")
    rows = list(csv.DictReader((tmp_path / "run" / "half-seed3" / "history.csv").open()))
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"])
    network = keras.models.load_model(tmp_path / "run" / "half-seed3" / "model.keras")
    assert {layer.compute_dtype for layer in network.layers} == {"float32"}
    best = min(float(row["val_loss"]) for row in rows)
    images, labels = dataset.validation.images, dataset.validation.labels
    # Not equal, since the loss of the history was computed in bfloat16.
    assert network.evaluate(images, labels, verbose=0)[0] == pytest.approx(best, rel=0.02)
    assert len(network.optimizer.variables) == len(trained.trainable_variables) * 2 + 2


def test_networks_take_the_data_as_they_are(recipe):
    dataset = load_dataset(recipe.data, 3)
    table = recipe.models[0]
    former = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_first")
    try:
        network = build_network(table, dataset, 3)
        assert network.get_layer("conv1").data_format == "channels_last"
        # A recipe may still choose.
        other = {**table.arguments, "data_format": "channels_first", "input_shape": [1, 28, 28]}
        network = build_network(table.model_copy(update={"arguments": other}), dataset, 3)
        assert network.get_layer("conv1").data_format == "channels_first"
    finally:
        keras.config.set_image_data_format(former)


def save(path, model):
    model.save(path)
    return path


def test_a_model_without_a_fixed_size_is_evaluated(tmp_path):
    layers = [keras.Input((None, None, 1)), keras.layers.GlobalAveragePooling2D()]
    network = keras.Sequential([*layers, keras.layers.Dense(10)], name="any")
    path = save(tmp_path / "any[size].keras", network)
    console = Console(file=io.StringIO(), width=200)
    measured = evaluate_file(path, "digits", test_subset=20, console=console)
    assert measured["parameters"] == 20
    assert "any[size]" in console.file.getvalue()
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ValueError, match="cannot be used as a folder"):
        evaluate_file(path, "digits", test_subset=20, picture=tmp_path / "file" / "picture.png")


@pytest.mark.backend_free
@pytest.mark.filterwarnings("ignore:You are saving a model that has not yet been built")
def test_a_model_of_another_kind_is_explained(tmp_path):
    one, two = keras.Input((28, 28, 1)), keras.Input((28, 28, 1))
    scores = keras.layers.Dense(10)(keras.layers.Flatten()(one))
    more = keras.layers.Dense(10)(keras.layers.Flatten()(keras.layers.add([one, two])))
    models = {
        "not known before": keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(10)]),
        "2 inputs and 1 outputs": keras.Model([one, two], more),
        "1 inputs and 2 outputs": keras.Model(one, [scores, scores]),
        r"to \(28, 28, 1\), but.*No data set fits it": keras.Model(one, keras.layers.ReLU()(one)),
    }
    for message, model in models.items():
        path = save(tmp_path / "model.keras", model)
        with pytest.raises(ValueError, match=message):
            evaluate_file(path, "digits")


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("target", "named"), [("labels", "several labels"), ("number", "a number")]
)
def test_what_is_no_classifier_is_not_measured_on_classes(tmp_path, target, named):
    image = keras.Input((28, 28, 1))
    scores = keras.layers.Dense(10)(keras.layers.Flatten()(image))
    path = save(tmp_path / "model.keras", keras.Model(image, scores))
    metadata.add_to_keras(path, {"target": target})
    with pytest.raises(ValueError, match=rf"predicts {named} .*, and digits has classes\. Measure"):
        evaluate_file(path, "digits")


@pytest.mark.backend_free
def test_the_data_sets_that_fit_are_named(tmp_path):
    image = keras.Input((28, 28, 1))
    scores = keras.layers.Dense(47)(keras.layers.Flatten()(image))
    path = save(tmp_path / "model.keras", keras.Model(image, scores))
    fitting = "emnist, emnist/bymerge, emnist/balanced"
    with pytest.raises(ValueError, match=rf"in 10 classes\. Choose a .* fits: {fitting}\.$"):
        evaluate_file(path, "digits")


@pytest.mark.backend_free
@pytest.mark.parametrize("name", ["model.keras", "notes.txt", "absent.keras"])
def test_a_file_that_is_no_model_is_explained(tmp_path, name):
    if name != "absent.keras":
        (tmp_path / name).write_text("no model")
    with pytest.raises(ValueError, match=name):
        evaluate_file(tmp_path / name, "digits")
