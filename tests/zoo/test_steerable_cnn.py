"""Steerable networks under groups with and without mirrors: what `so2cnn` does under SO(2)."""

import keras
import numpy as np
import pytest

from keras_gcnn import analysis, groups, layers, zoo
from keras_gcnn.analysis.precision import dtype_policy
from tests.helpers.covering import parametrize_covering
from tests.helpers.levels import thoroughly
from tests.zoo.networks import build, compiled, count, images, predict
from tests.zoo.test_unet import rotated

SMALL = {"widths": (1, 2, 2), "kernel_sizes": (5, 3, 3)}
# A group, the stages after which it shrinks, and what is exact of the group that is left.
LEFT = [
    ("d8", None, "p4m"),
    ("o2", {"1": "so2", "2": "c8"}, "p4"),
    ("d6", {"2": "d3"}, "pm"),
    ("p4m", {1: "c4", 3: "p2"}, "p2"),
]


def small(group="d8", **arguments):
    return build("steerable_cnn", group, **{**SMALL, **arguments})


def logits_of_moved(network, group, x):
    """Of the images moved by every element of a group of the pixel grid, elements first."""
    group = groups.get(group)
    moved = np.concatenate([group.act_on_plane(x, g, (1, 2)) for g in range(group.order)])
    return predict(network, moved).reshape(group.order, len(x), -1)


