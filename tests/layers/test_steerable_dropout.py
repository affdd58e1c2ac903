"""Dropout of whole fields."""

import numpy as np
import pytest

from keras_gcnn.layers import SteerableDropout
from tests.helpers.layers import DATA_FORMATS, run
from tests.helpers.steerable import FIELDS, channels, layout, turn, turn_fibres

SHAPE = (8, 6, 6)  # images, rows, columns


def drop(inputs, rate=0.25, fields=FIELDS, **more):
    return run(SteerableDropout(rate, fields, dtype="float64", **more), inputs, training=True)


def kept_fields(outputs, fields=FIELDS):
    """Whether a field is kept, as its last axis; all channels of a field agree."""
    kept = {}
    for (field, _), part in layout(fields).items():
        for values in np.moveaxis(outputs[..., part] != 0, -1, 0):
            np.testing.assert_array_equal(values, kept.setdefault(field, values))
    return np.stack(list(kept.values()), axis=-1)


@pytest.mark.parametrize("data_format", DATA_FORMATS)
@pytest.mark.parametrize("spatial", [False, True])
def test_all_channels_of_a_field_share_the_mask(spatial, data_format):
    outputs = drop(np.ones((*SHAPE, channels(FIELDS))), spatial=spatial, data_format=data_format)
    np.testing.assert_allclose(outputs[outputs != 0], 1 / 0.75, rtol=1e-6)
    kept = kept_fields(outputs)
    if spatial:
        assert (kept == kept[:, :1, :1]).all()
    for axis in (0, 3) if spatial else range(4):  # but images, positions and fields do not
        assert (kept != kept.take([0], axis)).any()


@pytest.mark.parametrize("spatial", [False, True])
def test_the_expectation_is_the_input(spatial):
    shape = (2000, 1, 1) if spatial else (20, 10, 10)
    mean = drop(np.ones((*shape, channels(FIELDS))), rate=0.4, spatial=spatial, seed=5).mean()
    # Of the nine channels five belong to the first field, three to the second, one to the third.
    spread = np.sqrt(0.4 / 0.6 / 2000 * (25 + 9 + 1)) / 9
    assert 0 < abs(mean - 1) < 5 * spread


def test_spatially_it_commutes_with_quarter_turns(rng):
    """Each call has a layer of its own with the same seed, and so the same mask."""
    how = {"rate": 0.5, "spatial": True, "seed": 3}
    maps = rng.normal(size=(*SHAPE, channels(FIELDS)))
    outputs = drop(maps, **how)
    assert (outputs == 0).any()
    for quarters in range(1, 4):
        expected = turn(outputs, FIELDS, quarters)
        np.testing.assert_allclose(drop(turn(maps, FIELDS, quarters), **how), expected, atol=1e-14)


@pytest.mark.parametrize("spatial", [False, True])
def test_fibres_turn_by_any_angle(spatial, rng):
    maps = rng.normal(size=(*SHAPE, channels(FIELDS)))
    how = {"spatial": spatial, "seed": 3}
    expected = turn_fibres(drop(maps, **how), FIELDS, 0.7)
    actual = drop(turn_fibres(maps, FIELDS, 0.7), **how)
    np.testing.assert_allclose(actual, expected, atol=1e-14)


def test_seeds(rng):
    maps = rng.normal(size=(*SHAPE, channels(FIELDS)))
    layer = SteerableDropout(0.5, FIELDS, seed=1)
    first, second = (run(layer, maps, training=True) for _ in range(2))
    assert (first != second).any()
    again = SteerableDropout.from_config(layer.get_config())
    np.testing.assert_array_equal(run(again, maps, training=True), first)


def test_at_inference_nothing_happens(rng):
    maps = rng.normal(size=(*SHAPE, channels(FIELDS)))
    layer = SteerableDropout(0.9, FIELDS, dtype="float64")
    for call in ({}, {"training": False}):
        np.testing.assert_array_equal(run(layer, maps, **call), maps)
    np.testing.assert_array_equal(drop(maps, rate=0), maps)


def test_vectors():
    outputs = drop(np.ones((50, channels(FIELDS))), data_format="channels_first")
    assert 0 < kept_fields(outputs).mean() < 1
