"""Pooling over orientations."""

import numpy as np
import pytest

from keras_gcnn.layers import GGlobalPooling, GPooling
from tests.helpers import reference
from tests.helpers.covering import parametrize_covering
from tests.helpers.layers import DATA_FORMATS, equivariance_error, relative_error, run
from tests.helpers.reference import ELEMENTS

REDUCE = {"max": np.max, "mean": np.mean}


def maps_for(group, rng):
    return rng.normal(size=(2, 5, 5, 3 * reference.order(group)))


def fibres(array, group):
    return array.reshape(*array.shape[:-1], -1, reference.order(group))


@parametrize_covering(group=list(ELEMENTS), mode=list(REDUCE), data_format=DATA_FORMATS)
def test_orientations(group, mode, data_format, rng):
    layer = GPooling(mode, group, data_format=data_format, dtype="float64")
    maps = maps_for(group, rng)
    assert relative_error(run(layer, maps), REDUCE[mode](fibres(maps, group), axis=-1)) < 1e-12


@pytest.mark.parametrize("data_format", DATA_FORMATS)
@pytest.mark.parametrize("mode", REDUCE)
def test_orientations_of_vectors(mode, data_format, rng):
    layer = GPooling(mode, "p4m", data_format=data_format, dtype="float64")
    vectors = rng.normal(size=(4, 24))
    expected = REDUCE[mode](fibres(vectors, "p4m"), axis=-1)
    assert expected.shape == (4, 3)
    assert relative_error(run(layer, vectors), expected) < 1e-12


@parametrize_covering(
    group=list(ELEMENTS), mode=list(REDUCE), data_format=DATA_FORMATS, keepdims=[False, True]
)
def test_positions_and_orientations(group, mode, data_format, keepdims, rng):
    layer = GGlobalPooling(mode, group, keepdims=keepdims, data_format=data_format, dtype="float64")
    maps = maps_for(group, rng)
    expected = REDUCE[mode](fibres(maps, group), axis=(1, 2, 4))
    expected = expected[:, None, None] if keepdims else expected
    assert relative_error(run(layer, maps), expected) < 1e-12


@pytest.mark.parametrize("mode", REDUCE)
@pytest.mark.parametrize("group", ["p4", "p4m"])
def test_the_pooled_map_turns_like_an_image(group, mode, rng):
    layer = GPooling(mode, group, dtype="float64")
    error = equivariance_error(
        lambda maps: run(layer, maps),
        maps_for(group, rng),
        reference.order(group),
        lambda maps, g: reference.move_maps(maps, group, g),
        lambda images, g: reference.move_images(images, group, g),
    )
    assert error < 1e-10


@pytest.mark.parametrize("mode", REDUCE)
@pytest.mark.parametrize("group", ["p4", "p4m"])
def test_the_global_pool_does_not_turn(group, mode, rng):
    layer = GGlobalPooling(mode, group, dtype="float64")
    error = equivariance_error(
        lambda maps: run(layer, maps),
        maps_for(group, rng),
        reference.order(group),
        lambda maps, g: reference.move_maps(maps, group, g),
        lambda vectors, g: vectors,
    )
    assert error < 1e-10


def test_defaults():
    assert (GPooling().mode, GGlobalPooling().mode) == ("max", "max")
