"""Folders, splits and tables become data sets."""

import numpy as np
import pytest
from PIL import Image

from keras_gcnn.data import load_folder
from keras_gcnn.data.folders import cache as caching
from keras_gcnn.data.folders.fitting import Shape, fit_image

pytestmark = pytest.mark.backend_free


def test_a_folder_for_each_class(pets, write):
    dataset = load_folder(pets, validation=0.25, test=4)
    assert dataset.name == "pets"
    assert dataset.classes == ("cat", "dog")
    assert dataset.image_shape == (8, 8, 3)
    assert [len(getattr(dataset, split)) for split in ("train", "validation", "test")] == [12, 4, 4]
    for split in (dataset.train, dataset.validation, dataset.test):
        assert np.mean(split.labels) == 0.5  # every class in proportion
    images = np.concatenate(
        [np.asarray(getattr(dataset, split).images) for split in ("train", "validation", "test")]
    )
    labels = np.concatenate([dataset.train.labels, dataset.validation.labels, dataset.test.labels])
    expected = {
        (np.asarray(Image.open(path), "float32") / 255).tobytes(): label
        for label, name in enumerate(dataset.classes)
        for path in (pets / name).iterdir()
    }
    found = {image.tobytes(): int(label) for image, label in zip(images, labels, strict=True)}
    assert found == expected
    assert "8 x 8 pixels" in dataset.description


