"""Saved networks for masks write masks and overlays of image files."""

import csv
import io

import keras
import numpy as np
import pytest
from PIL import Image

from keras_gcnn.data.folders.colours import class_colours
from keras_gcnn.export.saving import save_and_compare
from keras_gcnn.training.predictions.files import check_table, check_written, find_images
from keras_gcnn.training.predictions.masks import _names, as_classes, table_of_masks
from keras_gcnn.training.predictions.opening import load_predictor

IMAGES = {"rows": 8, "columns": 8, "channels": 1, "fit": "pad", "interpolation": "nearest"}


@pytest.fixture(params=["keras", "onnx"])
def file(request, tmp_path):
    """A network for which bright pixels are of the second class."""
    image = keras.Input((8, 8, 1))
    maps = keras.layers.Conv2D(2, 1)(image)
    model = keras.Model(image, maps)
    model.set_weights([np.array([[[[-1.0, 1.0]]]]), np.array([0.5, -0.5])])
    path = tmp_path / f"model.{request.param}"
    save_and_compare(model, path, classes=["dark", "bright"], images=IMAGES)
    return path


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    (folder / "deep").mkdir(parents=True)
    pixels = np.zeros((4, 16), "uint8")
    pixels[:2, 4:] = 200
    Image.fromarray(pixels).save(folder / "a.png")
    Image.fromarray(pixels).save(folder / "a.bmp")
    Image.fromarray(np.full((8, 8, 3), 250, "uint8")).save(folder / "deep" / "b.png")
    (folder / "bad.png").write_text("no image")
    return folder


def test_masks_have_the_size_of_the_image(file, pictures, tmp_path):
    out = tmp_path / "out"
    paths = find_images([pictures])
    text, problems = table_of_masks(load_predictor(file), paths, out)
    names = {str(path.relative_to(out)) for path in out.rglob("*.png")}
    stems = ("a.png", "a.bmp", "deep/b")  # two files of one name keep their endings
    assert names == {f"{stem}-{what}.png" for stem in stems for what in ("mask", "overlay")}
    with Image.open(out / "a.png-mask.png") as mask:
        assert mask.mode == "P"
        found = np.asarray(mask)
        assert mask.getpalette()[:6] == class_colours(2).flatten().tolist()
    pixels = np.asarray(Image.open(pictures / "a.png"))
    np.testing.assert_array_equal(found, pixels > 100)
    overlay = np.asarray(Image.open(out / "a.png-overlay.png"))
    dark = pixels == 0
    np.testing.assert_array_equal(overlay[dark], np.repeat(pixels[dark][:, None], 3, axis=1))
    expected = np.round(0.6 * 200 + 0.4 * class_colours(2)[1])
    np.testing.assert_array_equal(overlay[~dark], np.tile(expected, (24, 1)))
    assert problems == {pictures / "bad.png": "is no image"}
    rows = {row[0]: row[1:] for row in csv.reader(io.StringIO(text))}
    assert rows["file"] == ["share of dark", "share of bright", "problem"]
    assert rows[str(pictures / "a.png")] == ["0.625000", "0.375000", ""]
    assert rows[str(pictures / "bad.png")] == ["", "", "is no image"]
    with pytest.raises(ValueError, match=r"has files in it\. Choose a new folder"):
        table_of_masks(load_predictor(file), paths, out)


@pytest.mark.backend_free
def test_one_score_is_that_of_the_foreground():
    scores = np.array([[[-3.0], [0.4]], [[0.6], [2.0]]])
    assert as_classes(scores).tolist() == [[0, 1], [1, 1]]
    probabilities = np.array([[[0.1], [0.4]], [[0.6], [0.9]]])
    assert as_classes(probabilities).tolist() == [[0, 0], [1, 1]]
    assert as_classes(probabilities, probabilities=False).tolist() == [[1, 1], [1, 1]]


@pytest.mark.thorough("jax")
@pytest.mark.parametrize(("activation", "share"), [(None, 1), ("sigmoid", 0)])
def test_small_logits_are_no_probabilities(tmp_path, activation, share):
    image = keras.Input((8, 8, 1))
    model = keras.Model(image, keras.layers.Conv2D(1, 1, activation=activation)(image))
    model.set_weights([np.zeros((1, 1, 1, 1)), np.array([0.3 if activation is None else -0.3])])
    for ending in ("keras", "onnx"):
        save_and_compare(model, tmp_path / f"model.{ending}")
        segmenter = load_predictor(tmp_path / f"model.{ending}")
        Image.fromarray(np.zeros((8, 8), "uint8")).save(tmp_path / "a.png")
        (found,) = segmenter.predict([tmp_path / "a.png"])
        assert found.mask.mean() == share


@pytest.mark.backend_free
def test_names_differ_and_no_input_is_overwritten(pictures):
    paths = [pictures / name for name in ("a.png", "a.bmp", "a.png.jpg", "b.png")]
    assert _names(paths) == ["a.png", "a.bmp", "a.png.jpg", "b"]
    (pictures / ".hidden").mkdir()
    (pictures / ".hidden" / "c.png").write_text("no image")
    assert [path.name for path in find_images([pictures])] == ["a.bmp", "a.png", "bad.png", "b.png"]
    for path, message in ((pictures, "is a folder"), (pictures / "a.png", "is read here")):
        with pytest.raises(ValueError, match=message):
            check_written(path, find_images([pictures]))
    check_written(pictures / "new.csv", find_images([pictures]))
    for head in ("file,number,problem\n", 'file,"share of a, b",problem\n', ""):
        (pictures / "old.csv").write_text(head)
        check_table(pictures / "old.csv")
