"""Saved classifiers name the classes of image files, with what they know of their images."""

import csv
import io

import keras
import numpy as np
import pytest
from PIL import Image

from keras_gcnn import export
from keras_gcnn.export import metadata
from keras_gcnn.export.saving import save_and_compare
from keras_gcnn.rewriting.symmetrize import symmetrize
from keras_gcnn.training.predictions.classes import Classifier, as_csv
from keras_gcnn.training.predictions.files import find_images
from keras_gcnn.training.predictions.labels import table_of_labels
from keras_gcnn.training.predictions.numbers import table_of_numbers
from keras_gcnn.training.predictions.opening import load_predictor
from tests.helpers.levels import COMPILING, thoroughly

KNOWN = {
    "classes": ["left", "right"],
    "images": {
        **{"rows": 4, "columns": 4, "channels": 1},
        **{"fit": "stretch", "interpolation": "nearest"},
    },
}


def model(activation=None):
    """Says which half of an image is brighter; the logits are ten times the brightness."""
    kernel = np.zeros((4, 4, 1, 2), "float32")
    kernel[:, :2, :, 0] = kernel[:, 2:, :, 1] = 10 / 8
    image = keras.Input((4, 4, 1))
    maps = keras.layers.Conv2D(2, 4, use_bias=False)(image)
    result = keras.Model(image, keras.layers.Activation(activation)(keras.layers.Flatten()(maps)))
    result.layers[1].set_weights([kernel])
    return result


@pytest.fixture
def pictures(tmp_path):
    """Images whose left or right half is brighter, of another size and colour than the model's."""
    folder = tmp_path / "some pictures"
    (folder / "deep").mkdir(parents=True)
    for name, column in (("a.png", 0), ("deep/b.png", 1)):
        pixels = np.zeros((8, 2, 3), "uint8")
        pixels[:, column] = 255
        Image.fromarray(pixels).resize((8, 12), Image.NEAREST).save(folder / name)
    (folder / "bad.png").write_text("no image")
    (folder / "notes.txt").write_text("left out")
    return folder


@pytest.fixture(params=["keras", "onnx", "scaled onnx"])
def file(request, tmp_path):
    kind = request.param.split()[-1]
    scale = 1 / 255 if "scaled" in request.param else None
    path = tmp_path / f"model.{kind}"
    known = {"classes": KNOWN["classes"], "images": KNOWN["images"]}
    save_and_compare(model(), path, scale=scale, **known)
    return path


def test_images_are_prepared_as_in_training(file, pictures):
    classifier = load_predictor(file)
    assert classifier.classes == ("left", "right")
    found = list(classifier.predict(find_images([pictures])))
    left, bad, right = found
    assert [each.path.name for each in found] == ["a.png", "bad.png", "b.png"]
    expected = 1 / (1 + np.exp(-10))
    np.testing.assert_allclose(left.probabilities, [expected, 1 - expected], atol=1e-6)
    np.testing.assert_allclose(right.probabilities, [1 - expected, expected], atol=1e-6)
    assert (bad.probabilities, bad.reason) == (None, "is no image")
    rows = list(csv.reader(io.StringIO(as_csv(found, classifier.classes, True))))
    assert rows[0][1:] == [
        *("class", "probability", "probability of left", "probability of right", "problem")
    ]
    assert [row[1] for row in rows[1:]] == ["left", "", "right"]
    assert rows[2][-1] == "is no image"


def test_probabilities_stay_and_unknown_classes_have_numbers(tmp_path, pictures):
    save_and_compare(model("softmax"), tmp_path / "model.keras", images=KNOWN["images"])
    classifier = load_predictor(tmp_path / "model.keras")
    assert classifier.classes == ("0", "1")
    (found,) = classifier.predict([pictures / "a.png"])
    assert found.probabilities[0] == pytest.approx(1 / (1 + np.exp(-10)), abs=1e-6)


@pytest.mark.parametrize("make", [keras.layers.Softmax, lambda: keras.ops.softmax])
def test_a_softmax_behind_the_last_layer_is_known(tmp_path, make):
    scores = model()
    network = keras.Model(scores.inputs[0], make()(scores.output))
    assert metadata.activation_of(network) == "softmax"
    path, _ = save_and_compare(network, tmp_path / "model.onnx")
    assert metadata.read(path)["activation"] == "softmax"


@pytest.mark.parametrize("last", ["softmax", "sigmoid", "linear"])
def test_the_end_of_a_network_within_a_network_is_known(last):
    inner = model(last)
    other = "linear" if last == "linear" else None  # no probabilities any more
    for reduce, expected in (("mean", last), ("max", last), ("logmeanexp", other)):
        averaged = symmetrize(inner, "p4", reduce=reduce)
        assert metadata.activation_of(averaged) == expected
    assert metadata.activation_of(keras.Sequential([keras.Input((4, 4, 1)), inner])) == last


def rows_of(text):
    return list(csv.reader(io.StringIO(text)))


