"""Equivariance errors and the audit of steerable layers, measured at quarter turns."""

import keras
import numpy as np
import pytest

from keras_gcnn import analysis, layers, zoo
from keras_gcnn.layers import Fields
from tests.zoo.networks import build

FIELDS = Fields({0: 2, 1: 2, 2: 1})


def test_a_layer_is_measured_by_its_own_fields():
    layer = layers.SteerableConv2D(FIELDS, Fields({1: 3}), 3, padding="same")
    analysis.assert_equivariant(layer, input_shape=(7, 7, 8))
    activation = layers.FourierActivation(FIELDS)
    analysis.assert_equivariant(activation, input_shape=(7, 7, 8))


def test_other_fields_than_its_own_do_not_fit():
    layer = layers.SteerableConv2D(FIELDS, Fields({1: 3}), 3, padding="same")
    errors = analysis.equivariance_error(layer, input_shape=(7, 7, 8), output_type=Fields({2: 3}))
    assert max(errors.values()) > 0.1
    with pytest.raises(ValueError, match="or give Fields"):
        analysis.equivariance_error(layer, input_shape=(7, 7, 8), output_type="steerable")
    for what in ("input", "output"):
        says = rf"The {what} has shape .*, and Fields\(\{{1: 2\}}\) have 4 channels\. Give other"
        with pytest.raises(ValueError, match=says):
            analysis.equivariance_error(
                layer, input_shape=(7, 7, 8), **{f"{what}_type": Fields({1: 2})}
            )


def test_elements_that_the_fields_do_not_know_are_refused():
    fields = Fields.regular(1, group="c8")
    says = r"The input is Fields.*, and p4m is not in c8, their group\. Give group='p4', its"
    with pytest.raises(ValueError, match=says):
        analysis.equivariance_error(
            layers.NormActivation(fields), "p4m", input_shape=(7, 7, 8), output_type="trivial"
        )


def network(group):
    """From images to invariant features, through fields of a group."""
    fields = Fields.regular(1, 2 if group in ("so2", "o2") else None, group)
    return keras.Sequential(
        [
            keras.Input((7, 7, 1)),
            layers.SteerableConv2D(Fields.trivial(1), fields, 3, name="first"),
            layers.FourierActivation(fields),
            layers.SteerableConv2D(fields, fields, 3),
            layers.SteerablePooling(fields),
            keras.layers.GlobalAveragePooling2D(),
        ]
    )


EXACT = {"so2": "p4", "o2": "p4m", "c8": "p4", "d8": "p4m", "d3": "pm", "c2": "p2", "d6": "pmm"}


@pytest.mark.parametrize(("group", "exact"), EXACT.items())
@pytest.mark.thorough("jax", "tensorflow")
def test_the_elements_that_a_network_keeps_on_pixels(group, exact):
    model = network(group)
    audit = analysis.audit(model)
    assert (audit.asked, audit.group, bool(audit)) == (exact, exact, True)
    analysis.assert_equivariant(model)
    if exact != "p4m":
        (problem,) = analysis.audit(model, "p4m").problems
        assert (problem.layer, problem.group) == ("first", exact)
        assert max(analysis.equivariance_error(model, "p4m").values()) > 1e-3
        larger = problem.fix.removeprefix("make all fields with group=").strip("'")
        assert not analysis.audit(network(larger), "p4m").problems


def test_fields_that_go_on_as_others():
    """From a group to a subgroup, and from fields to orientations and back."""
    image, fields = keras.Input((9, 9, 1)), Fields.regular(1, group="d8")
    restriction = layers.SteerableRestriction(fields, "d4")
    x = restriction(layers.SteerableConv2D(Fields.trivial(1), fields, 3)(image))
    x = layers.GConv2D(1, 3, "p4m")(layers.ToGroupMaps(restriction.fields_out)(x))
    to_fields = layers.ToFields("p4m")
    x = to_fields(x)
    narrower = layers.SteerableRestriction(to_fields.fields_out, "c4", name="narrower")
    x = layers.SteerablePooling(narrower.fields_out)(narrower(x))
    audit = analysis.audit(keras.Model(image, x))
    assert (audit.asked, audit.group, audit.problems) == ("p4m", "p4", ())
    assert {f.layer: f.group for f in audit.findings}["narrower"] == "p4"


