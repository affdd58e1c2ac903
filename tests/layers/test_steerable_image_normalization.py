"""Layer and group normalisation of fields against loops over fields."""

import keras
import numpy as np
import pytest

from keras_gcnn.layers import SteerableGroupNormalization, SteerableLayerNormalization
from tests.helpers.covering import covering
from tests.helpers.layers import (
    DATA_FORMATS,
    error_over_elements,
    randomize,
    relative_error,
    run_together,
    to_format,
)
from tests.helpers.steerable import FIELDS, QUARTERS, channels, layout, turn, turn_fibres

EPSILON = 0.01
NAMES = ("layer", 1, -1)  # numbers are those of channel groups
CASES = covering(
    name=NAMES,
    fields=(FIELDS, {1: 2, 2: 1}, {0: 1, 1: 3}, {0: 3}),
    data_format=DATA_FORMATS,
    rank=(2, 4),
)


def normalize(values, fields, gamma, beta, members):
    """Normalises the fields `members` of values of shape (positions, channels) together."""
    parts = {key: part for key, part in layout(fields).items() if key[0] in members}
    scalars = [part for (_, frequency), part in parts.items() if frequency == 0]
    mean = np.mean([values[:, part] for part in scalars]) if scalars else 0
    for part in scalars:
        values[:, part] -= mean
    square = np.mean(np.concatenate([values[:, part] for part in parts.values()], axis=1) ** 2)
    for (field, frequency), part in parts.items():
        values[:, part] *= gamma[field] / np.sqrt(square + EPSILON)
        if frequency == 0:  # the fields with frequency 0 are the first ones
            values[:, part] += beta[field]


def expected(layer, maps, fields):
    weights = {one.name: keras.ops.convert_to_numpy(one) for one in layer.weights}
    gamma, beta = weights["gamma"], weights.get("beta")
    rows, count = maps.reshape(len(maps), -1, maps.shape[-1]).copy(), 1
    if isinstance(layer, SteerableLayerNormalization):
        rows = rows.reshape(-1, 1, maps.shape[-1])  # every position by itself
    else:
        count = len(gamma) if layer.groups == -1 else layer.groups
    for values in rows:
        for members in np.split(np.arange(len(gamma)), count):
            normalize(values, fields, gamma, beta, members)
    return rows.reshape(maps.shape)


def make(name, fields, data_format="channels_last", dtype="float64"):
    more = {
        "axis": 1 if data_format == "channels_first" else -1,
        "epsilon": EPSILON,
        "dtype": dtype,
    }
    if name == "layer":
        return SteerableLayerNormalization(fields, **more)
    return SteerableGroupNormalization(fields, name, **more)


def inputs_for(fields, rng, rank=4):
    maps = rng.normal(size=(2, *(3, 3)[: rank - 2], channels(fields)))
    return maps * rng.uniform(0.5, 2, channels(fields)) + rng.normal(size=channels(fields))


def turned(array, fields, quarters):
    if array.ndim == 4:
        return turn(array, fields, quarters)
    return turn_fibres(array, fields, quarters * np.pi / 2)


def turned_by_all(array, fields):
    return np.concatenate([turned(array, fields, quarters) for quarters in range(QUARTERS)])


def built(layer, maps, rng, data_format="channels_last"):
    layer.build(to_format(maps, data_format).shape)
    return randomize(layer, rng)


@pytest.fixture(scope="module")
def computed():
    """Of every case the layer, with random weights, its inputs and its outputs for all turns."""
    rng, made, inputs, moved = np.random.default_rng(0), [], [], []
    for case in CASES:
        array = inputs_for(case["fields"], rng, case["rank"])
        layer = make(case["name"], case["fields"], case["data_format"])
        made.append(built(layer, array, rng, case["data_format"]))
        inputs.append(array)
        moved.append(turned_by_all(array, case["fields"]))
    outputs = run_together(made, moved, [case["data_format"] for case in CASES])
    return list(zip(CASES, made, inputs, outputs, strict=True))


def test_values(computed):
    for case, layer, array, outputs in computed:
        wanted = expected(layer, array, case["fields"])
        assert relative_error(outputs[: len(array)], wanted) < 1e-12, case


def test_equivariance_under_quarter_turns(computed):
    for case, _, _, outputs in computed:
        fields = case["fields"]
        error = error_over_elements(
            outputs, QUARTERS, lambda x, q, fields=fields: turned(x, fields, q)
        )
        assert error < 1e-10, case


def test_layer_normalisation_commutes_with_turning_every_fibre_by_itself(rng):
    """At every position by an angle of its own."""
    fibres = inputs_for(FIELDS, rng)
    layer = built(make("layer", FIELDS), fibres, rng)

    def turn_each(maps):
        outputs = np.empty_like(maps)
        for number, index in enumerate(np.ndindex(maps.shape[:-1])):
            outputs[index] = turn_fibres(maps[index], FIELDS, 1 + number)
        return outputs

    upright, found = run_together([layer, layer], [fibres, turn_each(fibres)])
    assert relative_error(found, turn_each(upright)) < 1e-10


STOCK = {
    "layer": lambda: keras.layers.LayerNormalization(epsilon=EPSILON),
    1: lambda: keras.layers.GroupNormalization(1, epsilon=EPSILON),
    -1: lambda: keras.layers.GroupNormalization(-1, epsilon=EPSILON),
}


def test_stock_layers_break_fields_and_are_the_layers_on_frequency_0(rng):
    maps = inputs_for(FIELDS, rng).astype("float32")
    stock = {name: built(make_stock(), maps, rng) for name, make_stock in STOCK.items()}
    made = [make(name, {0: channels(FIELDS)}, dtype="float32") for name in stock]
    for layer, one in zip(made, stock.values(), strict=True):
        built(layer, maps, rng).set_weights(one.get_weights())
    inputs = [turned_by_all(maps, FIELDS)] * len(stock) + [maps] * len(made)
    outputs = run_together([*stock.values(), *made], inputs)
    for name, moved, same in zip(stock, outputs, outputs[len(stock) :], strict=False):
        assert error_over_elements(moved, QUARTERS, lambda x, q: turned(x, FIELDS, q)) > 1e-3, name
        assert relative_error(same, moved[: len(maps)]) < 1e-5, name


def test_numbers_of_weights():
    for fields, shapes in (
        (FIELDS, {"gamma": 3, "beta": 3}),
        ({1: 2, 2: 1}, {"gamma": 2}),
        ({0: 1, 1: 4}, {"gamma": 4, "beta": 1}),
    ):
        for name in NAMES:
            layer = make(name, fields)
            layer.build((None, 4, 4, channels(fields)))
            assert {one.name: one.shape[0] for one in layer.weights} == shapes
