"""Batches depend on the seed and the epoch alone, their images' poses too."""

import numpy as np
import pytest
from PIL import Image

from keras_gcnn.data import Split, rotate
from keras_gcnn.data.folders.fitting import Shape
from keras_gcnn.training.inputs.batches import OrderedBatches, ShuffledBatches
from keras_gcnn.training.inputs.mask_evaluation import count_upright
from keras_gcnn.training.predictions.batches import inference_batch_size, outputs_of
from keras_gcnn.training.recipes.tables import AugmentTable

pytestmark = pytest.mark.backend_free


@pytest.fixture
def split(rng):
    return Split(rng.random((10, 8, 8, 1), dtype="float32"), np.arange(10))


def epoch(batches, number):
    batches.start_epoch(number)
    images, labels = zip(*(batches[i] for i in range(len(batches))), strict=True)
    return np.concatenate(images), np.concatenate(labels)


EVERYTHING = AugmentTable(rotate="any", flip="both", zoom=0.2, elastic=1.0, shift=2)


@pytest.mark.parametrize("augment", [None, EVERYTHING])
def test_every_epoch_has_an_order_of_its_own(split, augment):
    batches = ShuffledBatches(split, 4, 0, augment)
    first, second = epoch(batches, 0), epoch(batches, 1)
    assert sorted(first[1]) == sorted(second[1]) == list(range(10))
    assert list(first[1]) != list(second[1])
    again = epoch(ShuffledBatches(split, 4, 0, augment), 1)
    np.testing.assert_array_equal(again[0], second[0])
    np.testing.assert_array_equal(again[1], second[1])
    assert list(epoch(ShuffledBatches(split, 4, 1, augment), 0)[1]) != list(first[1])


def test_images_are_changed_only_if_asked(split):
    images, labels = epoch(ShuffledBatches(split, 4, 0), 0)
    np.testing.assert_array_equal(images, split.images[labels])
    batches = ShuffledBatches(split, 4, 0, AugmentTable(rotate="any"))
    turned, labels = epoch(batches, 0)
    assert np.abs(turned - split.images[labels]).max(axis=(1, 2, 3)).min() > 0.01
    angles = batches._poses.angles[labels]
    np.testing.assert_array_equal(turned, rotate(split.images[labels], angles))
    later, order = epoch(batches, 1)
    assert not np.allclose(later[np.argsort(order)], turned[np.argsort(labels)])


def moved(image, down, right):
    """The image moved, with zeros where nothing of it is, pixel by pixel."""
    result = np.zeros_like(image)
    for row, column in np.ndindex(image.shape[:2]):
        if 0 <= row + down < len(image) and 0 <= column + right < image.shape[1]:
            result[row + down, column + right] = image[row, column]
    return result


@pytest.mark.parametrize(
    ("augment", "turns", "flips", "shifts"),
    [
        (AugmentTable(rotate="quarter"), range(4), [(1, 1)], [0]),
        (AugmentTable(flip="horizontal"), [0], [(1, 1), (1, -1)], [0]),
        (AugmentTable(flip="both"), [0], [(1, 1), (1, -1), (-1, 1), (-1, -1)], [0]),
        (AugmentTable(shift=1), [0], [(1, 1)], [-1, 0, 1]),
    ],
)
def test_every_pose_that_was_asked_for_occurs_and_no_other(rng, augment, turns, flips, shifts):
    images = rng.random((200, 3, 3, 2))
    changed, labels = epoch(ShuffledBatches(Split(images, np.arange(200)), 64, 0, augment), 0)
    found = set()
    for image, original in zip(changed, images[labels], strict=True):
        poses = [
            (k, up, left, down, right)
            for k in turns
            for up, left in flips
            for down in shifts
            for right in shifts
            if np.array_equal(moved(np.rot90(original[::up, ::left], k), down, right), image)
        ]
        assert len(poses) == 1
        found.update(poses)
    assert len(found) == len(turns) * len(flips) * len(shifts) ** 2


def test_shifts_between_the_pixels(rng):
    """Each row and column is a mixture of two neighbours, by one part of a pixel for each axis."""
    images = rng.random((50, 6, 5, 2))
    augment = AugmentTable(subpixel=True)
    batches = ShuffledBatches(Split(images, np.arange(50)), 64, 0, augment)
    changed, labels = epoch(batches, 0)
    fractions = batches._poses.fractions[labels]
    assert np.abs(fractions).max() <= 0.5 < np.ptp(fractions)
    for image, original, (down, right) in zip(changed, images[labels], fractions, strict=True):
        steps = [int(np.sign(part)) for part in (down, right)]
        expected = sum(
            (abs(down) if row else 1 - abs(down))
            * (abs(right) if column else 1 - abs(right))
            * moved(original, row * steps[0], column * steps[1])
            for row in (0, 1)
            for column in (0, 1)
        )
        np.testing.assert_allclose(image, expected, atol=1e-14)


