"""The wide residual network, of layers on groups and of steerable layers."""

import keras
import numpy as np
import pytest

from keras_gcnn import analysis, layers, zoo
from keras_gcnn.analysis.precision import dtype_policy
from tests.helpers.covering import parametrize_covering
from tests.helpers.levels import thoroughly
from tests.zoo.networks import build, compiled, count, images, predict
from tests.zoo.test_steerable_cnn import logits_of_moved

# A group, the stages after which it shrinks, and what is exact of the group that is left.
LEFT = [
    ("p4m", {"2": "d2"}, "pmm"),
    ("d8", {"2": "d4", "3": "d1"}, "pm"),
    ("so2", {"1": "c8"}, "p4"),
]
SMALL = {"depth": 10, "widths": (1, 2, 2, 2)}


def small(group, **arguments):
    return build("wide_resnet", group, **{**SMALL, "input_shape": (12, 12, 1), **arguments})


@parametrize_covering(
    case=LEFT,
    size=[12, 13, 15],
    fields=["regular", "circle"],
    precision=[("float64", 1e-10), ("float32", 1e-5)],
)
def test_what_moves_pixels_to_pixels_leaves_the_logits(case, size, fields, precision):
    group, restrict_after, left = case
    dtype, tolerance = precision
    with dtype_policy(dtype):
        network = small(
            group, restrict_after=restrict_after, fields=fields, input_shape=(size, size, 1)
        )
    x = images((size, size, 1), n=2).astype(dtype)
    x[1] /= 3
    logits = logits_of_moved(network, left, x)
    assert logits.dtype == dtype
    assert np.ptp(logits[0], axis=0).max() > 1e-3 * np.abs(logits).max()
    assert np.abs(logits - logits[0]).max() <= tolerance * np.abs(logits).max()


@pytest.mark.thorough("jax", "tensorflow")
@pytest.mark.parametrize(("group", "after"), [("p4", None), ("d8", {"3": "c4"})])
def test_mirrors_change_the_logits_where_they_shall(group, after):
    logits = logits_of_moved(small(group, restrict_after=after), "p4m", images((12, 12, 1), n=2))
    assert np.abs(logits[:4] - logits[0]).max() <= 1e-5 * np.abs(logits).max()
    assert np.abs(logits - logits[0]).max() > 1e-3 * np.abs(logits).max()


@pytest.mark.backend_free
def test_the_plain_network_is_that_of_zagoruyko_and_komodakis():
    network = zoo.wide_resnet(depth=16, width=4)
    expected, before = 9 * 3 * 16, 16
    for width in (64, 128, 256):
        expected += 2 * before + before * width + 9 * before * width + 2 * width + 9 * width**2
        expected += 2 * (2 * width + 9 * width**2)  # the second block
        before = width
    assert count(network) == expected + 2 * before + (before + 1) * 10
    names = [layer.name for layer in network.layers if "_conv" in layer.name]
    assert len(names) == 13
    assert network.name == "wide_resnet16_4_z2"


@pytest.mark.backend_free
def test_layers_on_groups_where_there_are_some():
    types = {
        name: type(small(**which).get_layer("stage1_block1_conv1"))
        for name, which in {
            "p4m": {"group": "p4m"},
            "d4": {"group": "d4"},
            "circle": {"group": "d4", "fields": "circle"},
            "d3": {"group": "d3"},
        }.items()
    }
    assert types["p4m"] is types["d4"] is layers.GConv2D
    assert types["circle"] is types["d3"] is layers.SteerableConv2D


@pytest.mark.backend_free
def test_the_widths_of_every_group():
    network = zoo.wide_resnet("d8", width=2, depth=10, restrict_after={"1": "c8", "3": "c4"})
    expected = [16 / 4, 32 / 4, 64 / 8**0.5, 128 / 8**0.5]
    assert network.widths == tuple(map(round, expected))
    names = [f"stage{stage}_block1_conv2" for stage in (1, 2, 3)]
    assert [network.get_layer(name).fields_out.group.name for name in names] == ["d8", "c8", "c8"]
    assert network.get_layer("restrict3").subgroup.name == "c4"
    assert network.stages == ("1", "2", "3")


