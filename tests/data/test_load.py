import numpy as np
import pytest

from keras_gcnn import data
from keras_gcnn.data.loading import describe_for_all_seeds, names_fitting

pytestmark = pytest.mark.backend_free


def _keys(split):
    return [image.tobytes() for image in split.images]


def _same(one, other):
    return np.array_equal(one.images, other.images) and np.array_equal(one.labels, other.labels)


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


def test_shapes_ranges_and_types(digits):
    assert digits.name == "digits"
    assert digits.image_shape == (28, 28, 1)
    assert digits.classes == tuple("0123456789")
    assert (len(digits.train), len(digits.validation), len(digits.test)) == (1167, 130, 500)
    for split in (digits.train, digits.validation, digits.test):
        assert split.images.shape == (len(split), 28, 28, 1)
        assert split.images.dtype == "float32"
        assert split.images.min() == 0
        assert split.images.max() == 1
        assert split.labels.shape == (len(split),)
        assert split.labels.dtype == "int64"
        assert set(split.labels) == set(range(10))


def test_what_is_printed_is_short(digits):
    assert repr(digits.test) == ("Split(images=<float32 (500, 28, 28, 1)>, labels=<int64 (500,)>)")
    assert repr(digits).startswith("Dataset('digits', 10 classes, train=Split(images=<float32 (1")
    assert len(repr(digits)) < 300


def test_data_sets_that_fit_a_network():
    assert names_fitting((32, 32, 3), 10) == ("cifar10",)
    assert names_fitting((None, None, 3), 2) == ("patch_camelyon",)
    assert names_fitting((28, 28, 1), 26) == ("emnist/letters", "emnist_letters")
    ten = ("digits", "mnist", "fashion_mnist", "emnist/digits", "emnist/mnist", "rotated_mnist")
    assert names_fitting((28, 28, 1), 10) == ten
    assert set(names_fitting((None, None, None), 10)) == {*ten, "cifar10", "eurosat"}
    assert names_fitting((28, 28), 10) == names_fitting((28, 28, 1), 3) == ()


def test_splits_are_disjoint_and_validation_is_stratified(digits):
    train, validation, test = (
        set(_keys(s)) for s in (digits.train, digits.validation, digits.test)
    )
    assert len(train | validation | test) == len(train) + len(validation) + len(test) == 1797
    share = np.bincount(digits.validation.labels) / np.bincount(
        np.concatenate([digits.validation.labels, digits.train.labels])
    )
    assert np.all(abs(share - 0.1) < 0.01)


def test_the_seed_decides_and_numpys_state_does_not(digits):
    options = dict(subset=200, test_subset=50, rotate=("train", "validation", "test"))
    np.random.seed(1)
    one = data.load("digits", seed=5, **options)
    np.random.seed(2)
    other = data.load("digits", seed=5, **options)
    different = data.load("digits", seed=6, **options)
    for split in ("train", "validation", "test"):
        assert _same(getattr(one, split), getattr(other, split))
        assert not _same(getattr(one, split), getattr(different, split))
    # The published split has a seed of its own.
    assert _same(data.load("digits", seed=6).test, digits.test)


def test_choices_do_not_depend_on_each_other(digits):
    small = data.load("digits", subset=300, test_subset=40)
    smaller = data.load("digits", subset=100)
    assert _same(small.validation, digits.validation)
    assert set(_keys(smaller.train)) < set(_keys(small.train)) < set(_keys(digits.train))
    assert set(_keys(small.test)) < set(_keys(digits.test))
    assert (len(smaller.train), len(small.train), len(small.test)) == (100, 300, 40)
    more = data.load("digits", validation=200)
    assert set(_keys(digits.validation)) < set(_keys(more.validation))


def test_a_subset_of_the_test_images_is_the_same_for_every_seed():
    one, other = (data.load("digits", test_subset=40, seed=seed) for seed in (3, 4))
    assert _same(one.test, other.test)
    assert "are the same for every seed" in one.description
    assert not _same(one.validation, other.validation)


