"""A recipe of autoencoders runs to its table, goes on, and is measured again."""

import json

import keras
import numpy as np
import pytest

from keras_gcnn.data import Split
from keras_gcnn.export import metadata
from keras_gcnn.training import train
from keras_gcnn.training.inputs.batches import ShuffledBatches, binarize
from keras_gcnn.training.recipes.schema import Recipe
from keras_gcnn.training.recipes.tables import AugmentTable
from keras_gcnn.training.reports.beta_grid import grid_markdown

SMALL = {
    **{"group": "z2", "variant": "mlp", "latent_dim": 3},
    **{"widths": [4, 4], "decoder_widths": [4, 4]},
}


def recipe(**changes):
    content = {
        "title": "autoencoders",
        "data": {"name": "digits", "validation": 60, "subset": 200, "test_subset": 60},
        "training": {"epochs": 2, "batch_size": 64},
        "latent": {"labels": [50], "images": 60, "likelihood_samples": 3, "likelihood_images": 10},
        "models": [{"name": "Z2", "builder": "vae", "arguments": SMALL}],
    }
    return Recipe.model_validate({**content, **changes})


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return folder, train(recipe(), folder)


def test_it_writes_all_that_it_promises(run):
    folder, (result,) = run
    measures = result["measures"]
    assert measures["test loss"] == pytest.approx(
        measures["reconstruction"] + 0.1 * measures["KL"], rel=1e-5
    )
    assert measures["bound"] <= measures["log-likelihood"]
    assert 0 <= measures["kNN 50, turned %"] <= 100
    assert measures["leakage"] > 0
    text = (folder / "results.md").read_text()
    for name in ("losses.png", "reconstructions-Z2.png", "latent-Z2.png"):
        assert (folder / name).stat().st_size > 1000
        assert f"({name})" in text
    assert "log-likelihood" in text
    history = (folder / "Z2-seed0" / "history.csv").read_text().splitlines()
    assert {"val_loss", "kl", "reconstruction"} <= set(history[0].split(","))
    assert len(history) == 3
    known = metadata.read(folder / "Z2-seed0" / "model.keras")
    assert known.keys() == {"images"}  # an autoencoder names no classes


@pytest.mark.thorough("jax", "tensorflow")
def test_an_encoder_that_is_averaged_after_the_training(run, tmp_path):
    """It does not see quarter turns, which the same encoder without the average does."""
    _, (plain,) = run
    models = [{"name": "P4", "builder": "vae", "arguments": SMALL, "symmetrize": {"group": "p4"}}]
    latent = {"likelihood_samples": 0, "pictures": False, "labels": [50], "images": 60}
    (result,) = train(recipe(models=models, latent=latent), tmp_path)
    assert result["parameters"] == plain["parameters"]
    assert result["measures"]["leakage"] < plain["measures"]["leakage"]
    model = keras.saving.load_model(tmp_path / "P4-seed0" / "model.keras")
    x = np.random.default_rng(0).random((4, 28, 28, 1)).astype("float32")
    np.testing.assert_allclose(model.embed(np.rot90(x, 1, (1, 2))), model.embed(x), atol=1e-6)


@pytest.mark.thorough("jax", "tensorflow")
def test_it_is_measured_again_if_more_is_wanted_and_not_trained(run):
    folder, (before,) = run
    model = (folder / "Z2-seed0" / "model.keras").stat().st_mtime_ns
    latent = {"invariance": False, "pictures": False}
    (after,) = train(recipe(latent=latent), folder)
    assert set(after["measures"]) == {"validation loss", "test loss", "reconstruction", "KL"}
    assert after["measures"]["test loss"] == pytest.approx(before["measures"]["test loss"])
    assert (folder / "Z2-seed0" / "model.keras").stat().st_mtime_ns == model
    assert not (folder / "latent-Z2.png").exists()
    train(recipe(), folder)
    results = json.loads((folder / "results.json").read_text())["results"]
    assert results[0]["measures"] == pytest.approx(before["measures"])


@pytest.mark.backend_free
def test_black_and_white_batches(rng):
    split = Split(rng.random((10, 4, 4, 1)).astype("float32"), np.arange(10))
    batches = ShuffledBatches(split, 4, 0, binarize=True, labels=False)
    (first,) = batches[1]
    assert set(np.unique(first)) == {0, 1}
    np.testing.assert_array_equal(batches[1][0], first)  # however often it is asked
    batches.start_epoch(1)
    assert np.abs(batches[1][0] - first).max() == 1
    many = np.stack([binarize(split.images, seed) for seed in range(2000)]).mean(0)
    np.testing.assert_allclose(many, split.images, atol=0.06)