@pytest.mark.parametrize(
    ("layer", "channels"),
    [
        (layers.ToFields("p4m"), 16),
        (layers.ToGroupMaps(Fields.regular(2, group="d4")), 16),
        (layers.SteerableRestriction(Fields.regular(1, group="d8"), "d4"), 16),
        (layers.SteerablePooling(Fields.regular(1, group="d8")), 16),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_layers_that_change_the_type_are_measured_before_they_are_built(layer, channels):
    errors = analysis.equivariance_error(layer, input_shape=(5, 5, channels))
    assert {"m", "mr"} <= errors.keys()
    assert max(errors.values()) < 1e-5


@pytest.mark.thorough("jax", "tensorflow")
def test_the_audit_follows_fields_through_a_network():
    network = build("so2cnn", None, widths=(2, 3, 2), max_frequency=2, samples=8)
    audit = analysis.audit(network)
    assert audit.asked == "p4"
    assert not audit.problems
    kinds = {finding.layer: finding.field for finding in audit.findings}
    assert kinds["conv2"] == kinds["pool2"] == "steerable, 3 fields"
    assert kinds["invariants"] == "trivial"


def test_the_audit_names_layers_that_break_fields():
    image = keras.Input((9, 9, 1))
    x = layers.SteerableConv2D(Fields.trivial(1), FIELDS, 3, padding="same")(image)
    x = keras.layers.BatchNormalization(name="stock")(x)
    x = keras.layers.LayerNormalization(name="positions")(x)
    x = keras.layers.PReLU(shared_axes=[1, 2, 3], name="slope")(x)
    says = "stock.* So do LayerNormalization 'positions', PReLU 'slope'"
    with pytest.warns(layers.EquivarianceWarning, match=says):
        x = layers.InvariantMap(FIELDS, 3, name="map")(x)
    audit = analysis.audit(keras.Model(image, keras.layers.GlobalAveragePooling2D()(x)))
    fixes = {finding.layer: finding.fix for finding in audit.problems}
    assert "SteerableBatchNormalization" in fixes["stock"]
    assert "SteerableLayerNormalization" in fixes["positions"]
    assert "FourierActivation" in fixes["slope"]


def test_a_network_is_invariant():
    network = zoo.so2cnn(variant="report")
    x = np.random.default_rng(0).random((2, 28, 28, 1), dtype="float32")
    analysis.assert_equivariant(network, "p4", inputs=x)


def joined(*parts):
    """A network that concatenates maps of these fields, and what the audit says of that layer."""
    image = keras.Input((9, 9, 1))
    maps = [
        layers.SteerableConv2D(Fields.trivial(1), one, 5, padding="same")(image) for one in parts
    ]
    outputs = keras.layers.Concatenate(name="joined")(maps)
    model = keras.Model(image, outputs)
    (finding,) = [one for one in analysis.audit(model).findings if one.layer == "joined"]
    return finding


def test_fields_side_by_side():
    assert not joined(Fields.regular(2, 2), Fields.regular(3, 2)).problem
    assert not joined(Fields.regular(2, 2), Fields.trivial(3)).problem
    assert not joined(Fields.trivial(3), Fields.regular(2, 2)).problem
    assert not joined(Fields.trivial(3), Fields.regular(2, group="d8")).problem


def test_layers_for_groups_do_not_fit_fields():
    image = keras.Input((9, 9, 1))
    fields = Fields({0: 4, 1: 2, 2: 2})
    x = layers.SteerableConv2D(Fields.trivial(1), fields, 5)(image)
    wrong = layers.GConv2D(4, 3, group="p4", equivariance="ignore")
    model = keras.Model(image, wrong(x))
    (problem,) = analysis.audit(model).problems
    assert "SteerableConv2D" in problem.fix
    assert "Restriction" not in problem.fix


def test_nothing_is_claimed_of_groups_that_no_pixel_grid_shows():
    fields = Fields.regular(1, group="c5")
    convolution = layers.SteerableConv2D(Fields.trivial(1), fields, 5)
    model = keras.Sequential([keras.Input((9, 9, 1)), convolution])
    for measure, target in (
        (analysis.audit, model),
        (analysis.assert_equivariant, model),
        (analysis.assert_equivariant, convolution),
    ):
        with pytest.raises(ValueError, match="are of c5, and no rotation of c5 moves every pixel"):
            measure(target)
    assert [broken.layer for broken in analysis.audit(model, "p4").problems] == [convolution.name]


def test_a_model_is_measured_under_its_largest_group():
    analysis.assert_equivariant(build("lenet", "p4m"))
    with pytest.raises(ValueError, match="does not belong to a group"):
        analysis.assert_equivariant(build("lenet", "z2"))
    for name, exact in (("so2", "p4"), ("d8", "p4m"), ("c5", "z2")):
        says = rf"'{name}' is a group of Fields.* move pixels to pixels are those of '{exact}'"
        with pytest.raises(ValueError, match=says):
            analysis.equivariance_error(build("lenet", "z2"), name)


@pytest.mark.thorough("jax")
def test_scalar_fields_do_not_choose_the_group():
    """The scalars of SO(2) in these networks stay the same under any group."""
    network = zoo.wide_resnet("d5", (16, 16, 3), widths=(1, 1, 1, 1), depth=10)
    report = analysis.audit(network)
    assert report.asked == "pm"
    assert not report.problems
    network = zoo.wide_resnet("c5", (16, 16, 3), widths=(1, 1, 1, 1), depth=10)
    with pytest.raises(ValueError, match="are of c5, and no rotation of c5 moves every pixel"):
        analysis.audit(network)
