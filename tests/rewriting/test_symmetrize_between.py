"""`symmetrize` by rotations between the quarter turns, and on one image of each coset."""

import math

import keras
import numpy as np
import pytest

import keras_gcnn
from keras_gcnn import analysis, export, layers, zoo
from keras_gcnn.backend.stateless import without_trace
from keras_gcnn.layers.group.interpolation import turn
from tests.helpers.cubic import rotate
from tests.helpers.layers import relative_error
from tests.helpers.orbits import Own, numpy

# The elements of each group: mirrors of the rows after rotations by steps of a circle.
ELEMENTS = {
    "c8": [(0, step, 8) for step in range(8)],
    "c6": [(0, step, 6) for step in range(6)],
    "d3": [(mirror, step, 3) for mirror in (0, 1) for step in range(3)],
    "d8": [(mirror, step, 8) for mirror in (0, 1) for step in range(8)],
}
ON_PIXELS = {"c8": "p4", "c6": "p2", "d3": "pm", "d8": "p4m"}


def moved(images, mirror, step, turns):
    """Moves a batch of images, interpolating below a rotation of the pixel grid alone."""
    grid = 4 if turns == 8 else math.gcd(turns, 2)  # rotations of the group on the pixel grid
    whole, rest = divmod(step, turns // grid)
    images = np.stack([rotate(image, 2 * math.pi * rest / turns) for image in images])
    images = np.rot90(images, whole * 4 // grid, (1, 2))
    return np.flip(images, 1) if mirror else images


@pytest.mark.parametrize("angle", [0.3, math.pi / 4])
@pytest.mark.parametrize("size", [4, 5])
def test_a_rotation_is_the_sum_of_the_formula(angle, size, rng):
    images = rng.normal(size=(2, size, size, 3))
    expected = np.stack([rotate(image, angle) for image in images])
    last = numpy(turn(keras.ops.convert_to_tensor(images, dtype="float64"), angle, 1))
    np.testing.assert_allclose(last, expected, atol=1e-12)
    first = np.moveaxis(images, -1, 1).astype("float32")
    found = numpy(turn(keras.ops.convert_to_tensor(first), angle, 2))
    np.testing.assert_allclose(np.moveaxis(found, 1, -1), expected, atol=1e-5)
    whole = np.clip(60 * images + 120, 0, 255).astype("uint8")
    found = numpy(turn(keras.ops.convert_to_tensor(whole), angle, 1))
    expected = np.clip(np.round(np.stack([rotate(one, angle) for one in whole])), 0, 255)
    assert found.dtype == "uint8"
    # A half may be rounded either way.
    assert np.abs(found.astype(int) - expected).max() <= 1
    assert (found == expected).mean() > 0.9
    mask = images > 0
    found = numpy(turn(keras.ops.convert_to_tensor(mask), angle, 1))
    shares = np.stack([rotate(one, angle) for one in mask.astype("float64")])
    sure = np.abs(shares - 0.5) > 1e-5
    assert np.array_equal(found[sure], shares[sure] > 0.5)
    assert sure.any()


@pytest.mark.parametrize("group", list(ELEMENTS))
def test_a_loop_over_rotated_images(group, rng):
    """The outputs are those of the loop; for elements of the pixel grid they move exactly."""
    images = rng.normal(size=(2, 5, 5, 1))
    image = keras.Input((5, 5, 1), dtype="float64")
    plain = keras.Model(image, Own(4, dtype="float64")(image)["scores"])
    model = keras_gcnn.symmetrize(plain, group)
    parts = [moved(images, *element) for element in ELEMENTS[group]]
    expected = np.mean([numpy(plain(part)) for part in parts], axis=0)
    assert relative_error(numpy(without_trace(model)(images)), expected) < 1e-10
    analysis.assert_equivariant(model, ON_PIXELS[group], tolerance=1e-10)
    assert analysis.audit(model).group == ON_PIXELS[group]


@pytest.mark.parametrize("group", ["c8", "d8", "d3"])
@pytest.mark.parametrize("components", [("right", "up"), ("down", "right")])
def test_maps_and_vectors_come_back(group, components):
    """What is equivariant at every angle stays nearly what it is: an image, and its slopes."""
    side = 61
    row, column = np.mgrid[:side, :side]
    x, y = column - 30.0, 30.0 - row
    bump = np.exp(-((x - 2) ** 2 + (y + 3) ** 2) / 80)
    along = {"right": x - 2, "up": y + 3, "down": -(y + 3)}
    slopes = np.stack([along[name] * bump for name in components], -1)
    centre = [np.sum({"right": x, "up": y, "down": -y}[name] * bump) for name in components]
    images = np.concatenate([bump[..., None], slopes], -1)[None].astype("float32")
    weights = np.stack([{"right": x, "up": y, "down": -y}[name] for name in components], -1)
    image = keras.Input((side, side, 3))
    total = keras.ops.sum(image[..., :1] * weights.astype("float32"), axis=(1, 2))
    plain = keras.Model(image, {"image": image[..., :1], "centre": total})
    kinds = {"image": "maps", "centre": "vectors"}
    model = keras_gcnn.symmetrize(plain, group, outputs=kinds, components=components)
    found = numpy(model(images))
    inside = np.s_[4:-4, 4:-4]
    assert relative_error(found["image"][0, ..., 0][inside], bump[inside]) < 0.01
    assert relative_error(found["centre"][0], np.array(centre)) < 0.01
    # Slopes are vectors at every position; the image that yields them is rotated as one channel.
    sobel = keras.Model(image, _slopes(image[..., :1], components))
    field = keras_gcnn.symmetrize(sobel, group, outputs="vectors", components=components)
    found, expected = (numpy(one(images))[0] for one in (field, sobel))
    assert relative_error(found[inside], expected[inside]) < 0.01


def _slopes(image, components):
    """Central differences along the directions of two components."""
    steps = {"right": (0, 1), "up": (-1, 0), "down": (1, 0)}
    slopes = [
        keras.ops.roll(image, tuple(-step for step in steps[name]), (1, 2))
        - keras.ops.roll(image, steps[name], (1, 2))
        for name in components
    ]
    return keras.ops.concatenate(slopes, axis=-1)


def test_one_image_of_each_coset(rng):
    """A model that is equivariant under a subgroup gives the same from fewer images."""
    images = rng.normal(size=(2, 28, 28, 1)).astype("float32")
    for plain, group, already, count in (
        (zoo.lenet("p4", widths=(2, 3)), "p4m", "p4", 2),
        (zoo.so2cnn(widths=(1, 1, 1)), "c8", "c4", 2),
        (zoo.so2cnn(widths=(1, 1, 1)), "d4", "p2", 4),
    ):
        few = keras_gcnn.symmetrize(plain, group, already=already)
        assert len(few.layers[-1].poses) == count
        assert analysis.cost(few).multiply_adds == count * analysis.cost(plain).multiply_adds
        every = keras_gcnn.symmetrize(plain, group)
        expected = numpy(without_trace(every)(images))
        assert relative_error(numpy(without_trace(few)(images)), expected) < 1e-5
        analysis.assert_equivariant(few, few.layers[-1].symmetry)


@pytest.mark.parametrize(
    ("group", "already", "exact"), [("c6", "c3", "p2"), ("c12", "c3", "p4"), ("c24", "c3", "p4")]
)
def test_what_is_left_of_the_pixel_grid_is_exact_whatever_the_model_is(group, already, exact):
    """The poses are made of whole orbits of the pixel grid, where the cosets allow it."""
    image = keras.Input((5, 5, 1), dtype="float64")
    plain = keras.Model(image, Own(4, dtype="float64")(image)["scores"])
    model = keras_gcnn.symmetrize(plain, group, already=already)
    assert len(model.layers[-1].poses) == int(group[1:]) // 3
    assert model.layers[-1].symmetry.name == exact
    analysis.assert_equivariant(model, exact, tolerance=1e-10)


def test_saved_and_exported(tmp_path, rng):
    plain = keras.Sequential([keras.Input((6, 6, 2)), keras.layers.Conv2D(2, 3, activation="relu")])
    model = keras_gcnn.symmetrize(plain, "d8", already="c2", outputs="maps")
    images = rng.normal(size=(3, 6, 6, 2)).astype("float32")
    expected = numpy(without_trace(model)(images))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.layers[-1].already.name == "p2"
    for made in (loaded, export.to_plain(model)):
        assert relative_error(numpy(without_trace(made)(images)), expected) < 1e-5
    export.save(model, tmp_path / "plain.keras", "plain_keras")
    if keras.backend.backend() == "torch":
        import torch

        compiled = torch.compile(model, backend="eager")
        assert relative_error(numpy(compiled(torch.tensor(images))), expected) < 1e-5
    if keras.backend.backend() != "jax":  # whose converter takes half a minute
        export.save(model, tmp_path / "net.onnx")


@pytest.mark.thorough("jax", "tensorflow")
@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        (
            (4, 4, 1),
            {"group": "c360"},
            "'c360' is unknown.* any number from 1 to 200 in place of 8",
        ),
        ((4, 4, 1), {"group": "so2"}, "infinitely many elements. Choose .* c8 or c16"),
        ((4, 4, 1), {"group": "c8", "already": "o2"}, "already='o2' has infinitely many"),
        ((4, 4, 1), {"group": "c8", "already": "p4m"}, "already='p4m' is no subgroup of 'c8'"),
        ((4, 4, 1), {"group": "p4", "already": "c8"}, "already='c8' is no subgroup of 'p4'"),
        ((4, 5, 1), {"group": "c8"}, "c8 rotates by angles that need squares"),
        ((None, None, 1), {"group": "c8"}, "whose size is known. Give input_shape"),
    ],
)
def test_mistakes(shape, options, message):
    plain = keras.Sequential([keras.Input(shape), keras.layers.Conv2D(2, 3)])
    with pytest.raises(ValueError, match=message):
        layers.Symmetrized(plain, **options)(np.zeros((1, *(each or 4 for each in shape))))
    with pytest.raises(ValueError, match=message):
        keras_gcnn.symmetrize(plain, **options)
