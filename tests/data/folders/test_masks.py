"""Folders of images and masks."""

import unicodedata

import numpy as np
import pytest
from PIL import Image

from keras_gcnn.data import load_folder
from keras_gcnn.data.folders import blocks
from keras_gcnn.data.folders.fitting import Shape, fit_image, unfit_image
from keras_gcnn.data.folders.masks import decode_mask, fit_mask
from keras_gcnn.data.folders.options import Folder
from keras_gcnn.data.folders.survey import survey

pytestmark = pytest.mark.backend_free
WHOLE = {"target": "mask", "test": 0, "validation": 0}


@pytest.fixture
def pairs(tmp_path, write):
    """Writes images and the given masks, as Pillow's images."""

    def make(masks, folder="cells", ending="png", **options):
        (tmp_path / folder / "masks").mkdir(parents=True)
        for number, mask in enumerate(masks):
            write(f"{folder}/images/{number}.png", (*mask.size[::-1], 3))
            mask.save(tmp_path / folder / "masks" / f"{number}.{ending}", **options)
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


def _palette(*colours):
    mask = Image.new("P", (2, 1))
    mask.putpalette([part for colour in colours for part in colour])
    mask.putdata([1, 0])
    return mask


@pytest.mark.parametrize(
    ("masks", "options", "message"),
    [
        ([_grey([0, 255])] * 2, {"ending": "jpg"}, "compressed as photographs are"),
        ([_grey([0, 255])] * 2, {"ending": "webp"}, "compressed as photographs are"),
        ([Image.new("F", (2, 1), 7.0)] * 2, {"ending": "tif"}, "mask has floating-point numbers;"),
        (
            [_palette((0, 0, 0), (9, 9, 9)), _palette((9, 9, 9), (0, 0, 0))],
            {},
            r"#090909 as number 0 of its palette, which is #000000 in .*0\.png",
        ),
    ],
)
def test_masks_whose_values_cannot_be_trusted(pairs, masks, options, message):
    folder = pairs(masks, **options)
    with pytest.raises(ValueError, match=message):
        load_folder(folder, **WHOLE)


def test_values_of_lossless_and_of_inverted_files(pairs):
    lossless = pairs([_grey([0, 255])] * 2, "lossless", "webp", lossless=True)
    inverted = pairs([_grey([0, 255])] * 2, "inverted", "tif", tiffinfo={262: 0})
    assert _masks(load_folder(lossless, **WHOLE).train)[0].tolist() == [[0, 1]]
    # The file has 255 for black, and the number counts.
    assert _masks(load_folder(inverted, **WHOLE).train)[0].tolist() == [[1, 0]]


def test_masks_turn_as_their_tiff_notes(pairs):
    folder = pairs([_grey([0, 1, 2], [3, 4, 5])] * 2, ending="tif", tiffinfo={274: 6})
    for number in range(2):
        upright = np.zeros((3, 2, 3), "uint8")
        Image.fromarray(upright).save(folder / "images" / f"{number}.png")
    dataset = load_folder(folder, **WHOLE)
    assert dataset.image_shape == (3, 2, 3)
    assert _masks(dataset.train)[0].tolist() == [[3, 0], [4, 1], [5, 2]]


def test_every_image_has_one_mask_of_its_name(pairs):
    folder = pairs([_grey([0, 1])] * 2)
    for name, form in (("images", "NFC"), ("masks", "NFD")):  # the accents of two systems
        (folder / name / "0.png").rename(folder / name / unicodedata.normalize(form, "\xe9.png"))
    (folder / "masks" / "notes.txt").write_text("drawn by hand")
    assert len(load_folder(folder, **WHOLE).train) == 2
    assert "other files: 1" in str(survey(Folder(folder, target="mask")))
    _grey([0, 1]).save(folder / "images" / "1.bmp")
    with pytest.raises(ValueError, match=r"1\.bmp and .*1\.png have the same name but for"):
        load_folder(folder, **WHOLE)


def test_classes_of_a_network_and_of_the_training_images(pairs):
    masks = [_grey([0, 1]), _grey([0, 1]), _grey([0, 2])]
    folder = pairs(masks)
    for split, numbers in (("train", [0, 1]), ("test", [2])):
        for name in ("images", "masks"):
            (folder / split / name).mkdir(parents=True)
            for number in numbers:
                (folder / name / f"{number}.png").rename(folder / split / name / f"{number}.png")
    for name in ("images", "masks"):
        (folder / name).rmdir()
    with pytest.raises(ValueError, match=r"no training image is left of 2\."):
        load_folder(folder, **WHOLE)
    known = load_folder(folder, **WHOLE, classes=["0", "1", "2", "9"])
    assert known.classes == ("0", "1", "2", "9")
    assert _masks(known.test).tolist() == [[[0, 2]]]
    with pytest.raises(ValueError, match=r"have the values 2, which are none of the classes 0, 1"):
        load_folder(folder, **WHOLE, classes=["0", "1"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"table": "x.csv"}, "table='x.csv' is not read with masks"),
        ({"target": "number", "classes": ["a"]}, 'target="number" has none'),
        ({"classes": ["cell"]}, "'cell' is no value of a mask"),
    ],
)
def test_options_that_do_not_go_with_masks(pairs, options, message):
    with pytest.raises(ValueError, match=message):
        load_folder(pairs([_grey([0, 1])] * 2), **{**WHOLE, **options})


def test_a_survey_of_links_and_equal_images(pairs):
    folder = pairs([_grey([0, 0])] * 2)
    for name in ("images", "masks"):
        (folder / name / "9.png").symlink_to(folder / "nothing.png")
    (folder / "images" / "1.png").write_bytes((folder / "images" / "0.png").read_bytes())
    text = str(survey(Folder(folder, target="mask")))
    assert "9.png: does not exist" in text
    assert "duplicates: 1 image is there more than once\n" in text  # their masks are equal too
    assert "there is nothing to tell apart" in text
    _grey([0, 1]).save(folder / "masks" / "1.png")
    assert "1 of them with several masks" in str(survey(Folder(folder, target="mask")))


def test_large_masks_are_worked_on_in_parts(monkeypatch, rng):
    monkeypatch.setattr(blocks, "_PIXELS", 20)
    mask = rng.integers(0, 3, (9, 7)).astype("uint32")
    values, counts = np.unique(mask, return_counts=True)
    assert blocks.count_values(mask) == dict(zip(values.tolist(), counts.tolist(), strict=True))
    np.testing.assert_array_equal(
        blocks.by_blocks(lambda part: part[..., None] + 1, mask)[..., 0], mask + 1
    )
    colours = mask * 2**22
    np.testing.assert_array_equal(fit_mask(colours, Shape(9, 7, 3)), colours)
