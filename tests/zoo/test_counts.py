"""Trainable parameters and multiply-adds: the published counts, and budgets."""

import re

import keras
import pytest

from keras_gcnn import zoo
from keras_gcnn.analysis import cost
from keras_gcnn.layers import EquivarianceWarning
from tests.zoo.networks import count, every_group

pytestmark = [
    pytest.mark.backend_free,
    pytest.mark.skipif(keras.backend.backend() == "jax", reason="building is slow on JAX"),
]

# Cohen & Welling 2016 and the report on stopping equivariance early; bias and normalisation as
# there. Builder, arguments, count.
PUBLISHED = [
    ("lenet", {"group": "z2", "head": "flatten"}, 216_206),
    ("lenet", {"group": "p4", "head": "flatten"}, 216_158),
    ("lenet", {"group": "p4m", "head": "flatten"}, 216_150),
    ("lenet", {"group": "p4m", "head": "flatten", "widths": (8, 8)}, 216_150),
    ("cohen_cnn", {"group": "z2"}, 21_750),
    ("cohen_cnn", {"group": "p4"}, 24_680),
    ("cohen_cnn", {"group": "p4", "restrict_after": "4"}, 25_140),
    ("cohen_cnn", {"group": "z2", "classes": 26, "widths": (20, 20, 20, 46, 46, 92)}, 111_822),
    ("cohen_cnn", {"group": "p4", "classes": 26, "widths": (10, 10, 10, 26, 26, 26)}, 108_936),
    (
        "cohen_cnn",
        {
            "group": "p4",
            "classes": 26,
            "widths": (10, 10, 10, 26, 52, 52),
            "restrict_after": {"4": "z2"},
        },
        111_796,
    ),
    ("allcnn", {"group": "z2"}, 1_372_254),
    ("allcnn", {"group": "p4"}, 1_371_006),
    ("allcnn", {"group": "p4m", "widths": (32, 64, 64)}, 1_219_678),
    ("resnet44", {"group": "z2", "variant": "report"}, 661_338),
    ("resnet44", {"group": "p4", "variant": "report"}, 660_082),
    ("resnet44", {"group": "p4m", "variant": "report"}, 673_420),
    ("resnet44", {"group": "p4", "variant": "report", "head": "invariant"}, 659_122),
    ("resnet44", {"group": "p4m", "variant": "report", "head": "invariant"}, 671_810),
    ("resnet44", {"group": "p4m", "variant": "cohen"}, 2_622_878),
    ("resnet44", {"group": "p4m", "variant": "cohen", "head": "invariant"}, 2_619_728),
]


@pytest.mark.parametrize(("builder", "arguments", "parameters"), PUBLISHED)
@pytest.mark.filterwarnings("ignore::keras_gcnn.layers.EquivarianceWarning")
def test_published_networks_have_their_published_counts(builder, arguments, parameters):
    assert count(getattr(zoo, builder)(**arguments)) == parameters


@pytest.mark.parametrize(
    ("group", "convolution", "restrict_after", "head"),
    [
        ("z2", "full", None, "invariant"),
        ("p4", "full", None, "flatten"),
        ("p4", "gc", None, "invariant"),
        ("p4m", "full", {"1": "p4", "2": "z2"}, "orientations"),
        ("p4m", "g", None, "invariant"),
        ("p4m", "gc", {"2": "p4"}, "invariant"),
    ],
)
@pytest.mark.parametrize(
    ("builder", "parameters"),
    [("lenet", 60_000), ("cohen_cnn", 25_000), ("allcnn", 90_000), ("resnet20", 70_000)],
)
def test_a_budget_is_met_to_two_percent(
    builder, parameters, group, convolution, restrict_after, head
):
    network = getattr(zoo, builder)(
        group=group,
        parameters=parameters,
        convolution=convolution,
        restrict_after=restrict_after,
        head=head,
    )
    # What was counted without building anything is what Keras has.
    assert 0.98 * parameters <= count(network) <= parameters


# Plain and on groups, full and separable, with both types of downsampling, restrictions, every
# head, without the top, both data formats, and every part of an autoencoder.
COUNTED = [
    ("lenet", {"group": "p4", "head": "flatten", "input_shape": (27, 30, 1), "convolution": "g"}),
    ("cohen_cnn", {"group": "z2", "include_top": False}),
    ("cohen_cnn", {"group": "p4m", "convolution": "gc", "restrict_after": {"2": "p4", "4": "z2"}}),
    ("allcnn", {"group": "p4", "widths": (3, 4, 5), "head": "orientations"}),
    ("resnet", {"group": "z2", "variant": "cohen", "depth": 8}),
    ("resnet", {"group": "p4", "convolution": "gc", "downsampling": "stride", "depth": 8}),
    ("resnet", {"group": "p4m", "input_shape": (33, 31, 3), "depth": 8, "restrict_after": "1"}),
    ("so2cnn", {"dropout": 0.1, "input_shape": (29, 30, 1)}),
    ("so2cnn", {"variant": "report", "widths": (2, 3, 2), "include_top": False}),
    ("steerable_cnn", {"group": "o2", "restrict_after": {"1": "d6", "2": "c2"}, "samples": 20}),
    ("steerable_cnn", {"group": "d8", "fields": "circle", "input_shape": (29, 30, 1)}),
    ("vae", {"orientation": True, "input_shape": (29, 30, 1)}),
    ("vae", {"group": "p4", "orientation": True, "posterior": "gaussian"}),
    ("vae", {"group": "c6", "orientation": True}),
    ("vae", {"group": "z2", "variant": "mlp"}),
]