@pytest.mark.backend_free
@pytest.mark.parametrize("group", ["p4m", "d6"])
@pytest.mark.parametrize("budget", [{"parameters": 60_000}, {"multiply_adds": 20_000_000}])
def test_counts_and_budgets(group, budget):
    form = {"depth": 10, "kernel_size": 5, "restrict_after": {"2": "c2"}, "dropout": 0.2}
    network = zoo.wide_resnet(group, (14, 15, 2), **form, **budget)
    found = analysis.cost(network)
    assert found.multiply_adds == network.multiply_adds
    ((name, most),) = budget.items()
    assert 0.98 * most <= getattr(found, name) <= most
    assert found.parameters == count(network)
    assert not found.unknown


@pytest.mark.parametrize("group", ["p4m", *thoroughly("d3")])
def test_files(tmp_path, group):
    form = {"restrict_after": {"2": "c1"}}
    network, x = small(group, dropout=0.1, **form), images((12, 12, 1), n=2)
    expected = predict(network, x)
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    np.testing.assert_allclose(predict(loaded, x), expected, atol=1e-6)
    backbone = small(group, include_top=False, weights=tmp_path / "network.keras", **form)
    assert backbone.output_shape == (None, 3, 3, 2)
    with pytest.raises(ValueError, match="cannot be loaded into wide_resnet10_1"):
        small(group, weights=tmp_path / "network.keras", classes=11, **form)


@pytest.mark.thorough("jax", "tensorflow")
@pytest.mark.parametrize("group", ["p4m", "d3"])
def test_channels_first_and_half_precision_compute_the_same(group):
    last = small(group, input_shape=(12, 13, 3), restrict_after={"1": "d1"})
    form = {"input_shape": (3, 12, 13), "data_format": "channels_first"}
    first = small(group, restrict_after={"1": "d1"}, **form)
    with dtype_policy("mixed_float16"):
        half = small(group, input_shape=(12, 13, 3), restrict_after={"1": "d1"})
    for other in (first, half):
        other.set_weights(last.get_weights())
    x = images((12, 13, 3), n=2)
    expected = predict(last, x)
    found = predict(first, x.transpose(0, 3, 1, 2))
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()
    found = keras.ops.convert_to_numpy(compiled(half)(x))
    assert found.dtype == "float32"
    assert np.abs(found - expected).max() < 0.05 * np.abs(expected).max()


@pytest.mark.thorough("jax", "tensorflow")
def test_a_few_steps_lower_the_loss():
    network = small("d3", dropout=0.1)
    x, labels = images((12, 12, 1), n=16), np.arange(16) % 10
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(keras.optimizers.Adam(3e-3), loss=loss)
    history = network.fit(x, labels, batch_size=16, epochs=8, verbose=0).history["loss"]
    assert history[-1] < history[0]


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"group": "p5"}, "group='p5' is unknown. Choose one of z2, .*'so2' for all rotations"),
        ({"group": 4}, "group=4 is unknown"),
        ({"depth": 14}, r"depth=14 has to be 6 n \+ 4"),
        ({"width": 0}, "width=0 has to be a positive integer"),
        ({"kernel_size": 4}, "kernel_size=4 has to be an odd"),
        ({"dropout": 1.0}, "from 0 to below 1"),
        ({"group": "p4", "fields": "square"}, "Choose one of 'regular', 'circle'"),
        ({"group": "p4", "samples": 16}, "samples=16 has to be 4"),
        ({"group": "p4", "restrict_after": {"1": "c8"}}, "Unknown group 'c8'"),
        ({"group": "p4", "restrict_after": {"1": "d2"}}, "pmm is no subgroup of p4"),
        ({"group": "d8", "restrict_after": {"1": "so2"}}, "so2 is no subgroup of d8"),
        ({"restrict_after": "4"}, "stages of this network are 1, 2, 3"),
        ({"widths": (8, 8)}, "4 positive integers"),
        ({"group": "c8", "widths": (8, 8)}, "4 positive integers"),
        ({"input_shape": (3, 3, 1)}, "at least 4"),
        ({"weights": "nowhere"}, "not published for wide_resnet"),
    ],
)
def test_a_mistake(wrong, message):
    with pytest.raises(ValueError, match=message):
        zoo.wide_resnet(**wrong)
