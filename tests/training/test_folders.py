"""Recipes train on folders of images, go on after an interruption, and count rare classes."""

import keras
import numpy as np
import pytest
from PIL import Image

from keras_gcnn import training
from keras_gcnn.analysis.precision import dtype_policy
from keras_gcnn.data import Dataset, Split, load_folder
from keras_gcnn.export import metadata
from keras_gcnn.training.recipes.changes import find_changes
from keras_gcnn.training.recipes.data_table import DataTable
from keras_gcnn.training.recipes.schema import Recipe, find_recipe, load_recipe
from keras_gcnn.training.recipes.tables import TrainingTable
from keras_gcnn.training.tasks.classification import Classification, balanced_weights
from keras_gcnn.training.tasks.folder_evaluation import PLOTS, evaluate_folder
from keras_gcnn.training.tasks.folder_tasks import Labelling, Regression
from keras_gcnn.training.tasks.segmentation import Segmentation


@pytest.fixture
def images(tmp_path, monkeypatch):
    """A folder with stripes along either axis."""
    monkeypatch.setenv("KERAS_GCNN_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    for name in ("rows", "columns"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for number in range(20):
            pixels = rng.integers(0, 60, (13, 13), "uint8")
            pixels[(slice(None), slice(None, None, 2))[:: 1 if name == "rows" else -1]] += 180
            Image.fromarray(pixels).save(tmp_path / "images" / name / f"{number}.png")
    return tmp_path / "images"


def recipe(images, **changes):
    content = {
        "title": "stripes",
        "data": {"folder": str(images), "validation": 8, "test": 8},
        "training": {"epochs": 2, "batch_size": 12, "class_weights": "balanced"},
        "evaluation": {"angle_step": 90, "confusion": True, "losses": True},
        "models": [
            {"name": "P4", "builder": "lenet", "arguments": {"group": "p4", "widths": [2, 2]}}
        ],
    }
    return Recipe.model_validate({**content, **changes})


def test_a_folder_is_trained_on_and_the_run_goes_on(images, tmp_path):
    (result,) = training.train(recipe(images), tmp_path / "run")
    assert np.sum(result["confusion"]) == 8
    assert result["errors"]["test"] == pytest.approx(result["errors"]["quarter turns"])
    text = (tmp_path / "run" / "results.md").read_text()
    assert "Used here: 24 train, 8 validation, 8 test images" in text
    again = training.train(recipe(images, title="the same"), tmp_path / "run")
    assert again == [result]
    other = recipe(images.parent / "images2")
    images.rename(images.parent / "images2")
    with pytest.raises(ValueError, match=r"data\.folder was"):
        training.train(other, tmp_path / "run")


def test_validation_reads_batches_of_the_size_that_is_asked_for(images, tmp_path):
    found = load_folder(images, cache=tmp_path / "cache").validation
    for task in (Classification(), Labelling(), Regression(), Segmentation()):
        batches = task.validation(found, TrainingTable(batch_size=8), 0, 3)
        assert len(batches[0][0]) == 3


@pytest.mark.usefixtures("untrained")
def test_images_that_are_not_square_are_refused_before_training(images, tmp_path):
    data = {"folder": str(images), "validation": 8, "test": 8, "size": [13, 16]}
    message = r"13 x 16 pixels .* set evaluation\.turned = false, or data\.size to a single number"
    with pytest.raises(ValueError, match=message):
        training.train(recipe(images, data=data), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    upright = recipe(images, data=data, evaluation={"turned": False, "angles": False})
    (result,) = training.train(upright, tmp_path / "run")
    assert list(result["errors"]) == ["test"]


@pytest.mark.thorough("jax")
def test_a_model_is_measured_on_another_folder(images, tmp_path):
    training.train(recipe(images), tmp_path / "run")
    model = tmp_path / "run" / "P4-seed0" / "model.keras"
    result = evaluate_folder(model, images, output=tmp_path / "out")
    assert result["images"] == 40
    assert np.sum(result["confusion"]) == 40
    wrong = 40 - np.trace(result["confusion"])
    assert result["errors"]["test"] == pytest.approx(100 * wrong / 40)
    assert result["errors"]["quarter turns"] == pytest.approx(result["errors"]["test"])
    assert 0 <= result["calibration error"] <= 1
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"results.json", *PLOTS}
    (images / "rows").rename(images / "lines")
    with pytest.raises(ValueError, match=r"has lines, which is none of the classes columns, rows"):
        evaluate_folder(model, images)


def brightness(path, classes=(), activation=None):
    """Saves a model that takes bright images for the second of three classes."""
    image = keras.Input((13, 13, 1))
    scores = keras.layers.Dense(3, activation)(keras.layers.GlobalAveragePooling2D()(image))
    model = keras.Model(image, scores)
    model.set_weights([np.array([[0.0, 10.0, 0.0]]), np.array([4.0, 0.0, 1.0])])
    model.save(path)
    if classes:
        metadata.add_to_keras(path, {"classes": classes})
    return path


def shaded(folder, **shades):
    """A folder of grey images; each class has its own shade."""
    for name, shade in shades.items():
        (folder / name).mkdir(parents=True)
        for number in range(3):
            pixels = np.full((10, 20, 3), shade, "uint8")
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


def test_a_folder_may_lack_classes_of_the_model(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_GCNN_CACHE", str(tmp_path / "cache"))
    model = brightness(tmp_path / "model.keras", ["dark", "bright", "green"])
    both = shaded(tmp_path / "both", dark=10, bright=250)
    result = evaluate_folder(model, both, output=tmp_path / "out")
    assert result["errors"] == dict.fromkeys(result["errors"], pytest.approx(0.0))
    assert result["confusion"] == [[3, 0, 0], [0, 3, 0], [0, 0, 0]]
    assert result["classes"] == ["dark", "bright", "green"]
    assert result["area under the curve"] == pytest.approx(1.0)
    # By the logits 4, 10 x and 1, of which a sigmoid makes probabilities.
    model = brightness(model, ["dark", "bright", "green"], "sigmoid")
    sure = np.mean([1 / (1 + np.exp(-4)), 1 / (1 + np.exp(-10 * 250 / 255))])
    assert evaluate_folder(model, both)["calibration error"] == pytest.approx(1 - sure, abs=1e-4)
    one = shaded(tmp_path / "one", green=250)
    result = evaluate_folder(model, one, output=tmp_path / "out")
    assert result["errors"]["test"] == pytest.approx(100.0)
    assert result["confusion"] == [[0, 0, 0], [0, 0, 0], [0, 3, 0]]


def test_images_get_the_size_and_colour_of_a_model_that_is_not_of_a_run(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_GCNN_CACHE", str(tmp_path / "cache"))
    model = brightness(tmp_path / "model.keras")
    folder = shaded(tmp_path / "folder", dark=10, middle=250, other=10)
    result = evaluate_folder(model, folder)
    assert result["confusion"] == [[3, 0, 0], [0, 3, 0], [3, 0, 0]]
    two = shaded(tmp_path / "two", dark=10, bright=250)
    with pytest.raises(ValueError, match=r"has images .* in 2 classes") as caught:
        evaluate_folder(model, two)
    assert "data set" not in str(caught.value)


@pytest.mark.backend_free
def test_rare_classes_weigh_more(rng):
    labels = np.array([0, 0, 0, 1])
    split = Split(rng.random((4, 3, 3, 1)), labels)
    weights = balanced_weights(labels)
    assert weights[labels].mean() == pytest.approx(1)
    assert 3 * weights[0] == pytest.approx(weights[1])
    settings = TrainingTable(class_weights="balanced", batch_size=4)
    _, found, weighted = Classification().batches(split, settings, 0)[0]
    np.testing.assert_array_equal(weighted, weights[found])
    assert len(Classification().batches(split, TrainingTable(batch_size=4), 0)[0]) == 2


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"size": 32}, "size: only for a folder"),
        ({"folder": "x", "name": "digits"}, "name and folder are two data sets"),
        ({"folder": "x", "rotate": ["test"]}, "rotate is for data sets with a name"),
        ({"folder": "x", "size": 0}, "number of pixels"),
        ({"folder": "x", "size": [3, 4, 5]}, "number of pixels"),
        ({"folder": "x", "size": True}, "number of pixels"),
        ({"folder": "x", "test": 1.0}, "share of the images"),
        ({"folder": "x", "fit": "squeeze"}, "'crop', 'pad', 'stretch' or 'center'"),
    ],
)
def test_keys_of_folders_are_checked(table, message):
    with pytest.raises(ValueError, match=message):
        DataTable.model_validate(table)
    assert DataTable(folder="a/b", size=8, test=0).size == (8, 8)


