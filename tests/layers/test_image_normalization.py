"""Layer, group and RMS normalisation and the rectifier of maps on a group, against loops."""

import itertools

import keras
import numpy as np
import pytest

from keras_gcnn import layers
from tests.helpers.covering import covering
from tests.helpers.layers import (
    DATA_FORMATS,
    error_over_elements,
    randomize,
    relative_error,
    run,
    run_together,
    to_format,
)
from tests.helpers.reference import ELEMENTS, move_fibres, move_maps, order

FIELDS = 4
EPSILON = 0.01


def layer_norm(maps, group, gamma, beta, subtracted=True):
    """At each position: all fields and orientations, or channels without regard to either."""
    outputs = np.empty_like(maps)
    for at in itertools.product(*map(range, maps.shape[:-1])):
        values = maps[at]
        centred = values - (sum(values) / len(values) if subtracted else 0)
        root = np.sqrt(sum(centred**2) / len(values) + EPSILON)
        for channel, value in enumerate(centred):
            field = channel // order(group)
            outputs[(*at, channel)] = value / root * gamma[field] + beta[field]
    return outputs


def group_norm(maps, group, gamma, beta, count):
    """In each image: the fields of a channel group, with their orientations, at all positions."""
    fields = maps.reshape(*maps.shape[:-1], -1, order(group))
    outputs, number = np.empty_like(fields), len(gamma) // count
    for image, first in itertools.product(range(len(maps)), range(0, len(gamma), number)):
        together = fields[image, ..., first : first + number, :]
        mean = together.sum() / together.size
        variance = ((together - mean) ** 2).sum() / together.size
        for field in range(first, first + number):
            normal = (fields[image, ..., field, :] - mean) / np.sqrt(variance + EPSILON)
            outputs[image, ..., field, :] = normal * gamma[field] + beta[field]
    return outputs.reshape(maps.shape)