def test_test_images_are_the_same_for_every_seed_and_validation_images_are_not(pets):
    first, again, other = (load_folder(pets, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.train.images[:], again.train.images[:])
    np.testing.assert_array_equal(first.test.images[:], other.test.images[:])
    assert np.abs(first.validation.images[:] - other.validation.images[:]).max() > 0


def test_images_are_read_as_from_an_array(pets, cache):
    images = load_folder(pets, test=0, validation=0).train.images
    whole = np.asarray(images)
    assert images.shape == whole.shape == (20, 8, 8, 3)
    assert images.dtype == whole.dtype == np.float32
    np.testing.assert_array_equal(images[3], whole[3])
    np.testing.assert_array_equal(images[-3:], whole[-3:])
    chosen = np.array([7, 8, 9, 2, 2, 0])
    np.testing.assert_array_equal(images[chosen], whole[chosen])
    np.testing.assert_array_equal(images.select(chosen)[1:4], whole[chosen[1:4]])
    assert len(images[[]]) == 0
    with pytest.raises(IndexError):
        images[20]


def test_decoded_images_are_found_again_and_made_anew_after_a_change(pets, cache, write):
    def files():
        return {path.name: path.stat().st_mtime_ns for path in cache.iterdir()}

    load_folder(pets)
    before = files()
    load_folder(pets, seed=3)
    assert files() == before
    assert not any(name.startswith(".") for name in before)
    pixels = write("pets/cat/0.png", (9, 8, 3))
    dataset = load_folder(pets, fit="center", test=0, validation=0)
    assert len(files()) > len(before)
    changed = (pixels[:8] / 255).astype("float32")  # an odd row is cut off at the end
    assert any(np.allclose(image, changed) for image in dataset.train.images[:])


def test_images_that_were_decoded_in_another_way_are_decoded_again(pets, cache, monkeypatch):
    load_folder(pets)
    before = {path.name for path in cache.iterdir()}
    monkeypatch.setattr(caching, "VERSION", caching.VERSION - 1)
    load_folder(pets)
    assert len({path.name for path in cache.iterdir()} - before) == len(before)


def test_folders_of_splits(write, tmp_path):
    for split, count in (("train", 6), ("val", 2), ("test", 3)):
        for name in ("a", "b"):
            for number in range(count):
                write(f"{split}/{name}/deep/{number}.png")
    dataset = load_folder(tmp_path)
    assert [len(dataset.train), len(dataset.validation), len(dataset.test)] == [12, 4, 6]


def table(folder, text, **options):
    (folder / "labels.csv").write_text(text, encoding="utf-8")
    return load_folder(folder, **options)


@pytest.fixture
def loose(write, tmp_path):
    """Twelve images without classes."""
    for number in range(12):
        write(f"loose/{number:02}.png", (6, 6))
    return tmp_path / "loose"


def test_a_table_of_classes_with_groups_that_stay_together(loose):
    rows = [f"{n:02}.png;{n % 3 == 0};patient {n // 2}" for n in range(12)]
    text = "File;Label;patient\n" + "\n".join(rows)
    dataset = table(loose, text, group_column="patient", test=4, validation=2, table="labels.csv")
    assert dataset.classes == ("False", "True")
    assert dataset.image_shape == (6, 6, 1)
    whole = {
        (np.asarray(Image.open(loose / f"{n:02}.png"), "float32") / 255).tobytes(): n // 2
        for n in range(12)
    }
    patients = [
        {whole[image.tobytes()] for image in split.images[:]}
        for split in (dataset.train, dataset.validation, dataset.test)
    ]
    assert [len(each) for each in patients] == [3, 1, 2]
    assert len(set.union(*patients)) == 6


def test_a_table_of_numbers_of_labels_and_of_splits(loose):
    numbers = "file,label\n" + "\n".join(f"{n:02}.png,{n / 4}" for n in range(12))
    dataset = table(loose, numbers, target="number", test=0, validation=2)
    assert dataset.classes == ()
    assert sorted([*dataset.train.labels[:, 0], *dataset.validation.labels[:, 0]]) == [
        n / 4 for n in range(12)
    ]
    labels = "path,class\n" + "\n".join(
        f"{n:02}.png,{('-', 'a; b', 'b|a')[n % 3]}" for n in range(12)
    )
    dataset = table(loose, labels, target="labels", test=0, validation=2)
    assert dataset.classes == ("a", "b")
    assert set(map(tuple, dataset.train.labels)) == {(0.0, 0.0), (1.0, 1.0)}
    splits = "file,label,split\n" + "\n".join(
        f"{n:02}.png,{n % 2},{('train', 'train', 'Validation', 'test')[n // 3]}" for n in range(12)
    )
    dataset = table(loose, splits)
    assert [len(dataset.train), len(dataset.validation), len(dataset.test)] == [6, 3, 3]


@pytest.mark.parametrize("head", ["split", "Split", " SPLIT "])
def test_the_column_of_splits_is_found_in_any_case(loose, head):
    rows = [f"{n:02}.png,{n % 2},{'test' if n < 4 else 'train'}" for n in range(12)]
    dataset = table(loose, f"file,label,{head}\n" + "\n".join(rows), validation=2)
    assert [len(dataset.train), len(dataset.validation), len(dataset.test)] == [6, 2, 4]
    given = {(np.asarray(Image.open(loose / f"{n:02}.png"), "uint8")).tobytes() for n in range(4)}
    assert {np.uint8(np.round(image * 255)).tobytes() for image in dataset.test.images[:]} == given


def test_the_only_table_of_a_folder_is_found_by_a_relative_path(loose, monkeypatch):
    text = "file,label\n" + "\n".join(f"{n:02}.png,{n % 2}" for n in range(12))
    dataset = table(loose, text, test=0, validation=2)
    monkeypatch.chdir(loose.parent)
    relative = load_folder("loose", test=0, validation=2)
    assert relative.classes == dataset.classes == ("0", "1")
    np.testing.assert_array_equal(relative.train.images[:], dataset.train.images[:])
    monkeypatch.chdir(loose)
    assert len(load_folder(".", table="labels.csv", test=0, validation=0).train) == 12


def test_a_folder_may_lack_some_of_the_classes_that_are_given(pets):
    whole = {"validation": 0, "test": 0}
    dataset = load_folder(pets, **whole, classes=["ant", "dog", "cat"])
    assert dataset.classes == ("ant", "dog", "cat")
    assert np.bincount(dataset.train.labels, minlength=3).tolist() == [0, 10, 10]
    with pytest.raises(ValueError, match=r"has dog, which is none of the classes ant, cat\. Name"):
        load_folder(pets, **whole, classes=["ant", "cat"])
    for path in (pets / "dog").iterdir():
        path.unlink()
    (pets / "dog").rmdir()
    dataset = load_folder(pets, **whole, classes=["ant", "cat"])
    assert dataset.train.labels.tolist() == [1] * 10


def test_an_image_may_lack_some_of_the_labels_that_are_given(loose):
    rows = "\n".join(f"{number:02}.png,{'b' if number else '-'}" for number in range(12))
    (loose / "labels.csv").write_text(f"file,label\n{rows}")
    whole = {"target": "labels", "validation": 0, "test": 0}
    dataset = load_folder(loose, **whole, classes=["c", "b", "a"])
    assert dataset.classes == ("c", "b", "a")
    assert dataset.train.labels.sum(axis=0).tolist() == [0, 11, 0]
    with pytest.raises(ValueError, match="has b, which is none of the classes a, c"):
        load_folder(loose, **whole, classes=["a", "c"])
    with pytest.raises(ValueError, match='classes are names, and target="number" has none'):
        load_folder(loose, target="number", classes=["a"])


def test_classes_that_are_numbers_are_ordered_by_value(write, tmp_path):
    for name in ("10", "9", "2"):
        for number in range(4):
            write(f"n/{name}/{number}.png")
    assert load_folder(tmp_path / "n").classes == ("2", "9", "10")


@pytest.mark.parametrize(
    ("shape", "fit", "expected"),
    [
        ((2, 4), "center", lambda x: x[:, 1:3]),
        ((1, 2), "center", lambda x: np.pad(x, ((0, 1), (0, 0), (0, 0)))),
        ((2, 4), "crop", lambda x: x[:, 1:3]),
        ((4, 4), "crop", lambda x: x.reshape(2, 2, 2, 2, 1).mean((1, 3))),
        ((2, 4), "stretch", lambda x: x.reshape(2, 2, 2, 1).mean(2)),
        ((4, 8), "pad", None),
    ],
)
def test_images_are_brought_to_one_shape(rng, shape, fit, expected):
    image = rng.integers(0, 4, (*shape, 1), "uint8") * 64
    # A box of two pixels has weights 1/8, 3/8, 3/8, 1/8 in a bilinear filter; nearest has none.
    found = fit_image(image, Shape(2, 2, 1, fit, "bilinear"))
    assert found.shape == (2, 2, 1)
    assert found.dtype == np.uint8
    constant = fit_image(np.full_like(image, 200), Shape(2, 2, 1, fit, "bilinear"))
    if fit == "pad":
        assert constant[:, :, 0].tolist() == [[200, 200], [0, 0]]
    elif fit != "center" or min(shape) >= 2:
        assert set(constant.flat) == {200}
    if expected is not None and fit == "center":
        np.testing.assert_array_equal(found, expected(image))


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_of_a_long_strip_only_the_part_that_is_kept_is_scaled(monkeypatch, dtype, interpolation):
    scaled, resize = [], Image.Image.resize

    def noted(image, size, *arguments):
        scaled.append(size)
        return resize(image, size, *arguments)

    monkeypatch.setattr(Image.Image, "resize", noted)
    ramp = np.arange(2**16) % 2**15 // 128  # the same from left to right and from the middle on
    strip = np.broadcast_to(ramp[None, :, None], (2, 2**16, 1)).astype(dtype)
    found = fit_image(strip, Shape(64, 64, 1, "crop", interpolation))
    assert scaled == [(64, 64)]  # and not 64 x 2,097,152
    # The middle two columns, each 32 times: 255 on the left and 0 on the right.
    if interpolation == "nearest":
        expected = np.repeat([255, 0], 32)
    else:
        positions = (np.arange(64) + 0.5) / 32 - 0.5  # of the middles of columns, from the left one
        expected = np.round(np.interp(positions, [0, 1], [255, 0]))
    np.testing.assert_allclose(found[:, :, 0], np.broadcast_to(expected, (64, 64)), atol=0)


def test_grey_and_colour(write, tmp_path):
    for name in ("a", "b"):
        for number in range(5):
            write(f"mixed/{name}/{number}.png", (8, 8) if name == "a" else (8, 8, 3))
    assert load_folder(tmp_path / "mixed").image_shape == (8, 8, 3)
    dataset = load_folder(tmp_path / "mixed", color="grey", test=0, validation=0)
    assert dataset.image_shape == (8, 8, 1)
    pixels = np.asarray(Image.open(tmp_path / "mixed/b/0.png"), "float64")
    grey = np.round(pixels @ [0.299, 0.587, 0.114]) / 255
    images = dataset.train.images[:]
    assert min(np.abs(image[..., 0] - grey).max() for image in images) < 1e-6


def test_numbers_of_16_bits_keep_their_precision(write, tmp_path):
    for name in ("a", "b"):
        for number in range(5):
            pixels = write(f"deep/{name}/{number}.png", (8, 8), "uint16")
    images = load_folder(tmp_path / "deep", test=0, validation=0).train.images[:]
    expected = (pixels / 65535).astype("float32")[..., None]
    assert min(np.abs(image - expected).max() for image in images) < 1e-7