@pytest.mark.backend_free
def test_a_data_set_by_name_takes_the_place_of_a_folder_and_the_other_way_round(tmp_path):
    text = find_recipe("folder").read_text(encoding="utf-8")
    keys = 'folder = "images"\ntable = "a.csv"\nlabel_column = "b"\nsize = 20\n'
    path = tmp_path / "mine.toml"
    path.write_text(text.replace('folder = "images"\n', keys).replace("test = 0.2", "test = 0.3"))
    mine = load_recipe(path).data
    assert (mine.name, mine.folder, mine.size) == (None, "images", (20, 20))
    by_name = load_recipe(path, data__name="digits").data
    assert by_name == DataTable(name="digits")
    assert (by_name.folder, by_name.title) == (None, "digits")
    digits = load_recipe("rotated_mnist_small", data__name="digits").data
    assert digits.name == "digits"
    other = load_recipe(path, data__folder="pics").data
    assert other == mine.model_copy(update={"folder": "pics"})
    text = find_recipe("digits").read_text(encoding="utf-8").replace('rotate = ["test"]\n', "")
    path.write_text(text)
    recipe = load_recipe(path, data__folder="pics")
    assert (recipe.data.name, recipe.data.folder) == (None, "pics")
    assert Recipe.model_validate(recipe.model_dump()) == recipe


