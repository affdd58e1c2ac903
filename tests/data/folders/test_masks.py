"""Folders of images and masks."""

import numpy as np
import pytest
from PIL import Image

from keras_gcnn.data import load_folder
from keras_gcnn.data.folders.fitting import Shape, fit_image, unfit_image
from keras_gcnn.data.folders.masks import decode_mask, fit_mask

pytestmark = pytest.mark.backend_free
WHOLE = {"target": "mask", "test": 0, "validation": 0}


@pytest.fixture
def pairs(tmp_path, write):
    """Writes images and the given masks, as Pillow's images."""

    def make(masks, folder="cells", **options):
        (tmp_path / folder / "masks").mkdir(parents=True)
        for number, mask in enumerate(masks):
            write(f"{folder}/images/{number}.png", (*mask.size[::-1], 3))
            mask.save(tmp_path / folder / "masks" / f"{number}.png", **options)
        return tmp_path / folder

    return make


def _grey(*rows):
    return Image.fromarray(np.array(rows, "uint8"))


def _masks(split):
    return np.asarray(split.labels)


def test_values_are_classes_in_their_order(pairs):
    folder = pairs([_grey([0, 7], [7, 0]), _grey([255, 0], [0, 0])])
    dataset = load_folder(folder, **WHOLE)
    assert dataset.classes == ("0", "7", "255")
    assert _masks(dataset.train).tolist() == [[[0, 1], [1, 0]], [[2, 0], [0, 0]]]
    assert dataset.train.labels.shape == (2, 2, 2)
    assert dataset.train.labels[1].tolist() == [[2, 0], [0, 0]]
    assert _masks(dataset.train.first(1)).tolist() == [[[0, 1], [1, 0]]]
    again = load_folder(folder, **WHOLE)  # from the file of decoded masks
    np.testing.assert_array_equal(_masks(again.train), _masks(dataset.train))
    assert again.classes == dataset.classes


def test_foreground_is_all_but_zero(pairs):
    dataset = load_folder(pairs([_grey([0, 7], [9, 0])] * 2), **WHOLE, masks="foreground")
    assert dataset.classes == ("background", "foreground")
    assert _masks(dataset.train)[0].tolist() == [[0, 1], [1, 0]]


def test_palettes_colours_and_grey_agree(pairs, tmp_path):
    palette = Image.new("P", (2, 1))
    palette.putpalette([0, 0, 0, 200, 10, 10])
    palette.putdata([1, 0])
    dataset = load_folder(pairs([palette] * 2), **WHOLE)
    assert dataset.classes == ("background", "foreground")
    assert _masks(dataset.train)[0].tolist() == [[1, 0]]

    colours = Image.fromarray(np.array([[[255, 0, 0], [9, 9, 9]]], "uint8"))
    colours.save(tmp_path / "colours.png")
    assert decode_mask(tmp_path / "colours.png").tolist() == [[2**24 + 0xFF0000, 9]]
    dataset = load_folder(pairs([_grey([9, 9]), colours], "mixed"), **WHOLE)
    assert dataset.classes == ("9", "#ff0000")
    assert _masks(dataset.train).tolist() == [[[0, 0]], [[1, 0]]]


def test_masks_follow_their_images():
    mask = np.zeros((2, 4), "uint32")
    mask[:, 2:] = 2**24 + 5  # too large for float32
    doubled = fit_mask(mask, Shape(4, 8, 3, "stretch"))
    np.testing.assert_array_equal(doubled, mask.repeat(2, axis=0).repeat(2, axis=1))
    np.testing.assert_array_equal(fit_mask(mask, Shape(2, 2, 3)), mask[:, 1:3])  # cut off
    padded = fit_mask(mask + 3, Shape(4, 4, 1, "pad"))
    np.testing.assert_array_equal(padded[1:3], mask + 3)
    assert not padded[[0, 3]].any()  # the value 0, also where the mask does not have it


def test_a_mask_of_another_size_is_left_out(pairs):
    folder = pairs([_grey([0, 1])] * 3)
    _grey([0, 1, 1]).save(folder / "masks" / "1.png")
    (folder / "masks" / "2.png").write_text("no image")
    with pytest.raises(ValueError, match=r"1 x 2 pixels, and its mask 1 x 3(.|\n)*its mask is no"):
        load_folder(folder, **WHOLE)
    dataset = load_folder(folder, **WHOLE, damaged="skip")
    assert len(dataset.train) == 1
    assert "2 of 3 files could not be used" in dataset.description


def test_masks_that_are_no_classes(pairs):
    numbered = Image.fromarray(np.arange(100, dtype="uint16").reshape(10, 10))
    with pytest.raises(ValueError, match=r'more than 64 different values.*masks="foreground"'):
        load_folder(pairs([numbered] * 2), **WHOLE)
    with pytest.raises(ValueError, match="the value 3 alone; there is nothing to tell apart"):
        load_folder(pairs([_grey([3, 3])] * 2, "flat"), **WHOLE)


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch", "center"])
def test_a_fitted_mask_is_brought_back(fit):
    mask = np.zeros((16, 8, 1), "uint8")
    mask[6:10, 2:6] = 1  # in the middle, where nothing is cut off
    shape = Shape(8, 8, 1, fit, "nearest")
    back = unfit_image(fit_image(mask, shape), shape, (16, 8))
    np.testing.assert_array_equal(back, mask)
