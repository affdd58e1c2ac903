import tracemalloc

import numpy as np
import pytest

from keras_gcnn import data

pytestmark = pytest.mark.backend_free


def _reference(image, angle, zoom, fill, displaced=lambda r, c: (0.0, 0.0)):
    """Bilinear rotation and zoom of each pixel, from the formula; outside the image lies `fill`.

    `displaced` gives, of a pixel, how much farther down and to the right the image is read.
    """
    rows, columns = image.shape
    a = np.deg2rad(angle)
    result = np.empty_like(image)

    def value(r, c):
        return image[r, c] if 0 <= r < rows and 0 <= c < columns else fill

    for r in range(rows):
        for c in range(columns):
            # x to the right, y upwards; the pixel comes from where the inverse turn takes it.
            x, y = c - (columns - 1) / 2, (rows - 1) / 2 - r
            sx, sy = np.cos(a) * x + np.sin(a) * y, -np.sin(a) * x + np.cos(a) * y
            down, right = displaced(r, c)
            sr = (rows - 1) / 2 - sy / zoom + down
            sc = sx / zoom + (columns - 1) / 2 + right
            r0, c0 = int(np.floor(sr)), int(np.floor(sc))
            u, v = sr - r0, sc - c0
            result[r, c] = (
                (1 - u) * (1 - v) * value(r0, c0)
                + (1 - u) * v * value(r0, c0 + 1)
                + u * (1 - v) * value(r0 + 1, c0)
                + u * v * value(r0 + 1, c0 + 1)
            )
    return result


def test_agrees_with_the_formula_for_one_angle_and_zoom_per_image():
    rng = np.random.default_rng(0)
    angles = [17.0, -133.3, 45.0, 271.9, 1000.0, 89.0]
    zooms = [1.0, 1.3, 0.6, 3.0, 0.9, 1.1]
    for rows, columns, fill in ((9, 9, 0.0), (8, 11, 0.5)):
        images = rng.random((len(angles), rows, columns, 2))
        turned = data.rotate(images, angles, zoom=zooms, fill=fill)
        for i, angle in enumerate(angles):
            for channel in range(2):
                expected = _reference(images[i, :, :, channel], angle, zooms[i], fill)
                np.testing.assert_allclose(turned[i, :, :, channel], expected, atol=1e-12)


def test_displacements_are_added_to_where_a_pixel_is_read():
    rng = np.random.default_rng(4)
    images, rows, columns = rng.random((1, 9, 12, 1)), 9, 12
    # Splines through two points are lines, and those through as many points as pixels end there.
    corners = rng.normal(0, 2, (1, 2, 2, 2))
    everywhere = rng.normal(0, 2, (1, rows, columns, 2))

    def along_lines(r, c):
        u, v = r / (rows - 1), c / (columns - 1)
        upper = (1 - v) * corners[0, 0, 0] + v * corners[0, 0, 1]
        lower = (1 - v) * corners[0, 1, 0] + v * corners[0, 1, 1]
        return (1 - u) * upper + u * lower

    for field, displaced in (
        (corners, along_lines),
        (everywhere, lambda r, c: everywhere[0, r, c]),
    ):
        bent = data.rotate(images, 25.0, zoom=1.2, displacements=field, fill=0.5)
        expected = _reference(images[0, :, :, 0], 25.0, 1.2, 0.5, displaced)
        np.testing.assert_allclose(bent[0, :, :, 0], expected, atol=1e-12)


def test_displacements_of_lines_with_a_single_pixel():
    """A pixel is its line's first, so that it moves as the first point of the grid does."""
    images = np.arange(1.0, 6.0).reshape(1, 1, 5, 1)
    field = np.zeros((1, 3, 5, 2))
    field[0, 0, :, 1], field[0, 1:] = 1, 9
    assert data.rotate(images, 0, displacements=field).ravel().tolist() == [2, 3, 4, 5, 0]
    columns = images.transpose(0, 2, 1, 3)
    field = field.transpose(0, 2, 1, 3)[..., ::-1]
    assert data.rotate(columns, 0, displacements=field).ravel().tolist() == [2, 3, 4, 5, 0]


def test_displacements_take_the_memory_of_one_image():
    images = np.zeros((200, 32, 32, 1), "float32")
    field = np.zeros((200, 5, 5, 2), "float32")
    data.rotate(images[:1], 0, displacements=field[:1])  # imports SciPy
    tracemalloc.start()
    try:
        data.rotate(images, 0, displacements=field)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 3 * images.nbytes  # two in float64 for each pixel of all images would be four


def test_cubic_interpolation_keeps_more_of_fine_detail():
    waves = np.sin(2 * np.pi * np.arange(32) / 5).reshape(1, 32, 1, 1) * np.ones((1, 1, 32, 1))
    back, inside = {}, np.s_[:, 10:22, 10:22]
    for interpolation in ("bilinear", "cubic"):
        turned = data.rotate(waves, 45, interpolation=interpolation)
        back[interpolation] = data.rotate(turned, -45, interpolation=interpolation)
    errors = {name: abs(result - waves)[inside].max() for name, result in back.items()}
    assert errors["cubic"] < 0.1 < 0.25 < errors["bilinear"]


