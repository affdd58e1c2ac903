"""Dropout of whole fibres."""

import keras
import numpy as np
import pytest

from keras_gcnn.layers import GDropout
from tests.helpers import reference
from tests.helpers.layers import DATA_FORMATS, run

BOTH_FORMATS = pytest.mark.parametrize("data_format", DATA_FORMATS)
SHAPE = (4, 6, 6, 3)  # images, rows, columns, fields


def drop(inputs, group="p4m", rate=0.25, **more):
    return run(GDropout(rate, group, dtype="float64", **more), inputs, training=True)


def mask_of(group="p4m", **more):
    """1 where something is kept and 0 where not, with an axis of the orientations at the end."""
    order = reference.order(group)
    outputs = drop(np.ones((*SHAPE[:3], SHAPE[3] * order)), group, **more).reshape(*SHAPE, order)
    np.testing.assert_allclose(outputs[outputs != 0], 1 / 0.75, rtol=1e-6)
    return outputs != 0


@BOTH_FORMATS
@pytest.mark.parametrize("group", reference.ELEMENTS)
def test_all_orientations_share_the_mask(group, data_format):
    mask = mask_of(group, data_format=data_format)
    assert (mask == mask[..., :1]).all()
    for axis in range(4):  # but images, positions and fields do not
        assert (mask != mask.take([0], axis)).any()


@BOTH_FORMATS
@pytest.mark.parametrize("group", ["z2", "p4m"])
def test_spatially_all_positions_share_it_too(group, data_format):
    mask = mask_of(group, data_format=data_format, spatial=True)
    assert (mask == mask[:, :1, :1, :, :1]).all()
    for axis in (0, 3):
        assert (mask != mask.take([0], axis)).any()


@pytest.mark.parametrize("spatial", [False, True])
def test_the_expectation_is_the_input(spatial):
    maps = np.ones((2000 if spatial else 100, 5, 5, 8))
    mean = drop(maps, "p4", rate=0.4, spatial=spatial, seed=5).mean()
    independent = 2000 * 2 if spatial else 100 * 25 * 2
    assert abs(mean - 1) < 5 * np.sqrt(0.4 / 0.6 / independent)


def test_the_stock_layer_does_not_share_it(rng):
    """So the test above would notice a layer that does nothing special."""
    stock = keras.layers.Dropout(0.25)
    outputs = keras.ops.convert_to_numpy(stock(np.ones((2, 6, 6, 8)), training=True))
    fibres = outputs.reshape(2, 6, 6, 2, 4) != 0
    assert (fibres != fibres[..., :1]).any()


@pytest.mark.parametrize("group", reference.ELEMENTS)
def test_spatially_it_commutes_with_every_element(group, rng):
    """Each call has a layer of its own with the same seed, and so the same mask."""
    how = {"rate": 0.5, "spatial": True, "seed": 3}
    maps = rng.normal(size=(8, 5, 5, 3 * reference.order(group)))
    outputs = drop(maps, group, **how)
    assert (outputs == 0).any()
    for g in range(reference.order(group)):
        moved = drop(reference.move_maps(maps, group, g), group, **how)
        np.testing.assert_array_equal(moved, reference.move_maps(outputs, group, g))


def test_by_position_it_permutes_fibres_with_the_image(rng):
    """The mask stays where it is, and is the same for all orientations of the moved fibres."""
    maps = rng.normal(size=(2, 5, 5, 24))
    outputs = drop(maps, seed=3)
    for g in range(8):
        permuted = drop(reference.move_fibres(maps, "p4m", g), seed=3)
        np.testing.assert_array_equal(permuted, reference.move_fibres(outputs, "p4m", g))


def test_seeds(rng):
    maps = rng.normal(size=(2, 6, 6, 8))
    layer = GDropout(0.5, seed=1)
    first, second = (run(layer, maps, training=True) for _ in range(2))
    assert (first != second).any()
    again = GDropout.from_config(layer.get_config())
    np.testing.assert_array_equal(run(again, maps, training=True), first)
    assert (run(GDropout(0.5, seed=2), maps, training=True) != first).any()


@pytest.mark.parametrize("call", [{}, {"training": False}], ids=str)
def test_at_inference_nothing_happens(call, rng):
    maps = rng.normal(size=(2, 6, 6, 8))
    np.testing.assert_array_equal(run(GDropout(0.9, dtype="float64"), maps, **call), maps)
    kept = run(GDropout(0, dtype="float64"), maps, training=True)
    np.testing.assert_array_equal(kept, maps)


@pytest.mark.parametrize("half", ["float16", "bfloat16"])
def test_half_precision_in_training(half):
    layer = GDropout(0.5, "p4", dtype=f"mixed_{half}")
    outputs = layer(np.ones((2, 4, 4, 8), "float32"), training=True)
    assert keras.backend.standardize_dtype(outputs.dtype) == half
    values = keras.ops.convert_to_numpy(keras.ops.cast(outputs, "float32"))
    assert set(np.unique(values)) == {0, 2}


@pytest.mark.parametrize("spatial", [False, True])
def test_vectors(spatial):
    outputs = drop(np.ones((50, 24)), rate=0.25, spatial=spatial).reshape(50, 3, 8)
    assert (outputs == outputs[..., :1]).all()
    assert 0 < (outputs == 0).mean() < 1


def test_a_network_of_unknown_sizes():
    inputs = keras.Input((None, None, 8))
    network = keras.Model(inputs, GDropout(0.5)(inputs))
    assert network.output.shape == (None, None, None, 8)
    for size in (3, 5):
        outputs = network(np.ones((2, size, size, 8), "float32"), training=True)
        assert tuple(outputs.shape) == (2, size, size, 8)