@parametrize_covering(
    case=LEFT,
    size=[28, 29, 30, 33],
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
    x[1] /= 3  # noise alone looks alike to few channels
    logits = logits_of_moved(network, left, x)
    assert logits.dtype == dtype
    assert np.ptp(logits[0], axis=0).max() > 1e-3 * np.abs(logits).max()
    assert np.abs(logits - logits[0]).max() <= tolerance * np.abs(logits).max()


@pytest.mark.thorough("jax", "tensorflow")
@pytest.mark.parametrize(
    ("group", "restrict_after", "broken"),
    [("c4", None, "p4m"), ("d6", None, "p4m"), *thoroughly(("d8", {"3": "c2"}, "p4m"))],
)
def test_other_elements_change_them(group, restrict_after, broken):
    logits = logits_of_moved(
        small(group, restrict_after=restrict_after), broken, images((28, 28, 1), n=2)
    )
    assert np.abs(logits - logits[0]).max() > 1e-3 * np.abs(logits).max()


def test_training_mode_is_exact_for_images_moved_one_by_one():
    with dtype_policy("float64"):
        network = small("d4", fields="circle")
    x, group = images((28, 28, 1), n=4).astype("float64"), groups.get("p4m")
    moved = np.stack(
        [group.act_on_plane(one, g, (0, 1)) for one, g in zip(x, (0, 3, 5, 6), strict=True)]
    )
    expected, found = (
        keras.ops.convert_to_numpy(compiled(network)(one, training=True)) for one in (x, moved)
    )
    assert np.abs(found - expected).max() <= 1e-10 * np.abs(expected).max()


@pytest.mark.thorough("jax", "tensorflow")
@pytest.mark.parametrize("mirrored", [False, True])
def test_between_the_quarter_turns_features_nearly_turn(mirrored):
    size, angle = 48, np.pi / 4
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    rng = np.random.default_rng(0)
    waves = zip(rng.uniform(0.1, 0.5, 8), *rng.uniform(0, 2 * np.pi, (2, 8)), strict=True)
    image = sum(np.sin(f * (np.cos(t) * x + np.sin(t) * y) + p) for f, t, p in waves)[..., None]

    def moved(array):
        turned = rotated(array, -angle)  # counter-clockwise on the screen
        return turned[::-1] if mirrored else turned

    keras.utils.set_random_seed(0)
    # Fresh: random biases would make the square frame of the maps visible.
    network = zoo.steerable_cnn("d8", image.shape, include_top=False, **SMALL)
    layer = network.get_layer("pool2")
    features = keras.Model(network.input, layer.output)
    upright, found = predict(features, np.stack([image, moved(image)]).astype("float32"))
    matrix = network.get_layer("conv2").fields_out.representation(angle, mirrored)
    expected = moved(upright) @ matrix.T
    y, x = np.mgrid[: len(upright), : len(upright)] - (len(upright) - 1) / 2
    inside = np.hypot(x, y) < 0.35 * len(upright)
    error = np.linalg.norm((found - expected)[inside])
    assert error < 0.04 * np.linalg.norm(expected[inside])


@pytest.mark.backend_free
def test_restrictions_change_the_fields_and_their_number():
    network = zoo.steerable_cnn("d16", restrict_after={"1": "d8", "2": "c8"})
    found = [network.get_layer(f"conv{stage}").fields_out for stage in (1, 2, 3)]
    assert [fields.group.name for fields in found] == ["d16", "d8", "c8"]
    expected = [24 / 32**0.5, 36 / 16**0.5, 48 / 8**0.5]
    assert [fields.count for fields in found] == [round(each) for each in expected]
    kept = network.get_layer("restrict2")
    assert (kept.fields.group.name, kept.subgroup.name) == ("d8", "c8")
    plain = small("d8", restrict_after=2)
    assert plain.get_layer("conv3").fields_out == layers.Fields.trivial(2, "c1")


@pytest.mark.backend_free
def test_the_frequencies_of_the_fields():
    def of(group, **arguments):
        fields = small(group, **arguments).get_layer("conv3").fields_out
        return fields.frequencies[-1], fields.channels // fields.count

    assert of("o2") == (4, 18)
    assert of("o2", fields="circle", max_frequency=2) == (2, 5)
    assert of("c9") == (4, 9)
    assert of("d9", max_frequency=1) == (1, 6)
    assert of("so2", max_frequency=3, restrict_after={"1": "c4"}) == (2, 4)


@pytest.mark.parametrize(
    ("group", "arguments"),
    [
        ("d8", {"parameters": 20_000}),
        ("o2", {"parameters": 30_000, "fields": "circle", "restrict_after": {"2": "c8"}}),
    ],
)
@pytest.mark.backend_free
def test_a_budget_is_met(group, arguments):
    network = zoo.steerable_cnn(group, **arguments)
    assert 0.98 * arguments["parameters"] <= count(network) <= arguments["parameters"]


@pytest.mark.thorough("jax", "tensorflow")
def test_under_so2_it_is_so2cnn():
    network, other = zoo.steerable_cnn("so2"), zoo.so2cnn()
    assert network.widths == other.widths
    other.set_weights(network.get_weights())
    x = images((28, 28, 1), n=2)
    np.testing.assert_allclose(predict(network, x), predict(other, x), atol=1e-6)


@pytest.mark.parametrize("data_format", ["channels_last", *thoroughly("channels_first")])
def test_files(tmp_path, data_format):
    shape = (28, 28, 2) if data_format == "channels_last" else (2, 28, 28)
    form = {"restrict_after": {"2": "c6"}, "data_format": data_format, "input_shape": shape}
    network, x = small("d6", dropout=0.1, **form), images(shape, n=2)
    expected = predict(network, x)
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    np.testing.assert_allclose(predict(loaded, x), expected, atol=1e-6)
    backbone = small("d6", include_top=False, weights=tmp_path / "network.keras", **form)
    assert sorted(backbone.output_shape[1:]) == [7, 7, 2 * 6]
    message = r"whose layer 'restrict2' is on d6 to c6; that of steerable_cnn_d6 is on d6 to c3"
    with pytest.raises(ValueError, match=message):
        small("d6", weights=tmp_path / "network.keras", **{**form, "restrict_after": {2: "c3"}})


@pytest.mark.thorough("jax", "tensorflow")
def test_channels_first_computes_the_same():
    last = small("d5", input_shape=(28, 28, 3), restrict_after={"1": "c5"})
    first = small(
        "d5", input_shape=(3, 28, 28), data_format="channels_first", restrict_after={"1": "c5"}
    )
    first.set_weights(last.get_weights())
    x = images((28, 28, 3), n=2)
    found, expected = predict(first, x.transpose(0, 3, 1, 2)), predict(last, x)
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"group": "p5"}, "group='p5' is unknown. Choose 'so2'"),
        ({"group": None}, "group=None is unknown"),
        ({"fields": "square"}, "fields='square' is not available. Choose one of 'regular'"),
        ({"max_frequency": 5}, "integer from 0 to 4, the highest frequency of d8"),
        ({"samples": 16}, "samples=16 has to be 8, the number of rotations in d8"),
        ({"group": "o2", "samples": 8}, "samples=8 has to be a multiple of 4"),
        ({"restrict_after": {"1": "c3"}}, "c3 is no subgroup of d8.* Choose one of c1, c2, c4"),
        ({"group": "so2", "restrict_after": {"1": "o2"}}, "one of c1, c2, c3, ..., so2"),
        ({"restrict_after": "4"}, "stages of this network are 1, 2, 3"),
        ({"widths": (8, 8)}, "differ in length"),
        ({"kernel_sizes": (7, 5)}, "differ in length"),
        ({"kernel_sizes": (4, 3, 3)}, "odd positive integers"),
        ({"input_shape": (24, 28, 1)}, "at least 25"),
        ({"dropout": 1.0}, "from 0 to below 1"),
        ({"weights": "nowhere"}, "not published for steerable_cnn"),
        ({"weights": "nowhere.keras"}, "no file"),
    ],
)
def test_a_mistake(wrong, message):
    with pytest.raises(ValueError, match=message):
        zoo.steerable_cnn(**wrong)


@pytest.mark.thorough("jax")
def test_the_audit_finds_nothing():
    assert not analysis.audit(small("d8", restrict_after={"3": "d4"})).problems
