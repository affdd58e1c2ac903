"""Trainable parameters: the published counts, and budgets."""

import re

import keras
import pytest

from keras_gcnn import zoo
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