@pytest.mark.parametrize(("builder", "arguments"), COUNTED)
@pytest.mark.filterwarnings("ignore::keras_gcnn.layers.EquivarianceWarning")
def test_builders_count_as_the_walk_through_the_network_does(builder, arguments):
    network = getattr(zoo, builder)(**arguments)
    found = cost(network)
    assert found.multiply_adds == network.multiply_adds > 0
    assert found.parameters == count(network)
    assert not found.unknown


@pytest.mark.parametrize(
    ("builder", "arguments", "budget"),
    [
        ("lenet", {"group": "p4", "widths": (1, 1)}, 15_000_000),
        ("cohen_cnn", {"group": "p4m", "convolution": "gc"}, 4_000_000),
        ("allcnn", {"group": "z2"}, 20_000_000),
        ("resnet20", {"group": "p4", "downsampling": "stride"}, 40_000_000),
        ("so2cnn", {}, 30_000_000),
        ("steerable_cnn", {"group": "d8", "restrict_after": {"2": "c8"}}, 60_000_000),
        ("vae", {"group": "p4"}, 20_000_000),
        ("vae", {}, 70_000_000),
    ],
)
@pytest.mark.filterwarnings("ignore::keras_gcnn.layers.EquivarianceWarning")
def test_a_budget_of_multiply_adds_is_met_to_two_percent(builder, arguments, budget):
    network = getattr(zoo, builder)(multiply_adds=budget, **arguments)
    assert 0.98 * budget <= cost(network).multiply_adds <= budget


def test_a_larger_budget_of_multiply_adds_makes_a_larger_network():
    budgets = (1_000_000, 3_000_000, 10_000_000)
    counts = [count(zoo.cohen_cnn("p4", multiply_adds=budget)) for budget in budgets]
    assert counts == sorted(set(counts))


@pytest.mark.parametrize("builder", ["lenet", "so2cnn", "vae"])
def test_mistakes_in_budgets_of_multiply_adds(builder):
    build = getattr(zoo, builder)
    with pytest.raises(ValueError, match=r"parameters=50000 and multiply_adds=10000 are two"):
        build(parameters=50_000, multiply_adds=10_000)
    with pytest.raises(ValueError, match="multiply_adds=-1 has to be a positive integer"):
        build(multiply_adds=-1)
    with pytest.raises(ValueError, match="multiply_adds=10 is too few: the smallest count"):
        build(multiply_adds=10)


@every_group
@pytest.mark.parametrize("parameters", [30_000, 216_000])
def test_budgets_of_lenet(group, parameters):
    network = zoo.lenet(group, parameters=parameters)
    assert 0.98 * parameters <= count(network) <= parameters


def test_fields_after_a_restriction_grow_with_the_square_root_of_the_index():
    network = zoo.cohen_cnn("p4", restrict_after="4")
    filters = [network.get_layer(f"conv{stage}").filters for stage in range(1, 7)]
    assert filters == [10, 10, 10, 10, 20, 20]
    network = zoo.resnet("p4m", restrict_after={"1": "p4", "2": "z2"})
    filters = [network.get_layer(f"stage{stage}_block3_conv2").filters for stage in range(1, 4)]
    assert filters == [round(16 / 8**0.5), round(32 / 4**0.5), 64]


def test_a_budget_out_of_reach_names_the_smallest_network():
    with pytest.raises(ValueError, match="too few: the smallest count") as caught:
        zoo.cohen_cnn("p4m", parameters=1_500)
    (smallest,) = re.findall(r"\d+,\d{3}", str(caught.value))
    assert count(zoo.cohen_cnn("p4m", parameters=int(smallest.replace(",", "")))) > 1_500


def test_a_budget_between_two_networks_names_both():
    with pytest.raises(ValueError, match="nearest counts") as caught:
        zoo.cohen_cnn("p4m", parameters=1_800)
    named = re.findall(r"\d+,\d{3}", str(caught.value))
    below, above = (int(text.replace(",", "")) for text in named)
    assert below < 1_800 < above
    for parameters in (below, above):
        assert count(zoo.cohen_cnn("p4m", parameters=parameters)) == parameters


@pytest.mark.parametrize("restrict_after", [None, "2", {"2": "p2"}])
def test_a_restriction_before_flattening_changes_nothing(restrict_after):
    network = zoo.lenet("p4", head="flatten", restrict_after=restrict_after)
    assert count(network) == 216_158


def test_exact_downsampling_does_not_change_the_count():
    exact = zoo.resnet("p4")
    assert count(exact) == count(zoo.resnet("p4", input_shape=(33, 33, 3)))
    with pytest.warns(EquivarianceWarning, match="strides break it"):
        assert count(exact) == count(zoo.resnet("p4", downsampling="stride"))
