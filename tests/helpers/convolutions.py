"""Convolutions with random weights, and the check that they are exact or say that they are not."""

import functools
import warnings

import pytest

from keras_gcnn.layers import EquivarianceWarning, LiftingConv2D
from tests.helpers import reference
from tests.helpers.contract import constructor_arguments
from tests.helpers.layers import equivariance_error, random_initializer, run


def make(layer_class, group, size, equivariance="warn", **window):
    names = sorted(name for name in constructor_arguments(layer_class) if "initializer" in name)
    return layer_class(
        2,
        size,
        group,
        dtype="float64",
        equivariance=equivariance,
        **{name: random_initializer(seed) for seed, name in enumerate(names)},
        **window,
    )


def inputs_and_move(layer_class, group, size, rng):
    """Square inputs of two fields, and how an element moves them."""
    lifting = layer_class is LiftingConv2D
    inputs = rng.normal(size=(1, size, size, 2 if lifting else 2 * reference.order(group)))
    return inputs, functools.partial(
        reference.move_images if lifting else reference.move_maps, group=group
    )


def error_of(function, layer_class, group, size, rng):
    inputs, move_in = inputs_and_move(layer_class, group, size, rng)
    return equivariance_error(
        function,
        inputs,
        reference.order(group),
        lambda array, g: move_in(array, g=g),
        lambda array, g: reference.move_maps(array, group, g),
    )


def check(layer_class, group, kernel, size, exact, rng, **window):
    """The layer is exact and silent, or broken and reported."""
    shape = list(inputs_and_move(layer_class, group, size, rng)[0].shape)
    if window.get("data_format") == "channels_first":
        shape = [shape[0], shape[3], *shape[1:3]]
    layer, strict = (make(layer_class, group, kernel, how, **window) for how in ("warn", "strict"))
    if exact:
        with warnings.catch_warnings():
            warnings.simplefilter("error", EquivarianceWarning)
            layer.build(shape)
            strict.build(shape)
        error = error_of(functools.partial(run, layer), layer_class, group, size, rng)
        assert error < 1e-10
        return
    says = rf"{layer_class.__name__} .* is not equivariant: .+ To fix: (use|leave) "
    with pytest.raises(ValueError, match=says):
        strict.build(shape)
    with pytest.warns(EquivarianceWarning, match=says):
        layer.build(shape)
    error = error_of(functools.partial(run, layer), layer_class, group, size, rng)
    assert error > 1e-3