@pytest.mark.backend_free
def test_batches_of_turned_images_with_the_upright_ones(rng):
    split = Split(rng.random((10, 6, 6, 1)).astype("float32"), np.arange(10))
    batches = ShuffledBatches(split, 4, 0, straighten=True, labels=False)
    turned, upright = batches[1]
    plain, _ = ShuffledBatches(split, 4, 0)[1]
    np.testing.assert_array_equal(upright, plain)
    rotated, _ = ShuffledBatches(split, 4, 0, AugmentTable(rotate="any"))[1]
    np.testing.assert_array_equal(turned, rotated)
    assert np.abs(turned - upright).max() > 0.1
    batches.start_epoch(1)
    assert np.abs(batches[1][0] - turned).max() > 0.1


@pytest.mark.thorough("jax", "tensorflow")
def test_the_upright_image_is_what_is_to_be_drawn(tmp_path):
    latent = {"invariance": False, "pictures": False}
    train(recipe(training={"straighten": True, "epochs": 1}, latent=latent), tmp_path / "run")
    text = (tmp_path / "run" / "results.md").read_text()
    assert "upright image was the target" in text


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"evaluation": {"angles": False}}, r"\[evaluation\] is for classifiers"),
        ({"training": {"monitor": "val_accuracy"}}, "have no accuracy to monitor"),
        ({"training": {"class_weights": "balanced"}}, r"class_weights is for classifiers"),
        ({"latent": None, "training": {"binarize": True}}, "binarize is for autoencoders"),
        ({"latent": None, "training": {"straighten": True}}, "straighten is for autoencoders"),
        ({"training": {"straighten": True, "rotate": True}}, "leave augment and binarize out"),
        *(
            ({"data": {"folder": "x", "target": target}}, rf'images .* data\.target = "{target}"')
            for target in ("labels", "number", "mask")
        ),
    ],
)
def test_tables_that_do_not_fit(changes, message):
    with pytest.raises(ValueError, match=message):
        recipe(**changes)


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"models": [{"name": "P4", "builder": "lenet"}]}, "no builder of autoencoders.*if it has"),
        ({"latent": None}, "no builder of classifiers.*Choose one of lenet"),
    ],
)
def test_builders_of_another_kind(changes, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        train(recipe(**changes), tmp_path / "run")


@pytest.mark.parametrize(
    ("test", "latent", "message"),
    [
        (39, {}, r"keep of at least 40 test images, and there are 39\. Set latent\.invariance = f"),
        (1, {"invariance": False}, r"at least 2 test images, and there are 1\. .*pictures = false"),
        (
            60,
            {"labels": [9, 50]},
            r"latent\.labels has 9, .* need at least 10 .*invariance = false",
        ),
    ],
)
def test_what_cannot_be_measured_is_told_before_training(tmp_path, test, latent, message):
    data = {"name": "digits", "validation": 60, "subset": 200, "test_subset": test}
    with pytest.raises(ValueError, match=message):
        train(recipe(data=data, latent=latent), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_vectors_of_one_coordinate_are_not_plotted(tmp_path):
    line = [{"name": "Z2", "builder": "vae", "arguments": {**SMALL, "latent_dim": 1}}]
    line[0]["arguments"]["posterior"] = "gaussian"
    with pytest.raises(ValueError, match=r"Z2 have one coordinate.* latent\.pictures = false"):
        train(recipe(models=line), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def models(*arguments):
    return [
        {"name": f"n{index}", "builder": "vae", "arguments": one}
        for index, one in enumerate(arguments)
    ]


@pytest.mark.backend_free
def test_a_grid_of_beta_and_dimension():
    pairs = [(10, 0.5), (3, 0.5), (10, 100.0), (3, 100.0)]
    grid = recipe(models=models(*({"latent_dim": m, "beta": beta} for m, beta in pairs)))
    runs = {
        f"n{index}": [
            {"measures": {"validation loss": m + beta + seed, "reconstruction": m, "KL": beta}}
            for seed in (0, 1)
        ]
        for index, (m, beta) in enumerate(pairs)
    }
    del runs["n3"]
    lines = grid_markdown(runs, grid).splitlines()
    start = lines.index("## validation loss")
    assert lines[start + 2 : start + 6] == [
        "| dimension | beta 0.5 | beta 100 |",
        "|---:|---:|---:|",
        "| 3 | 4.00 | - |",
        "| 10 | 11.00 | 110.50 |",
    ]


@pytest.mark.backend_free
@pytest.mark.parametrize(
    "arguments",
    [
        [{"latent_dim": 3, "beta": 1.0}, {"latent_dim": 6, "beta": 1.0}],
        [{"latent_dim": 3}, {"latent_dim": 6}],
        [
            {"latent_dim": m, "beta": beta, "group": group}
            for m in (3, 6)
            for beta, group in ((0.5, "z2"), (1.0, "p4"))
        ],
    ],
)
def test_what_is_no_grid(arguments):
    assert grid_markdown({}, recipe(models=models(*arguments))) is None