def rectified(maps, group, alpha):
    outputs = maps.copy()
    for index, value in np.ndenumerate(maps):
        if value < 0:
            outputs[index] = value * alpha[index[-1] // order(group)]
    return outputs


def expected(layer, maps, group):
    """What a layer with its weights should return for channels-last maps or vectors."""
    weights = [keras.ops.convert_to_numpy(weight) for weight in layer.weights]
    if isinstance(layer, layers.GPReLU):
        return rectified(maps, group, *weights)
    gamma, beta = weights
    if isinstance(layer, layers.GGroupNormalization):
        count = FIELDS if layer.groups == -1 else layer.groups
        return group_norm(maps, group, gamma, beta, count)
    return layer_norm(maps, group, gamma, beta, not isinstance(layer, layers.GRMSNormalization))


def make(name, group, data_format="channels_last", dtype="float64", **more):
    if name == "prelu":
        return layers.GPReLU(group, data_format=data_format, dtype=dtype)
    axis = 1 if data_format == "channels_first" else -1
    more = {"axis": axis, "epsilon": EPSILON, "center": True, "dtype": dtype, **more}
    if name == "layer":
        return layers.GLayerNormalization(group, **more)
    if name == "rms":
        return layers.GRMSNormalization(group, **more)
    return layers.GGroupNormalization(name, group, **more)


def inputs_for(group, rng, rank=4, batch=2):
    """Maps of ordinary sizes whose channels differ in mean and scale, or vectors."""
    channels = FIELDS * order(group)
    maps = rng.normal(size=(batch, *(3, 3, 5)[: rank - 2], channels))
    return maps * rng.uniform(0.5, 2, channels) + rng.normal(size=channels)


NAMES = ("layer", "rms", 1, 2, -1, "prelu")  # numbers are those of channel groups
CASES = covering(name=NAMES, group=tuple(ELEMENTS), data_format=DATA_FORMATS, rank=(2, 4))


def moved_by_all(array, group):
    return np.concatenate([move(array, group, g) for g in range(order(group))])


def move(array, group, g):
    return move_maps(array, group, g) if array.ndim == 4 else move_fibres(array, group, g)


def with_ones(layer, maps):
    """A layer whose scales are one and offsets zero."""
    layer.build(maps.shape)
    return layer


def built(layer, maps, rng, data_format="channels_last"):
    layer.build(to_format(maps, data_format).shape)
    return randomize(layer, rng)


@pytest.fixture(scope="module")
def computed():
    """Of every case the layer, with random weights, its inputs and its outputs for all elements."""
    rng, made, inputs, moved = np.random.default_rng(0), [], [], []
    for case in CASES:
        array = inputs_for(case["group"], rng, case["rank"])
        layer = make(case["name"], case["group"], case["data_format"])
        made.append(built(layer, array, rng, case["data_format"]))
        inputs.append(array)
        moved.append(moved_by_all(array, case["group"]))
    outputs = run_together(made, moved, [case["data_format"] for case in CASES])
    return list(zip(CASES, made, inputs, outputs, strict=True))


def test_values(computed):
    for case, layer, array, outputs in computed:
        wanted = expected(layer, array, case["group"])
        assert relative_error(outputs[: len(array)], wanted) < 1e-12, case


def test_equivariance_under_every_element(computed):
    for case, _, _, outputs in computed:
        group = case["group"]
        error = error_over_elements(
            outputs, order(group), lambda x, g, group=group: move(x, group, g)
        )
        assert error < 1e-10, case


STOCK = {
    "layer": lambda **more: keras.layers.LayerNormalization(epsilon=EPSILON, **more),
    "rms": lambda **more: keras.layers.RMSNormalization(epsilon=EPSILON, **more),
    1: lambda **more: keras.layers.GroupNormalization(1, epsilon=EPSILON, **more),
    2: lambda **more: keras.layers.GroupNormalization(2, epsilon=EPSILON, **more),
    -1: lambda **more: keras.layers.GroupNormalization(-1, epsilon=EPSILON, **more),
    "prelu": lambda **more: keras.layers.PReLU(shared_axes=[1, 2], **more),
}


def test_stock_layers_are_not_equivariant_and_are_the_layers_on_z2(rng):
    """In float32: on JAX and PyTorch stock layers compute float64 in float32 as well."""
    maps = inputs_for("p4", rng).astype("float32")
    stock = {name: built(make_stock(), maps, rng) for name, make_stock in STOCK.items()}
    # With 16 fields of one channel; the stock layer RMSNormalization has no offset.
    more = {"rms": {"center": False}}
    made = [make(name, "z2", dtype="float32", **more.get(name, {})) for name in stock]
    for layer, one in zip(made, stock.values(), strict=True):
        built(layer, maps, rng).set_weights([weight.reshape(-1) for weight in one.get_weights()])
    inputs = [moved_by_all(maps, "p4")] * len(stock) + [maps] * len(made)
    outputs = run_together([*stock.values(), *made], inputs)
    for name, moved, same in zip(stock, outputs, outputs[len(stock) :], strict=False):
        assert error_over_elements(moved, 4, lambda x, g: move(x, "p4", g)) > 1e-3, name
        assert relative_error(same, moved[: len(maps)]) < 1e-5, name


def test_orientations_keep_their_differences_in_instance_normalisation(rng):
    """The orientations of a field share their statistics, so their means stay apart."""
    maps = inputs_for("p4", rng, batch=1)
    means = run(make(-1, "p4"), maps).mean(axis=(0, 1, 2)).reshape(FIELDS, 4)
    np.testing.assert_allclose(means.mean(axis=1), 0, atol=1e-12)
    assert np.abs(means).min(axis=1).max() > 1e-2


def test_half_precision_keeps_the_statistics_in_float32(rng):
    """Around 300 the squares overflow float16, and bfloat16 has no digits for the spread."""
    maps = 300 + 8 * inputs_for("p4", rng)
    tolerances = {"float16": 4e-3, "bfloat16": 3e-2}
    cases = list(itertools.product(("layer", 2), tolerances))
    made = [built(make(name, "p4", dtype=f"mixed_{half}"), maps, rng) for name, half in cases]
    inputs = [keras.ops.cast(maps, half) for _, half in cases]
    found = run_together(made, inputs)
    for (_, half), layer, given, outputs in zip(cases, made, inputs, found, strict=True):
        given = keras.ops.convert_to_numpy(keras.ops.cast(given, "float32"))
        wanted = expected(layer, given.astype("float64"), "p4")
        assert relative_error(outputs.astype("float64"), wanted) < tolerances[half], layer


def test_a_large_mean_costs_no_more_digits_than_it_has(rng):
    maps = inputs_for("p4", rng)
    made = [make(name, "p4") for name in ("layer", 2, "layer", 2, "rms")]
    inputs = [maps, maps, maps + 1e6, maps + 1e6, maps + 1e6]
    *small, layer, group, rms = run_together([with_ones(one, maps) for one in made], inputs)
    for one, other in zip(small, (layer, group), strict=True):
        assert relative_error(other, one) < 1e-8
    np.testing.assert_allclose(rms, 1, rtol=1e-4)


def test_without_offset_or_scale(rng):
    maps, made = inputs_for("p4", rng), []
    for center, scale in ((True, False), (False, True), (False, False)):
        layer = with_ones(make("layer", "p4", center=center, scale=scale), maps)
        made.append(layer)
        names = ["gamma"] * scale + ["beta"] * center
        assert [weight.name for weight in layer.weights] == names
    wanted = layer_norm(maps, "p4", np.ones(FIELDS), np.zeros(FIELDS))
    for outputs in run_together(made, [maps] * 3):
        assert relative_error(outputs, wanted) < 1e-12


def test_wrong_arguments():
    for groups in (0, -2, 2.5, True, "2"):
        with pytest.raises(ValueError, match=r"groups=.* has to be a positive integer.* or -1"):
            layers.GGroupNormalization(groups)
    for layer_class in (layers.GLayerNormalization, layers.GBatchNormalization):
        with pytest.raises(ValueError, match=r"axis=2; the input.*Use axis=-1, or axis=1"):
            layer_class("p4", axis=2)(np.zeros((2, 5, 8, 3)))
    says = (
        r"received 6 fields \(input shape \(2, 5, 5, 24\)\).*groups=4 channel groups.*"
        r"Choose groups from 1, 2, 3, 6, or -1"
    )
    with pytest.raises(ValueError, match=says):
        layers.GGroupNormalization(4, "p4")(np.zeros((2, 5, 5, 24)))
    with pytest.raises(ValueError, match=r"received 8 fields.*groups=32.*1, 2, 4, 8"):
        layers.SteerableGroupNormalization({0: 8})(np.zeros((2, 5, 5, 8)))
    with pytest.raises(ValueError, match="has no weights yet"):
        layers.GLayerNormalization("p4").expanded_weights()
    with pytest.raises(ValueError, match="has no slopes yet"):
        layers.GPReLU("p4").expanded_slopes()
