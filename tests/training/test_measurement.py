"""What [evaluation] asks for is measured, no more, and again only where it has to be."""

import json

import keras
import numpy as np
import pytest

from keras_gcnn import data, training
from keras_gcnn.training.recipes.tables import EvaluationTable
from keras_gcnn.training.reports.confusion_page import confusion_markdown
from keras_gcnn.training.tasks.measurement import measure, select

ALL = {"results.json", "results.md", "errors.png"}


class Reader:
    """Reads the class, of four, from the first pixel, and takes the last for the first."""

    def predict(self, batches, **_):
        images = np.concatenate([batches[index][0] for index in range(len(batches))])
        found = np.rint(4 * images[:, 0, 0, 0]).astype(int)
        return np.eye(4)[np.where(found == 3, 0, found)]


@pytest.fixture
def pixels():
    labels = np.repeat(np.arange(4), [1, 2, 3, 4])
    images = np.broadcast_to(labels[:, None, None, None] / 4, (10, 5, 5, 1)).astype("float32")
    split = data.Split(images, labels)
    return data.Dataset("pixels", split, split, split, ("a", "b", "c|", "d"), "")


@pytest.mark.backend_free
def test_only_what_is_wanted_is_measured(pixels):
    plain = EvaluationTable(turned=False, angles=False)
    assert measure(Reader(), pixels, plain, 0) == {"errors": {"test": pytest.approx(40.0)}}
    full = EvaluationTable(angle_step=100, picture_images=7, confusion=True)
    measured = measure(Reader(), pixels, full, 0)
    assert list(measured["errors"]) == ["test", "quarter turns", "mirrored", "any angle"]
    assert measured["errors"]["mirrored"] == pytest.approx(40.0)
    assert measured["angle_images"] == 7
    assert list(measured["accuracy_by_angle"]) == ["0.0", "100.0", "200.0", "300.0", "360.0"]
    assert measured["accuracy_by_angle"]["0.0"] == pytest.approx(100 * 6 / 7)
    assert measured["confusion"] == [[1, 0, 0, 0], [0, 2, 0, 0], [0, 0, 3, 0], [4, 0, 0, 0]]


@pytest.mark.backend_free
def test_losses_are_mean_cross_entropies_from_logits(pixels):
    wanted = EvaluationTable(angles=False, losses=True)
    losses = measure(Reader(), pixels, wanted, 0)["losses"]
    # Logits are one and three times zero; of ten images four have a zero at their class.
    upright = pytest.approx(np.log(np.e + 3) - 0.6, abs=1e-6)
    assert losses.pop("any angle") != upright
    assert losses == dict.fromkeys(("train", "validation", "test"), upright)


@pytest.mark.backend_free
def test_areas_are_means_over_the_classes(pixels):
    wanted = EvaluationTable(angles=False, auc=True)
    areas = measure(Reader(), pixels, wanted, 0)["areas"]
    # The first class is one image, and four of the nine others score as high as it; classes two
    # and three are perfect, and all images score alike for the last.
    assert areas["test"] == pytest.approx(np.mean([7 / 9, 1, 1, 0.5]))
    assert list(areas) == ["test", "any angle"]
    upright = EvaluationTable(angles=False, auc=True, turned=False)
    assert measure(Reader(), pixels, upright, 0)["areas"] == {"test": areas["test"]}


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("evaluation", "enough"),
    [
        ({}, False),
        ({"angle_step": 100}, True),
        ({"angle_step": 100, "confusion": True}, True),
        ({"angle_step": 100, "losses": True}, False),
        ({"angle_step": 100, "auc": True}, True),
        ({"angle_step": 100, "auc": True, "turned": False}, True),
        ({"angles": False, "losses": True, "turned": False}, False),
        ({"angle_step": 50}, False),
        ({"angle_step": 100, "picture_images": 9}, False),
        ({"angle_step": 50, "angles": False}, True),
        ({"angle_step": 50, "angles": False, "turned": False}, True),
    ],
)
def test_a_result_is_enough_if_it_has_what_is_wanted(pixels, evaluation, enough):
    full = EvaluationTable(angle_step=100, confusion=True, auc=True)
    result = {"seed": 3, **measure(Reader(), pixels, full, 0)}
    wanted = EvaluationTable(**evaluation)
    selected = select(result, wanted, 10)
    assert (selected is not None) == enough
    if enough:  # and as if no more had been measured
        assert selected == {"seed": 3, **measure(Reader(), pixels, wanted, 0)}
    # One that was measured for less is never enough.
    assert select(measure(Reader(), pixels, EvaluationTable(angles=False), 0), full, 10) is None


@pytest.mark.backend_free
def test_confusions_are_described_by_pair_and_class():
    # Of the 6, two are taken for 9; of the 9, one for 6; the last class has no images.
    text = confusion_markdown(
        {"one": [[8, 2, 0], [1, 4, 0], [0, 0, 0]], "two": [[10, 0, 0], [0, 5, 0], [0, 0, 0]]},
        ["6", "9", "x|y"],
        "Digits",
    )
    assert "| 6 | 20.00 | 0.00 |\n| 9 | 20.00 | 0.00 |\n" in text
    assert "| x\\|y | - | - |" in text
    assert text.count("| 6 / 9 | 3 | 20.00 | 2 | 20.00 | 1 | 20.00 |") == 1
    assert text.endswith(
        "## two\n\nThe pairs confused most, of 15 test images over all seeds:\n\nNone.\n"
    )