def test_zooms_enlarge_and_shrink_about_the_centre(rng):
    """A ramp stays a ramp about the centre, as many times flatter as the image is enlarged."""
    ramp = np.broadcast_to(np.arange(-10.0, 11.0)[:, None, None], (21, 21, 1))
    split = Split(np.stack([ramp] * 200), np.arange(200))
    changed, _ = epoch(ShuffledBatches(split, 64, 0, AugmentTable(zoom=0.25)), 0)
    slopes = changed[:, 11, 10, 0] - changed[:, 10, 10, 0]
    inside = slice(3, -3)  # elsewhere images that shrink by 1.25 have zeros
    expected = slopes[:, None, None, None] * ramp[None, inside, inside]
    np.testing.assert_allclose(changed[:, inside, inside], expected, atol=1e-12)
    assert 1 / 1.25 <= slopes.min() < 0.82
    assert 1.22 < slopes.max() <= 1.25


def test_bends_move_points_of_a_grid_as_far_as_asked(rng):
    """Ramps along both axes show where a pixel was read; every tenth pixel is a grid's point."""
    rows, columns = np.meshgrid(*2 * [np.linspace(0, 1, 41)], indexing="ij")
    split = Split(np.stack([np.stack([rows, columns], -1)] * 300), np.arange(300))
    augment = AugmentTable(elastic=1.5, interpolation="cubic")
    changed, _ = epoch(ShuffledBatches(split, 64, 0, augment), 0)
    inner = 40 * (changed - split.images)[:, 10:31:10, 10:31:10]
    assert abs(inner.std() - 1.5) < 0.05  # of 5,400 numbers: more than three standard deviations
    assert abs(inner.mean()) < 0.07
    others, _ = epoch(ShuffledBatches(split, 64, 0, augment), 1)
    assert not np.allclose(changed, others)


def test_poses_that_do_not_fit_the_images_are_refused(rng):
    split = Split(rng.random((2, 6, 8, 1)), np.arange(2))
    for augment, message in (
        (AugmentTable(rotate="quarter"), "images are 6 x 8"),
        (AugmentTable(shift=6), "shift = 6, .* Use less than 6"),
        (AugmentTable(elastic=6.0), "elastic = 6, .* Use less than 6"),
    ):
        with pytest.raises(ValueError, match=message):
            ShuffledBatches(split, 2, 0, augment)


def test_a_network_has_an_augmentation_of_its_own(load):
    own = ('name = "plain"', 'name = "plain"\naugment = { flip = "both" }')
    recipe = load(own, ("epochs = 4", "epochs = 4\nrotate = true"))  # as version 0.1 wrote it
    assert [str(recipe.training_of(model).augment) for model in recipe.models] == [
        "mirrored both ways",
        "rotated by any angle",
    ]
    bent = AugmentTable(elastic=1.5, interpolation="cubic")
    assert str(bent) == "bent by about 1.5 pixels, interpolated by cubic splines"
    with pytest.raises(ValueError, match=r"augment\.flip"):
        load(('name = "plain"', 'name = "plain"\naugment = { flip = "up" }'))
    with pytest.raises(ValueError, match="instead of rotate = true"):
        load(("epochs = 4", "epochs = 4\nrotate = true\naugment = { shift = 1 }"))


class _Noted:
    """A model for masks that notes how many images it is given at once."""

    def __init__(self):
        self.counts = []

    def predict_on_batch(self, images):
        self.counts.append(len(images))
        return np.zeros((*images.shape[:3], 2), "float32")


def test_networks_that_do_not_learn_take_few_large_images_at_once(tmp_path):
    """Eight million numbers: 256 images of 96 x 96 in colour, and two of 1,024 x 1,024."""
    assert inference_batch_size((4096, 4096, 3)) == 1
    sizes = {28: 256, 96: 256, 224: 55, 1024: 2}
    for side, count in sizes.items():
        images = np.broadcast_to(np.float32(0), (300, side, side, 3))
        (batch,) = OrderedBatches(Split(images, np.arange(300)))[0]
        assert len(batch) == count
    images = np.broadcast_to(np.float32(0), (3, 1024, 1024, 3))
    masks = np.broadcast_to(np.int32(0), (3, 1024, 1024))
    model = _Noted()
    count_upright(model, Split(images, masks), 2)
    assert model.counts == [2, 1]
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for path in paths:
        Image.new("L", (2, 2)).save(path)
    model = _Noted()
    shape = Shape(1024, 1024, 3, "stretch", "nearest")
    found = outputs_of(model.predict_on_batch, paths, shape, lambda items, *_: items)
    assert len(list(found)) == 3
    assert model.counts == [2, 1]