@pytest.mark.parametrize("ending", ["keras", "onnx"])
def test_an_image_has_any_number_of_labels(tmp_path, pictures, ending):
    Image.fromarray(np.zeros((4, 4), "uint8")).save(pictures / "dark.png")
    Image.fromarray(np.full((4, 4), 255, "uint8")).save(pictures / "white.png")
    scores = model()
    logits = keras.layers.Rescaling(1.0, -5.0)(scores.output)
    network = keras.Model(scores.inputs[0], logits)
    path = tmp_path / f"model.{ending}"
    save_and_compare(network, path, target="labels", **KNOWN)
    text, problems = table_of_labels(load_predictor(path), find_images([pictures]))
    assert problems == {pictures / "bad.png": "is no image"}
    head, *rows = rows_of(text)
    assert head == ["file", "labels", "probability of left", "probability of right", "problem"]
    found = {row[0].split("/")[-1]: row[1:] for row in rows}
    sure = 1 / (1 + np.exp(-5))
    for name, labels, expected in (
        ("a.png", "left", (sure, 1 - sure)),
        ("b.png", "right", (1 - sure, sure)),
        ("dark.png", "-", (1 - sure, 1 - sure)),
        ("white.png", "left;right", (sure, sure)),
    ):
        assert found[name][0] == labels
        np.testing.assert_allclose(list(map(float, found[name][1:3])), expected, atol=2e-6)
        assert found[name][3] == ""
    assert found["bad.png"] == ["", "", "", "is no image"]


def test_labels_of_a_network_that_ends_by_sigmoid_are_its_probabilities(tmp_path, pictures):
    save_and_compare(model("sigmoid"), tmp_path / "model.keras", target="labels", **KNOWN)
    text, _ = table_of_labels(load_predictor(tmp_path / "model.keras"), [pictures / "a.png"])
    assert rows_of(text)[1][1:3] == ["left;right", f"{1 / (1 + np.exp(-10)):.6f}"]


@pytest.mark.parametrize("ending", ["keras", *thoroughly("onnx", on=COMPILING)])
def test_a_number_is_predicted(tmp_path, pictures, ending):
    scores = model()
    network = keras.Model(scores.inputs[0], keras.layers.Dense(1)(scores.output))
    network.layers[-1].set_weights([np.array([[-30.0], [-2.0]]), np.array([400.0])])
    path = tmp_path / f"model.{ending}"
    save_and_compare(network, path, target="number", images=KNOWN["images"])
    text, problems = table_of_numbers(load_predictor(path), find_images([pictures]))
    assert problems == {pictures / "bad.png": "is no image"}
    head, left, bad, right = rows_of(text)
    assert head == ["file", "number", "problem"]
    assert float(left[1]) == pytest.approx(100.0)
    assert float(right[1]) == pytest.approx(380.0)
    assert bad[1:] == ["", "is no image"]
    save_and_compare(model(), path, target="number")
    with pytest.raises(ValueError, match=r"outputs of shape \(.*2\); expected a single number"):
        load_predictor(path)


def test_metadata_of_any_content_does_no_harm(tmp_path):
    model().save(tmp_path / "model.keras")
    assert metadata.read(tmp_path / "model.keras") == {}
    metadata.add_to_keras(tmp_path / "model.keras", {"classes": 3, "images": "x", "scale": "y"})
    assert metadata.read(tmp_path / "model.keras") == {}
    assert load_predictor(tmp_path / "model.keras").classes == ("0", "1")
    model().save(tmp_path / "other.keras")
    metadata.add_to_keras(tmp_path / "other.keras", {"target": "something"})
    assert isinstance(load_predictor(tmp_path / "other.keras"), Classifier)


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("known", "message"),
    [
        ({"images": {"rows": 200_000, "columns": 200_000}}, "of 200000 rows and 200000 columns"),
        ({"images": {"rows": 0, "columns": 4}}, "of 0 rows and 4 columns; expected at least 1"),
        ({"images": {"rows": 4, "columns": -4}}, "at most 134217728 numbers in an image"),
        ({"images": {"rows": 4, "columns": True}}, "does not say which it is for"),
        ({"scale": 0}, "multiplies its inputs by 0, which has to be a number above zero"),
        ({"scale": float("nan")}, "inputs by nan"),
        ({"scale": 10**400}, "that float32 holds"),
    ],
)
def test_metadata_that_no_image_fits_is_refused(tmp_path, known, message):
    image = keras.Input((None, None, 1))
    pooled = keras.layers.GlobalAveragePooling2D()(image)
    keras.Model(image, keras.layers.Dense(2)(pooled)).save(tmp_path / "open.keras")
    metadata.add_to_keras(tmp_path / "open.keras", {"images": KNOWN["images"], **known})
    with pytest.raises(ValueError, match=message):
        load_predictor(tmp_path / "open.keras")


def test_files_that_are_no_classifiers_are_refused(tmp_path, pictures):
    image = keras.Input((None, None, 1))
    export.save(
        keras.Sequential([image, keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)]),
        tmp_path / "open.keras",
    )
    export.save(keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]), tmp_path / "v.keras")
    maps = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Conv2D(2, 3)])
    export.save(maps, tmp_path / "maps.keras")
    (tmp_path / "no.onnx").write_text("no model")
    for name, message in (
        ("open.keras", "takes images of any size, and does not say which"),
        ("v.keras", r"input of shape .* expected \(batch, rows, columns"),
        ("maps.keras", "expected a score for each of several classes"),
        ("no.onnx", "cannot be loaded"),
        ("none.keras", "does not exist"),
        ("model.h5", r"expected a \.keras or an \.onnx file"),
    ):
        with pytest.raises(ValueError, match=message):
            load_predictor(tmp_path / name)
    with pytest.raises(ValueError, match=r"does not exist\. Name image files"):
        find_images([pictures / "nothing.png"])
    with pytest.raises(ValueError, match="no image in what was named"):
        find_images([pictures.parent / "empty"] if (pictures.parent / "empty").mkdir() else [])
