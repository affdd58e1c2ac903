"""Layers that read a direction from a map and rotate a map by a direction."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_gcnn import analysis, data, groups
from keras_gcnn.layers import GConv2D, GOrientation, LiftingConv2D, TurnByVector, UnitDirection
from tests.helpers.compiling import without_optimizing
from tests.helpers.gradients import gradient
from tests.helpers.layers import DATA_FORMATS, randomize, to_format
from tests.helpers.levels import COMPILING, thoroughly


def numpy(tensor):
    return keras.ops.convert_to_numpy(tensor)


def vectors_at(degrees):
    angles = np.deg2rad(np.atleast_1d(degrees))
    return np.stack([np.cos(angles), np.sin(angles)], axis=-1)


@pytest.mark.parametrize("data_format", DATA_FORMATS)
def test_orientation_by_hand(data_format, rng):
    maps = rng.normal(size=(2, 3, 5, 8))
    expected = np.zeros((2, 2, 2))
    for image, field in np.ndindex(2, 2):
        for turns in range(4):  # the elements of P4 are the quarter turns in this order
            mean = maps[image, :, :, 4 * field + turns].mean()
            expected[image, field] += mean * vectors_at(90 * turns)[0]
    layer = GOrientation("p4", data_format=data_format, dtype="float64")
    found = numpy(layer(to_format(maps, data_format)))
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("group", ["p4m", *thoroughly("p4", "p2", on=COMPILING)])
def test_vectors_turn_with_the_image(group, rng):
    model = keras.Sequential(
        [
            keras.Input((9, 9, 2)),
            LiftingConv2D(3, 3, group, dtype="float64"),
            GConv2D(2, 3, group, dtype="float64"),
            GOrientation(group, dtype="float64"),
        ]
    )
    randomize(model, rng)
    images = rng.normal(size=(2, 9, 9, 2))
    vectors = numpy(model(images))
    scale = np.abs(vectors).max()
    assert scale > 1e-3
    group = groups.get(group)
    for g, matrix in enumerate(group.matrices):
        moved = np.ascontiguousarray(group.act_on_plane(images, g, (1, 2)))
        # From (row, column) to (x, y) = (column, -row).
        swap = np.array([[0, 1], [-1, 0]])
        expected = vectors @ (swap @ matrix @ swap.T).T
        assert np.abs(numpy(model(moved)) - expected).max() <= 1e-10 * scale


def test_the_audit_follows_vectors():
    image = keras.Input((5, 5, 2))
    vectors = GOrientation("p4m", name="pose")(LiftingConv2D(3, 3, "p4m")(image))
    unit = UnitDirection()(vectors)
    model = keras.Model(image, keras.layers.Rescaling([2.0, 1.0], name="stretched")(unit))
    with without_optimizing():
        result = analysis.audit(model)
    assert [found.field for found in result.findings[1:3]] == ["vectors"] * 2
    assert [broken.layer for broken in result.problems] == ["stretched"]
    analysis.assert_equivariant(keras.Model(image, vectors), "p4m", output_type="vectors")
    with pytest.raises(AssertionError, match="does not commute"):
        analysis.assert_equivariant(model, "p4m", output_type="vectors")
    with pytest.raises(ValueError, match="holds no vectors"):
        analysis.assert_equivariant(
            keras.Model(image, image[..., :1]), "p4m", output_type="vectors"
        )


@pytest.mark.parametrize("data_format", DATA_FORMATS)
@pytest.mark.parametrize("shape", [(6, 6), (5, 5), (4, 7)])
def test_turned_by_hand(data_format, shape, rng):
    rows, columns = shape
    maps = rng.normal(size=(3, rows, columns, 2))
    degrees = np.array([0.0, 37.0, 250.0])
    expected = np.zeros_like(maps)
    for image, row, column in np.ndindex(3, rows, columns):
        # The place that is turned here, with x to the right and y up.
        x, y = column - (columns - 1) / 2, (rows - 1) / 2 - row
        angle = -np.deg2rad(degrees[image])
        x, y = x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle)
        r = min(max((rows - 1) / 2 - y, 0), rows - 1)
        c = min(max(x + (columns - 1) / 2, 0), columns - 1)
        for i, j in np.ndindex(rows, columns):
            share = max(0, 1 - abs(i - r)) * max(0, 1 - abs(j - c))
            expected[image, row, column] += share * maps[image, i, j]
    layer = TurnByVector(data_format=data_format, dtype="float64")
    lengths = np.array([[1.0], [0.01], [30.0]])
    found = layer([to_format(maps, data_format), lengths * vectors_at(degrees)])
    np.testing.assert_allclose(numpy(found), to_format(expected, data_format), atol=1e-10)


def test_it_turns_as_data_are_turned(rng):
    """Away from the border, which the layer and `data.rotate` treat differently."""
    maps = np.pad(rng.random((3, 7, 7, 1), "float32"), [(0, 0), (4, 4), (4, 4), (0, 0)])
    degrees = np.array([20.0, 90.0, 301.0])
    found = numpy(TurnByVector()([maps, vectors_at(degrees).astype("float32")]))
    np.testing.assert_allclose(found, data.rotate(maps, degrees), atol=1e-5)


def test_quarter_turns_are_exact(rng):
    maps = rng.normal(size=(1, 6, 6, 2))
    for turns in range(4):
        layer = TurnByVector(dtype="float64")
        found = numpy(layer([maps, vectors_at(90 * turns)]))
        np.testing.assert_allclose(found, np.rot90(maps, turns, (1, 2)), atol=1e-12)


@pytest.mark.thorough("jax")
def test_gradients_flow_into_maps_and_vectors(rng):
    maps, weights = rng.normal(size=(2, 2, 5, 5, 1))
    vectors = vectors_at([31.7, 203.1])  # no pixel comes from the middle of another, a kink
    layer = TurnByVector(dtype="float64")
    slopes = gradient(lambda v: layer([maps, v]) * keras.ops.convert_to_tensor(weights), vectors)
    step = 1e-6
    for index in np.ndindex(vectors.shape):
        moved = np.zeros_like(vectors)
        moved[index] = step
        change = numpy(layer([maps, vectors + moved])) - numpy(layer([maps, vectors - moved]))
        assert slopes[index] == pytest.approx((change * weights).sum() / (2 * step), rel=1e-4)
    into_maps = gradient(lambda m: layer([m, vectors]), maps)
    assert into_maps.sum() == pytest.approx(2 * 25)  # each result is a mean of the pixels


@pytest.mark.parametrize(
    "dtype", ["float32", *thoroughly("float64", "mixed_float16", "mixed_bfloat16", on=COMPILING)]
)
def test_a_vector_of_next_to_no_length_does_no_harm(dtype, rng):
    """Zero keeps the map as it is; the others turn it, with gradients that stay bounded."""
    maps = rng.normal(size=(4, 6, 5, 1)).astype("float16")
    vectors = np.array([[0, 0], [0, 1e-7], [3e-4, 4e-4], [0.6, 0.8]])
    layer = TurnByVector(dtype=dtype)
    turned = layer([maps, vectors])
    if dtype != "mixed_bfloat16":
        np.testing.assert_array_equal(numpy(turned)[0], maps[0])
    slopes = gradient(lambda v: ops.cast(layer([maps, v]), "float32"), vectors.astype("float32"))
    np.testing.assert_array_equal(slopes[0], 0)
    ordinary = np.abs(slopes[3]).max()
    assert 0.1 < ordinary < 100
    assert np.abs(slopes[1]).max() < ordinary
    assert np.abs(slopes[2]).max() < 1000 * 100


@pytest.mark.parametrize(
    "dtype", ["float32", *thoroughly("float64", "mixed_float16", on=COMPILING)]
)
def test_unit_directions_are_the_stock_layers(dtype, rng):
    vectors = rng.normal(size=(5, 3, 2)) * 10.0 ** rng.uniform(-4, 4, size=(5, 3, 1))
    vectors[0] = 0
    layer, stock = UnitDirection(dtype=dtype), keras.layers.UnitNormalization(dtype="float64")
    vectors = vectors.astype("float64" if dtype == "float64" else "float32")
    if dtype == "mixed_float16":
        vectors = np.clip(vectors, -6e4, 6e4).astype("float16")
    found = numpy(layer(vectors))
    tolerance = {"float32": 1e-6, "float64": 1e-12, "mixed_float16": 1e-3}[dtype]
    np.testing.assert_allclose(found, numpy(stock(vectors.astype("float64"))), atol=tolerance)
    np.testing.assert_array_equal(found[0], 0)
    assert layer.compute_output_shape((None, 3, 2)) == (None, 3, 2)
    assert UnitDirection.from_config(layer.get_config()).get_config() == layer.get_config()
    with pytest.raises(ValueError, match="needs an input with a known last axis"):
        UnitDirection().build((2, None))


@pytest.mark.thorough("jax", "tensorflow")
def test_one_pixel_and_one_row():
    layer = TurnByVector()
    for shape in [(2, 1, 1, 3), (2, 1, 4, 1)]:
        assert np.isfinite(numpy(layer([np.ones(shape), vectors_at([10.0, 80.0])]))).all()


def test_in_a_model(tmp_path, rng):
    image, vector = keras.Input((5, 5, 1)), keras.Input((2,))
    model = keras.Model([image, vector], TurnByVector(name="turn")([image, vector]))
    assert model.output.shape == (None, 5, 5, 1)
    given = [rng.random((3, 5, 5, 1), "float32"), rng.random((3, 2), "float32")]
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    expected = model.predict(given, verbose=0)
    np.testing.assert_allclose(loaded.predict(given, verbose=0), expected, atol=1e-6)


@pytest.mark.parametrize("dtype", ["uint8", "int32"])
def test_pixels_and_directions_of_integers(dtype, rng):
    pixels, right = rng.integers(0, 256, (2, 5, 5, 1)), np.array([[2, 1], [-1, 3]])
    layer = TurnByVector()
    expected = layer([pixels.astype("float32"), right.astype("float32")])
    found = layer([pixels.astype(dtype), right])
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    np.testing.assert_allclose(*map(keras.ops.convert_to_numpy, (found, expected)), rtol=1e-6)


@pytest.mark.parametrize("half", ["float16", *thoroughly("bfloat16", on=COMPILING)])
def test_half_precision(half, rng):
    maps, vector = rng.random((1, 28, 28, 1)), vectors_at(73.0)
    full = numpy(TurnByVector()([maps, vector]))
    found = TurnByVector(dtype=f"mixed_{half}")([maps, vector])
    assert keras.backend.standardize_dtype(found.dtype) == half
    found = numpy(keras.ops.cast(found, "float32"))
    # The vector comes in half precision too, and moves the corners by a share of a pixel.
    assert np.abs(found - full).max() < {"float16": 0.02, "bfloat16": 0.15}[half]


def test_mistakes():
    with pytest.raises(ValueError, match="takes a pair of maps"):
        TurnByVector()(np.ones((2, 5, 5, 1)))
    with pytest.raises(ValueError, match="takes a pair of maps"):
        TurnByVector()([np.ones((2, 5, 5, 1)), np.ones((2, 3))])
    with pytest.raises(ValueError, match="needs maps with known rows and columns"):
        TurnByVector()([keras.Input((None, None, 1)), keras.Input((2,))])
    with pytest.raises(ValueError, match="no multiple of 4"):
        GOrientation("p4")(np.ones((2, 5, 5, 3)))