@pytest.mark.backend_free
def test_a_run_that_noted_a_name_beside_its_folder_goes_on():
    """Earlier versions did, also the name of the recipe of which --data took the place."""
    new = {**recipe("pics").model_dump(mode="json"), "backend": "jax"}
    assert new["data"]["name"] is None
    old = {**new, "data": {**new["data"], "name": "rotated_mnist"}}
    assert find_changes(old, new, [("P4", 0)]) == []
    other = {**new, "data": {**new["data"], "folder": "other"}}
    (change,) = find_changes(old, other, [("P4", 0)])
    assert change == 'data.folder was "pics" and is "other"'


@pytest.mark.backend_free
def test_the_home_folder_and_the_names_of_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    table = DataTable(folder="~/pets", table="~/labels.csv")
    assert (table.folder, table.table) == (str(tmp_path / "pets"), str(tmp_path / "labels.csv"))
    assert table.title == "pets"
    (tmp_path / "pets" / "cats").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "pets")
    titles = {folder: DataTable(folder=folder).title for folder in (".", "cats/..", "..", "cats/")}
    assert titles == {".": "pets", "cats/..": "pets", "..": tmp_path.name, "cats/": "cats"}
    (tmp_path / "link").symlink_to(tmp_path / "pets")
    assert DataTable(folder=str(tmp_path / "link")).title == "link"


def written(images, text):
    """Moves the images of both classes together, with a table that names the test images."""
    rows = ["file,label,split"]
    for path in sorted(images.glob("*/*.png")):
        path.rename(images / f"{path.parent.name}{path.name}")
        split = "test" if path.stem in ("1", "2", "3", "4") else "train"
        rows.append(f"{path.parent.name}{path.name},{text[path.parent.name]},{split}")
    for name in ("rows", "columns"):
        (images / name).rmdir()
    (images / "labels.csv").write_text("\n".join(rows))


LENET = {"name": "P4", "builder": "lenet", "arguments": {"group": "p4", "widths": [2, 2]}}


@pytest.mark.parametrize(
    ("target", "text", "names"),
    [
        ("number", {"rows": "200", "columns": "300"}, {"RMSE", "mean error", "R2"}),
        (
            "labels",
            {"rows": "a", "columns": "a;b"},
            {"wrong labels %", "images with a wrong label %", "area under the curve"},
        ),
    ],
)
def test_numbers_and_several_labels_are_learned(images, tmp_path, target, text, names):
    written(images, text)
    content = {
        "title": "stripes",
        "data": {"folder": str(images), "target": target, "validation": 8},
        "training": {"epochs": 2, "batch_size": 12},
        "models": [LENET],
    }
    (result,) = training.train(Recipe.model_validate(content), tmp_path / "run")
    measures = result["measures"]
    assert set(measures) == names | {f"{name}, any angle" for name in names}
    text = (tmp_path / "run" / "results.md").read_text()
    assert all(name in text for name in names)
    if target == "number":  # from the beginning near the mean of the numbers, and of their scale
        assert measures["RMSE"] < 150
    again = training.train(Recipe.model_validate({**content, "title": "x"}), tmp_path / "run")
    assert again == [result]
    model = tmp_path / "run" / "P4-seed0" / "model.keras"
    assert metadata.read(model)["target"] == target
    found = evaluate_folder(model, images, output=tmp_path / "out")
    assert found["measures"] == pytest.approx(measures, rel=1e-4)
    assert found["images"] == 8
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["results.json"]


def test_numbers_keep_their_precision_in_training_with_bfloat16():
    """It holds the numbers from 1024 to 2048 to 8."""
    years = np.arange(1900.0, 2000.0)[:, None].astype("float32")
    split = Split(np.zeros((100, 2, 2, 1), "float32"), years)
    dataset = Dataset("years", split, split, split, (), "")
    image = keras.Input((2, 2, 1))
    half = keras.layers.Flatten(dtype="mixed_bfloat16")(image)
    outputs = keras.layers.Dense(1, "linear", dtype="mixed_bfloat16")(half)
    with dtype_policy("mixed_bfloat16"):
        network = Regression().finish(keras.Model(image, outputs), dataset)
    found = network.predict(split.images[:1], verbose=0)  # the bias is zero: the mean
    np.testing.assert_allclose(found, [[1949.5]])


@pytest.mark.backend_free
def test_measures_of_numbers_and_labels():
    labels = np.array([[1.0], [2.0], [3.0]])
    found = Regression().compare(labels, labels + np.array([[0.0], [1.0], [-1.0]]))
    assert found["RMSE"] == pytest.approx(np.sqrt(2 / 3))
    assert found["mean error"] == pytest.approx(2 / 3)
    assert found["R2"] == pytest.approx(0.0)
    labels = np.array([[1, 0], [0, 1], [1, 1], [0, 0]])
    outputs = np.array([[3.0, -1.0], [-2.0, 1.0], [-1.0, 2.0], [-3.0, -2.0]])
    found = Labelling().compare(labels, outputs)
    assert found["wrong labels %"] == pytest.approx(100 / 8)
    assert found["images with a wrong label %"] == pytest.approx(100 / 4)
    assert found["area under the curve"] == pytest.approx(1.0)
    assert np.isnan(Labelling().compare(labels * 0, outputs)["area under the curve"])
