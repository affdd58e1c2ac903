"""Names that another system or program wrote: of files, classes, and columns of a table."""

import os
import unicodedata

import numpy as np
import pytest

from keras_gcnn.data import load_folder
from keras_gcnn.data.folders import targets
from keras_gcnn.data.folders.contact_sheet import write_contact_sheet
from keras_gcnn.data.folders.options import Folder
from keras_gcnn.data.folders.survey import survey
from keras_gcnn.data.folders.written_once import cache_folder
from keras_gcnn.training.recipes.new import write_recipe

pytestmark = pytest.mark.backend_free
WHOLE = {"test": 0, "validation": 0}


@pytest.mark.parametrize(
    ("stored", "named"),
    [
        ("a{}.png", " a{}.png "),
        ("deep/a{}.png", "deep\\a{}.png"),
        (unicodedata.normalize("NFD", "é{}.png"), unicodedata.normalize("NFC", "é{}.png")),
        (unicodedata.normalize("NFC", "é{}.png"), unicodedata.normalize("NFD", "é{}.png")),
    ],
)
def test_a_table_may_be_of_another_system(write, tmp_path, stored, named):
    """Its labels may have blanks around them, and its last rows may be empty."""
    brightness = {}
    for number in range(6):
        brightness[write(f"loose/{stored.format(number)}").sum()] = number % 2
    rows = [f"{named.format(n)},{('a', ' b ', ' a', 'b')[n % 4]}" for n in range(6)]
    path = tmp_path / "loose" / "labels.csv"
    path.write_text("\n".join(["file,label", *rows, ",", " , "]), encoding="utf-8")
    dataset = load_folder(tmp_path / "loose", table="labels.csv", **WHOLE)
    assert dataset.classes == ("a", "b")
    sums = np.round(255 * dataset.train.images[:].sum((1, 2, 3), dtype="float64")).astype(int)
    assert [brightness[each] for each in sums.tolist()] == dataset.train.labels.tolist()
    assert "classes: a 3, b 3" in str(survey(Folder(tmp_path / "loose", table="labels.csv")))


def test_an_accent_of_one_or_of_two_characters_is_of_one_class(write, tmp_path):
    one, two = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))
    for number in range(4):
        for name in (f"train/{one}", "train/z", f"test/{two}", "test/z"):
            write(f"pets/{name}/{number}.png")
    dataset = load_folder(tmp_path / "pets", validation=0)
    assert dataset.classes == (one, "z")  # in the order of the first spelling
    assert np.bincount(dataset.test.labels).tolist() == [4, 4]
    # A network of an earlier version may know the class by two characters.
    again = load_folder(tmp_path / "pets", validation=0, classes=["ant", two, "z"])
    assert again.classes == ("ant", two, "z")
    assert np.bincount(again.train.labels).tolist() == [0, 4, 4]


def test_bytes_that_are_no_text_are_told_by_their_numbers(write, tmp_path):
    name = os.fsdecode(b"caf\xe9")
    for number in range(4):
        write(f"pets/coffee/{number}.png")
        write(f"pets/tea/{number}.png")
    try:
        (tmp_path / "pets" / "coffee").rename(tmp_path / "pets" / name)
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    assert load_folder(tmp_path / "pets", **WHOLE).classes == (r"caf\udce9", "tea")
    found = survey(Folder(tmp_path / "pets"))
    assert r"classes: caf\udce9 4, tea 4" in str(found)
    write_contact_sheet(found, tmp_path / "sheet.png")
    write_recipe(tmp_path / "mine.toml", found)
    assert r"of the classes caf\udce9, tea" in (tmp_path / "mine.toml").read_text("utf-8")
    with pytest.raises(ValueError, match=r"caf\\udce9 has bytes in its name .* Rename it"):
        write_recipe(tmp_path / "other.toml", survey(_inside(tmp_path / "pets" / name)))
    assert not (tmp_path / "other.toml").exists()


def _inside(folder):
    """Returns the options of a folder with two classes, made of the images in it."""
    for number in range(4):
        (folder / str(number % 2)).mkdir(exist_ok=True)
        (folder / f"{number}.png").rename(folder / str(number % 2) / f"{number}.png")
    return Folder(folder)


def test_numbers_of_one_value_have_one_order():
    """A set of texts has another order in each process."""
    assert targets._sorted(["01", "1", "2"]) == targets._sorted(["2", "1", "01"])


def test_equal_images_in_several_splits_are_told(write, tmp_path):
    for number in range(4):
        for name in ("train/cat", "train/dog", "test/cat", "test/dog"):
            write(f"pets/{name}/{number}.png")
    folder = tmp_path / "pets"
    for old, new in (("train/cat/0", "test/cat/0"), ("train/dog/0", "train/dog/1")):
        (folder / f"{new}.png").write_bytes((folder / f"{old}.png").read_bytes())
    told = "duplicates: 2 images are there more than once, 1 of them in several splits, so that"
    assert told in str(survey(Folder(folder)))


def test_the_cache_may_be_named_from_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("KERAS_GCNN_CACHE", "~/decoded")
    assert cache_folder() == tmp_path / "decoded"
