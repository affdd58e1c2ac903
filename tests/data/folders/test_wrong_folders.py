"""Folders that are wrong in some way are refused by a sentence that says what to do."""

import os

import pytest

from keras_gcnn.data import load_folder

pytestmark = pytest.mark.backend_free


def empty_class(pets, write):
    (pets / "bird").mkdir()


def single_class(pets, write):
    for path in (pets / "dog").iterdir():
        path.unlink()
    (pets / "dog").rmdir()


def text_named_png(pets, write):
    (pets / "cat" / "notes.png").write_text("hello")


def broken(pets, write):
    path = pets / "cat" / "3.png"
    path.write_bytes(path.read_bytes()[:60])


def no_classes(pets, write):
    for path in list(pets.glob("*/*")):
        path.rename(pets / f"{path.parent.name}{path.name}")
    for name in ("cat", "dog"):
        (pets / name).rmdir()


def other_folders(pets, write):
    (pets / "cat").rename(pets / "train")
    (pets / "train" / "x").mkdir()


def empty_train(pets, write):
    for path in list(pets.iterdir()):
        path.rename(pets.parent / path.name)
    (pets / "train").mkdir()


def file(pets, write):
    os.rename(pets, pets.parent / "elsewhere")
    pets.write_text("no folder")


def gone(pets, write):
    os.rename(pets, pets.parent / "elsewhere")


def labels(text):
    def make(pets, write):
        no_classes(pets, write)
        (pets / "labels.csv").write_bytes(text.encode("latin-1"))

    return make


def two_tables(pets, write):
    labels("file,label\ncat1.png,1\n")(pets, write)
    (pets / "more.csv").write_text("file,label\n")


def cyclic_link(pets, write):
    (pets / "cat" / "again").symlink_to(pets / "cat")


def masks(pets, write):
    (pets / "cat").rename(pets / "images")
    (pets / "dog").rename(pets / "masks")


def missing_mask(pets, write):
    masks(pets, write)
    (pets / "masks" / "3.png").unlink()


def missing_image(pets, write):
    missing_mask(pets, write)
    (pets / "images" / "3.png").unlink()
    (pets / "images" / "4.png").unlink()


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (empty_class, {}, "class 'bird' is empty: .*bird holds no image. Put images into it, or"),
        (single_class, {}, "has a single class, 'cat'; .* Add a folder"),
        (text_named_png, {}, r"1 of 21 images .*\n.*notes.png: is no image\n.*damaged=\"skip\""),
        (broken, {}, r"1 of 20 images .*\n.*3.png: is damaged"),
        (no_classes, {}, "no folders in it; expected one for each class, .* or a CSV file"),
        (other_folders, {}, "folder of training images and others beside it: dog"),
        (empty_train, {}, "train has no folders in it"),
        (file, {}, "is a file; expected a folder"),
        (gone, {}, "does not exist; expected a folder"),
        (labels(""), {}, "has no rows below its head"),
        (labels("file,label\n"), {}, "has no rows below its head"),
        (labels("name,label\na.png,1\n"), {}, "no column file or .* It has name, label"),
        (labels("file,kind\na.png,1\n"), {}, "no column label or .* It has file, kind"),
        (labels("file,label\ncat1.png\n"), {}, "row 2 has another number of cells"),
        (labels("file,label\na.png,1\n"), {}, "1 of 1 rows name files that do not exist: a.png"),
        (labels("file,label\ncat1.png,\n"), {}, "1 of 1 rows have no label: cat1.png"),
        (labels("file,label\ncat1.png,1\ncat1.png,2\n"), {}, "names cat1.png twice"),
        (labels("file,label\ncat1.png,\xe4\n"), {}, "no text in UTF-8. Save it as CSV in UTF-8"),
        (labels('file,label\ncat1.png,"1\n'), {}, "is no CSV file"),
        (labels("file,label,split\ncat1.png,1,x\n"), {}, "pets/labels.csv: the split 'x' is not"),
        (
            labels("file,label\ncat1.png,1\ncat2.png,two\n"),
            {"target": "number"},
            "cat2.png has the label 'two', which is no finite number",
        ),
        (labels("file,label\ncat1.png,inf\n"), {"target": "number"}, "'inf', which is no finite"),
        (labels("file,label\ncat1.png,1e39\n"), {"target": "number"}, "'1e39', which is no finite"),
        (
            labels("file,label,label\ncat1.png,1,2\n"),
            {},
            "has 2 columns 'label', and it is not clear which has the labels. Rename or remove",
        ),
        (
            labels("file,label,p,split\ncat1.png,1,a,test\ncat2.png,2,a,\n"),
            {"table": "labels.csv", "group_column": "p"},
            "images of the group 'a' are in the splits test and train, .* Write one split for each",
        ),
        (
            labels("file,label,p\ncat1.png,1,\ncat2.png,2,a\n"),
            {"table": "labels.csv", "group_column": "p"},
            "1 of 2 rows have no group: cat1.png",
        ),
        (
            labels("file,label,p\ncat1.png,1,a\ncat2.png,2,a\n"),
            {"table": "labels.csv", "group_column": "q"},
            "no column 'q' for the groups. It has file, label, p",
        ),
        (
            labels("file,label,p\n" + "".join(f"cat{n}.png,{n % 2},a\n" for n in range(10))),
            {"table": "labels.csv", "group_column": "p"},
            "no group is small enough for 2 test images",
        ),
        (two_tables, {}, "no folders in it"),
        (two_tables, {"target": "number"}, "there are 2 in the folder. Name one by table="),
        (None, {"target": "number"}, "there are 0 in the folder"),
        (None, {"table": "nowhere.csv"}, "nowhere.csv cannot be read: No such file"),
        (None, {"target": "mask"}, "has to hold the folders images and masks"),
        (masks, {"target": "mask"}, "have more than 64 different values"),
        (masks, {}, 'holds images and masks: use target="mask"'),
        (None, {"masks": "foreground"}, 'masks="foreground" is for target="mask"; it is "class"'),
        (missing_mask, {"target": "mask"}, "there is no mask for 1 file.*: 3. Names have to"),
        (missing_image, {"target": "mask"}, "there is no image for 1 file.*: 4"),
        (None, {"test": 20}, "test=20 asks for 20 of 20 images and leaves none to train on"),
        (None, {"validation": 16}, "validation=16 asks for 16 of 16 images"),
        (None, {"test": 17, "validation": 2}, "no training image is left of (cat|dog)"),
        (None, {"test": -1}, "test=-1: expected a fraction"),
        (None, {"test": 1.5}, "test=1.5: expected a fraction"),
        (None, {"validation": "many"}, "validation='many': expected"),
        (None, {"size": 0}, "size=0 has to be a number of pixels from 1 to 8192"),
        (None, {"size": (8,)}, r"size=\(8,\) has to be"),
        (None, {"size": 8.0}, "size=8.0 has to be"),
        (None, {"size": 100_000}, "size=100000 has to be"),
        (None, {"fit": "squeeze"}, "fit='squeeze'.*crop"),
        (None, {"color": "red"}, "color='red'.*grey"),
        (None, {"interpolation": "cubic"}, "interpolation='cubic'"),
        (None, {"target": "classes"}, "target='classes'"),
        (None, {"damaged": "ignore"}, "damaged='ignore'"),
        (None, {"file_column": "a"}, "Columns are those of a table: name the CSV file"),
        (None, {"subset": 0}, "subset=0"),
        (None, {"seed": -1}, "seed=-1"),
    ],
)
def test_a_sentence_says_what_to_do(pets, write, cache, make, options, message):
    if make:
        make(pets, write)
    before = sorted(pets.rglob("*")) if pets.is_dir() else None
    with pytest.raises(ValueError, match=message):
        load_folder(pets, **options)
    if before is not None:
        assert sorted(pets.rglob("*")) == before  # nothing is written there