@pytest.mark.parametrize("size", [1, 2, 7, 28])
@pytest.mark.parametrize("angle", [-450, -90.0, 0, 90.0, 180, np.float32(270), 360.0, 36090.0])
def test_is_exact_for_quarter_turns_of_square_images(size, angle):
    images = np.random.default_rng(size).random((3, size, size, 2)).astype("float32")
    expected = np.rot90(images, round(float(angle) / 90), axes=(1, 2))
    assert np.array_equal(data.rotate(images, angle), expected)


def test_turns_counter_clockwise():
    image = np.zeros((1, 9, 9, 1))
    image[0, 4, 8] = 1  # to the right of the centre
    bright = [np.unravel_index(data.rotate(image, a).argmax(), (9, 9)) for a in (45, 90, 180)]
    assert bright == [(1, 7), (0, 4), (4, 0)]


def test_one_angle_serves_all_and_neighbours_do_not_mix():
    images = np.random.default_rng(1).random((3, 6, 6, 1))
    together = data.rotate(images, 30.0)
    assert np.array_equal(together, data.rotate(images, [30.0, 30.0, 30.0]))
    assert np.array_equal(together[1:2], data.rotate(images[1:2], 30.0))


def test_type_and_fill():
    assert data.rotate(np.ones((2, 5, 5, 1), "float32"), 10).dtype == "float32"
    assert data.rotate(np.ones((2, 5, 5, 1), "uint8"), 10).dtype == "float32"
    corners = data.rotate(np.zeros((1, 9, 9, 1)), 45, fill=0.25)[0, :, :, 0]
    assert corners[0, 0] == 0.25
    assert corners[4, 4] == 0
    assert data.rotate(np.zeros((0, 5, 5, 1)), []).shape == (0, 5, 5, 1)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "longdouble"])
def test_every_floating_type_stays_as_it_is(dtype):
    images = np.random.default_rng(3).random((2, 5, 5, 1))
    turned = data.rotate(images.astype(dtype), 30)
    assert turned.dtype == dtype
    precision = max(np.finfo(dtype).eps, np.finfo("float64").eps)
    np.testing.assert_allclose(turned, data.rotate(images, 30), atol=4 * precision)


def test_complex_images_are_refused():
    with pytest.raises(ValueError, match="complex64; expected real numbers"):
        data.rotate(np.zeros((1, 5, 5, 1), "complex64"), 30)


def test_does_not_change_its_input():
    images = np.random.default_rng(2).random((2, 5, 5, 1))
    before = images.copy()
    data.rotate(images, 0)[:] = 9
    assert np.array_equal(images, before)


@pytest.mark.parametrize(
    ("shape", "angles", "others", "message"),
    [
        ((5, 5, 1), 0, {}, "four axes"),
        ((2, 5, 5, 1), [1, 2, 3], {}, r"angles has shape \(3,\).*one for each image"),
        ((2, 5, 5, 1), [1, np.nan], {}, "angles contains NaN"),
        ((2, 5, 5, 1), 0, {"zoom": [1, 1, 1]}, r"zoom has shape \(3,\)"),
        ((2, 5, 5, 1), 0, {"zoom": np.inf}, "zoom contains NaN or infinity"),
        ((2, 5, 5, 1), 0, {"zoom": [1, 0]}, "zoom contains 0.0; expected factors larger than 0"),
        ((2, 5, 5, 1), 0, {"displacements": np.zeros((5, 5, 2))}, r"expected \(2, k, l, 2\)"),
        ((2, 5, 5, 1), 0, {"displacements": np.zeros((1, 5, 5, 2))}, "for 2 images"),
        ((2, 5, 5, 1), 0, {"displacements": np.zeros((2, 1, 5, 2))}, "at least 2 x 2"),
        ((2, 5, 5, 1), 0, {"displacements": np.full((2, 5, 5, 2), np.nan)}, "contain NaN"),
    ],
)
def test_says_what_does_not_fit(shape, angles, others, message):
    with pytest.raises(ValueError, match=message):
        data.rotate(np.zeros(shape), angles, **others)


def test_random_angles_cover_the_circle_and_follow_the_seed():
    angles = data.random_angles(10_000, 3)
    assert angles.min() >= 0
    assert angles.max() < 360
    counts = np.histogram(angles, bins=8, range=(0, 360))[0]
    assert np.all(abs(counts - 1250) < 150)  # more than four standard deviations
    assert np.array_equal(angles[:100], data.random_angles(100, 3))
    assert not np.array_equal(angles[:100], data.random_angles(100, 4))
    with pytest.raises(ValueError, match="negative"):
        data.random_angles(-1, 0)