def test_rotation_turns_the_named_splits_only(digits):
    turned = data.load("digits", rotate=["test"])
    assert _same(turned.train, digits.train)
    assert _same(turned.validation, digits.validation)
    assert np.array_equal(turned.test.labels, digits.test.labels)
    # Not one image stays, and each is the original turned by some angle: its sum is kept.
    change = abs(turned.test.images - digits.test.images).max(axis=(1, 2, 3))
    assert change.min() > 0
    ratio = turned.test.images.sum(axis=(1, 2, 3)) / digits.test.images.sum(axis=(1, 2, 3))
    assert np.all(abs(ratio - 1) < 0.05)
    assert turned.test.images.min() >= 0
    assert turned.test.images.max() <= 1
    assert turned.test.images.dtype == "float32"


def test_an_image_keeps_its_angle_whatever_else_is_chosen():
    every = data.load("digits", validation=0, rotate=["train", "validation", "test"])
    some = data.load(
        "digits", validation=0.3, subset=50, test_subset=20, rotate=["train", "validation", "test"]
    )
    assert len(some.validation) == 389
    assert set(_keys(some.train)) | set(_keys(some.validation)) < set(_keys(every.train))
    assert set(_keys(some.test)) < set(_keys(every.test))


def test_sizes_at_their_limits():
    none = data.load("digits", validation=0)
    assert (len(none.train), len(none.validation)) == (1297, 0)
    assert none.validation.images.shape == (0, 28, 28, 1)
    assert len(data.load("digits", validation=0.0, rotate=["validation"]).validation) == 0
    assert len(data.load("digits", validation=1296).train) == 1
    assert len(data.load("digits", subset=10**6).train) == 1167


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"validation": -0.1}, "fraction"),
        ({"validation": -1}, "fraction"),
        ({"validation": 1.0}, "fraction"),
        ({"validation": float("nan")}, "fraction"),
        ({"validation": True}, "fraction"),
        ({"validation": "0.1"}, "fraction"),
        ({"validation": 1297}, "leaves none"),
        ({"validation": 0.9999}, "leaves none"),
        ({"subset": 0}, "subset=0"),
        ({"subset": -3}, "subset=-3"),
        ({"subset": 0.5}, "subset=0.5"),
        ({"test_subset": 0}, "test_subset=0"),
        ({"rotate": ["tests"]}, "train, validation, test"),
        ({"rotate": "test"}, "train, validation, test"),
        ({"rotate": True}, "train, validation, test"),
        ({"rotate": [["train"]]}, "train, validation, test"),
        ({"seed": -1}, "seed=-1"),
        ({"seed": 0.5}, "seed=0.5"),
    ],
)
def test_says_what_is_not_possible(options, message):
    with pytest.raises(ValueError, match=message):
        data.load("digits", **options)


def test_unknown_name_lists_the_names():
    with pytest.raises(ValueError, match=r"'minst'.*digits, mnist, .*emnist/letters"):
        data.load("minst")
    assert {"digits", "mnist", "fashion_mnist", "cifar10", "emnist"} < set(data.names())


def test_description_states_what_was_done(digits):
    assert "CC BY 4.0" in digits.description
    assert "same person" in digits.description
    assert "Turned" not in digits.description
    assert "subset" not in digits.description
    assert "taken for: train." in data.load("digits", subset=9).description
    assert "taken for: test." in data.load("digits", test_subset=9).description
    turned = data.load("digits", rotate={"test", "train"}, seed=7).description
    assert "Turned (train, test)" in turned
    assert "bilinear" in turned
    assert "seed 7" in turned


def test_a_description_holds_for_every_seed_but_keeps_the_source_s_own():
    digits = data.load("digits", subset=9, rotate=["test"], seed=7)
    text = describe_for_all_seeds(f"Made once (seed 7). {digits.description}", 7)
    assert text.startswith("Made once (seed 7). ")
    assert text.count("seed 7") == 1
    assert text.count("(by each network's seed)") == 2


def test_data_set_is_frozen(digits):
    with pytest.raises(AttributeError):
        digits.name = "other"
    with pytest.raises(AttributeError):
        digits.train.images = None