@pytest.mark.backend_free
def test_the_pairs_confused_most_come_first_and_are_ten():
    counts = np.zeros((8, 8), int)
    counts[np.triu_indices(8, 1)] = range(28)
    lines = confusion_markdown({"one": counts}, list("abcdefgh"), "").splitlines()
    pairs = [line.split(" | ")[0] for line in lines if " / " in line]
    assert pairs[0] == "| g / h"
    assert len(pairs) == 10


def names(folder):
    return {path.name for path in folder.iterdir() if path.suffix in (".png", ".md", ".json")}


@pytest.mark.backend_free
def test_finished_networks_are_measured_again_and_not_trained_again(load, tmp_path, untrained):
    folder = tmp_path / "run"
    few = ("angle_step = 90", "turned = false\nangles = false")
    training.train(load(few), folder)
    assert names(folder) == ALL | {"recipe.json"}
    assert (
        "| network | parameters | multiply-adds | seeds | epochs | test, error % | s/epoch |"
        in (folder / "results.md").read_text()
    )
    models = sorted(folder.glob("*/model.keras"))
    before = [model.stat().st_mtime_ns for model in models]
    (old, _) = json.loads((folder / "results.json").read_text())["results"]
    trained = list(untrained)
    (new, _) = training.train(load(("angle_step = 90", "confusion = true\nauc = true")), folder)
    assert names(folder) - ALL == {
        *("recipe.json", "accuracy_by_angle.png", "confusion.png", "confusion.md", "areas.png")
    }
    assert "| test AUC | any angle AUC |" in (folder / "results.md").read_text()
    assert untrained == trained
    assert [model.stat().st_mtime_ns for model in models] == before
    assert new["errors"]["test"] == pytest.approx(old["errors"]["test"])
    assert np.sum(new["confusion"]) == 40
    assert new["errors"]["test"] == pytest.approx(100 - 100 / 40 * np.trace(new["confusion"]))
    assert (new["seconds"], new["environment"]) == (old["seconds"], old["environment"])
    assert json.loads((folder / "plain-seed3" / "result.json").read_text()) == new
    assert "measured" not in old
    assert new["measured"] >= old["environment"]["date"]  # in whole seconds
    # What is no longer wanted goes, and nothing has to be measured for it.
    for model in models:
        model.unlink()
    assert training.train(load(few), folder)[0] == {**old, "measured": new["measured"]}
    assert names(folder) == ALL | {"recipe.json"}


@pytest.mark.backend_free
@pytest.mark.usefixtures("untrained")
def test_a_network_measured_again_has_only_what_is_wanted(load, tmp_path):
    folder = tmp_path / "run"
    training.train(load(("angle_step = 90", "turned = false")), folder)
    wanted = load(("angle_step = 90", "angles = false"))
    results = training.train(wanted, folder)
    assert "accuracy_by_angle" not in results[0]
    assert training.train(wanted, folder) == results
    assert json.loads((folder / "plain-seed3" / "result.json").read_text()) == results[0]


@pytest.mark.backend_free
def test_finished_networks_are_measured_before_others_are_trained(load, tmp_path, untrained):
    folder = tmp_path / "run"
    training.train(load(), folder, networks=["turning"])
    path = folder / "turning-seed3" / "model.keras"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    more = load(("angle_step = 90", "confusion = true"))
    with pytest.raises(ValueError, match=r"cannot be loaded.* Put it back, .*result\.json"):
        training.train(more, folder)
    assert untrained == ["turning-seed3"]
    path.write_bytes(whole)
    training.train(more, folder)
    assert untrained == ["turning-seed3", "plain-seed3"]


@pytest.mark.backend_free
def test_a_model_that_is_missing_is_found_before_anything_is_trained(load, tmp_path, untrained):
    folder = tmp_path / "run"
    training.train(load(), folder, networks=["turning"])
    (folder / "turning-seed3" / "model.keras").unlink()
    with pytest.raises(ValueError, match=r"model\.keras is missing.*delete .*result\.json"):
        training.train(load(("angle_step = 90", "confusion = true")), folder)
    assert untrained == ["turning-seed3"]


def test_a_small_network_in_earnest(single_recipe_file, tmp_path):
    text = single_recipe_file.read_text().replace("angle_step = 90", "turned = false")
    single_recipe_file.write_text(text.replace("angle_step", "confusion = true\nangle_step"))
    (result,) = training.train(training.load_recipe(single_recipe_file), tmp_path / "run")
    assert list(result["errors"]) == ["test"]
    model = keras.saving.load_model(tmp_path / "run" / "turning-seed3" / "model.keras")
    test = data.load("digits", test_subset=40, seed=3).test
    wrong = np.argmax(model.predict(test.images, verbose=0), axis=-1) != test.labels
    assert result["errors"]["test"] == pytest.approx(100 * np.mean(wrong))