def test_odd_folders_that_are_good(pets, write, tmp_path):
    cyclic_link(pets, write)
    (pets / "cat" / "Thumbs.db").write_text("other files are left out")
    (pets / "dog" / ".hidden.png").write_text("and hidden ones")
    (pets / ".git").mkdir()
    (pets / "dog" / "0.png").rename(pets / "dog" / "with spaces and accents é.PNG")
    (tmp_path / "elsewhere").mkdir()
    (pets / "cat" / "1.png").rename(tmp_path / "elsewhere" / "1.png")
    (pets / "cat" / "1.png").symlink_to(tmp_path / "elsewhere" / "1.png")
    (pets / "dog").rename(tmp_path / "dogs")
    (pets / "dog").symlink_to(tmp_path / "dogs")
    dataset = load_folder(pets, test=0, validation=0)
    assert len(dataset.train) == 20
    assert dataset.classes == ("cat", "dog")


def test_a_few_damaged_files_are_left_out_and_told(pets, write):
    broken(pets, write)
    text_named_png(pets, write)
    dataset = load_folder(pets, damaged="skip", test=0, validation=0)
    assert len(dataset.train) == 19
    assert "2 of 21 files could not be used" in dataset.description
    images = dataset.train.images[:]
    assert images.max(axis=(1, 2, 3)).min() > 0  # no zeros in place of them


def test_a_folder_that_may_not_be_read(pets):
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    pets.chmod(0)
    try:
        with pytest.raises(ValueError, match="cannot be read: Permission denied"):
            load_folder(pets)
    finally:
        pets.chmod(0o700)


def test_a_cache_that_cannot_be_written(pets, tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(ValueError, match=r"cannot be written.*KERAS_GCNN_CACHE"):
        load_folder(pets, cache=tmp_path / "file")


def test_a_cache_that_was_deleted(pets, cache):
    images = load_folder(pets).train.images
    for path in cache.iterdir():
        path.unlink()
    with pytest.raises(FileNotFoundError, match=r"decoded images, is gone\. Load the images again"):
        images[:2]


def test_what_a_killed_process_left_is_removed_a_day_later(pets, cache):
    cache.mkdir()
    old, new = cache / ".partial-0", cache / ".partial-1"
    for path in (old, new):
        path.write_text("half")
    os.utime(old, (0, 0))
    load_folder(pets)
    assert (old.exists(), new.exists()) == (False, True)
