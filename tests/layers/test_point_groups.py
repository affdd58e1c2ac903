"""Steerable layers under every group: the elements that move pixels to pixels are exact."""

import keras
import numpy as np
import pytest

from keras_gcnn import groups, layers
from keras_gcnn.layers import Fields
from tests.helpers import point_groups as formula
from tests.helpers.layers import randomize, relative_error, run, run_together

# Layers differ between the groups by their constants only, so that the other backends see some.
WHOLE = keras.backend.backend() == "torch"
SOME = [(None, False), (None, True), (5, False), (8, False), (4, True), (8, True)]
EVERY = pytest.mark.parametrize("group", formula.GROUPS if WHOLE else SOME, ids=formula.name_of)
TOLERANCE = {"float32": 2e-6, "float64": 1e-12}


def fields_of(group):
    """Regular fields, followed by two kinds of others."""
    name, top = formula.name_of(group), 3 if group[0] is None else None
    field = formula.regular(group, top)
    once = [irrep for irrep in dict.fromkeys(field) if not irrep[1]]
    other = [*once, (0, True)] if group[1] else once
    names = {f"{k}-" if odd else k: 1 for k, odd in other}
    return (
        Fields.regular(2, top, name) + Fields.circle(1, top, name) + Fields(names, name),
        [*field, *field, *once, *sorted(other)],
    )


def layers_of(fields, **how):
    """Every layer on these fields, and the fields of its output; None for ordinary channels."""
    gated = layers.GatedActivation
    yield "norm", layers.NormActivation(fields, "elu", **how), fields
    yield "fourier", layers.FourierActivation(fields, "elu", **how), fields
    yield "gated", gated(fields, **how), fields
    yield "batch", layers.SteerableBatchNormalization(fields, -1, **how), fields
    yield "layer", layers.SteerableLayerNormalization(fields, -1, **how), fields
    yield "groups", layers.SteerableGroupNormalization(fields, 1, -1, **how), fields
    yield "blur", layers.SteerableAveragePooling2D(fields, **how), fields
    yield "mask", layers.DiscMask(fields, **how), fields
    yield "lengths", layers.NormPooling(fields, **how), None
    yield "values", layers.SteerablePooling(fields, **how), None
    yield "means", layers.SteerablePooling(fields, "mean", **how), None
    yield "invariants", layers.InvariantMap(fields, 3, **how), None
    for size in (3, 4):
        convolution = layers.SteerableConv2D(fields, fields, size, **how)
        yield f"convolution {size}", convolution, fields
    yield "lifted", layers.SteerableConv2D(fields, Fields.trivial(2), 2, **how), None
    transposed = layers.SteerableConv2DTranspose(fields, fields, 2, strides=2, **how)
    yield "transposed", transposed, fields


def moved(maps, fields, element):
    turned = formula.move_plane(maps, element)
    if fields is None:
        return turned
    return turned @ fields.representation(element[1], element[0]).T


@EVERY
@pytest.mark.parametrize("dtype", TOLERANCE if WHOLE else ["float64"])
def test_elements_that_move_pixels(group, dtype, rng):
    fields, irreps = fields_of(group)
    elements = formula.on_pixels(group)
    mirrored, angle = elements[-1]
    np.testing.assert_allclose(  # the fields are those of the formula
        fields.representation(angle, mirrored),
        formula.matrix(group, irreps, elements[-1]),
        atol=1e-13,
    )
    upright = rng.normal(size=(1, 5, 5, fields.channels))
    maps = np.concatenate([moved(upright, fields, element) for element in elements]).astype(dtype)
    cases = [*layers_of(fields, dtype=dtype)]
    for _, layer, _ in cases:
        layer.build(maps.shape)
        randomize(layer, rng)
    outputs = run_together([layer for _, layer, _ in cases], [maps] * len(cases))
    for (name, _, fields_out), output in zip(cases, outputs, strict=True):
        for number, element in enumerate(elements):
            expected = moved(output[:1], fields_out, element)
            error = relative_error(output[number : number + 1], expected)
            assert error < TOLERANCE[dtype], (name, element)


@pytest.mark.parametrize(
    ("name", "elements"),
    [("c8", [(True, 0.0)]), ("so2", [(True, 0.0)]), ("c5", [(False, np.pi / 2)]),
     ("c2", [(False, np.pi / 2)]), ("d3", [(False, np.pi)]), ("d2", [(False, np.pi / 2)])],
)  # fmt: skip
def test_other_elements_do_not_hold(name, elements, rng):
    """The invariants of a network see a mirror or a turn outside of its group."""
    fields = Fields.regular(3, 2 if name == "so2" else None, name)
    network = keras.Sequential(
        [
            layers.SteerableConv2D(Fields.trivial(1), fields, 3),
            layers.FourierActivation(fields),
            layers.SteerableConv2D(fields, fields, 3),
            layers.FourierActivation(fields),
            layers.SteerablePooling(fields),
        ]
    )
    assert not network.layers[0].symmetry.contains(groups.get("p4m"))
    images = rng.normal(size=(2, 7, 7, 1)).astype("float32")
    upright = run(network, images).mean(axis=(1, 2))
    for element in elements:
        turned = run(network, formula.move_plane(images, element)).mean(axis=(1, 2))
        assert relative_error(turned, upright) > 0.01


@EVERY
def test_fibres_under_random_elements(group, rng):
    """Layers on fibres are exact under all elements of C_N and D_N."""
    fields, _ = fields_of(group)
    fibres = rng.normal(size=(20, fields.channels))
    for name, layer, fields_out in layers_of(fields, dtype="float64"):
        if name in ("norm", "fourier", "gated", "batch", "layer", "lengths", "values", "means"):
            if group[0] is None and name in ("fourier", "values"):
                continue  # exact at the samples only
            run(layer, fibres)
            randomize(layer, rng)
            upright = run(layer, fibres)
            for mirrored, angle in formula.some(group, 4, rng):
                matrix = fields.representation(angle, mirrored)
                expected = upright
                if fields_out is not None:
                    expected = upright @ fields_out.representation(angle, mirrored).T
                assert relative_error(run(layer, fibres @ matrix.T), expected) < 1e-12, name


@pytest.mark.parametrize("samples", [12, 16])
@pytest.mark.parametrize("kind", ["regular", "circle"])
def test_all_angles_and_mirrors_nearly(kind, samples, rng):
    """Under O(2) the activation is exact at the samples, and better with more of them elsewhere."""
    fields = getattr(Fields, kind)(3, 3, group="o2")
    fibres, errors = rng.normal(size=(50, fields.channels)), []
    for number in (samples, 4 * samples):
        layer = layers.FourierActivation(fields, "elu", samples=number, dtype="float64")
        upright = run(layer, fibres)
        exact, other = (
            fields.representation(2 * np.pi / number, True),
            fields.representation(0.3, True),
        )
        assert relative_error(run(layer, fibres @ exact.T), upright @ exact.T) < 1e-12
        errors.append(relative_error(run(layer, fibres @ other.T), upright @ other.T))
    assert 1e-7 < errors[1] < errors[0] / 4 < 0.05


def test_odd_scalars_are_no_scalars(rng):
    """A ReLU, a gate or a bias of the irrep "0-" is wrong by far."""
    fields = Fields({0: 1, "0-": 1, 1: 1}, group="o2")
    mirror = fields.representation(0.0, mirrored=True)
    fibres = rng.normal(size=(50, 4))
    naive = {
        "relu": lambda x: np.concatenate([x[:, :1], np.maximum(x[:, 1:2], 0), x[:, 2:]], 1),
        "gate": lambda x: np.concatenate([x[:, :2], x[:, 2:] / (1 + np.exp(-x[:, 1:2]))], 1),
        "bias": lambda x: x + np.array([0, 0.3, 0, 0]),
    }
    for function in naive.values():
        assert relative_error(function(fibres @ mirror.T), function(fibres) @ mirror.T) > 0.1


@pytest.mark.parametrize("name", ["p2", "pm", "pmm", "p4", "p4m"])
def test_maps_on_groups_and_fields_without_a_loss(name, rng):
    """A group convolution equals the steerable one with its kernel in the basis of the fields."""
    group = groups.get(name)
    maps = rng.normal(size=(1, 5, 5, 2 * group.order))
    to_fields = layers.ToFields(name, dtype="float64")
    fields_maps = run(to_fields, maps)
    fields = to_fields.fields_out
    back = layers.ToGroupMaps(fields, dtype="float64")
    assert relative_error(run(back, fields_maps), maps) < 1e-14
    assert back.group == group
    convolution = layers.GConv2D(1, 3, group=name, use_bias=False, dtype="float64")
    expected = run(convolution, maps)
    steerable = layers.SteerableConv2D(
        fields, Fields.regular(1, group=name), 3, use_bias=False, dtype="float64"
    )
    run(steerable, fields_maps)
    assert steerable.band_limit == "grid"
    assert steerable.count_params() == convolution.count_params()
    # The weights that give the kernel of the group convolution: least squares, without a rest.
    base = np.eye(steerable.count_params())
    columns = []
    for weights in base:
        steerable.set_weights([weights.reshape(steerable.kernel.shape)])
        columns.append(run(back_of(fields, 1), run(steerable, fields_maps)).ravel())
    solution, *_ = np.linalg.lstsq(np.stack(columns, 1), expected.ravel(), rcond=None)
    rest = np.stack(columns, 1) @ solution - expected.ravel()
    assert np.abs(rest).max() < 1e-10


def back_of(fields, count):
    return layers.ToGroupMaps(Fields.regular(count, group=fields.group), dtype="float64")


@pytest.mark.parametrize(
    ("group", "subgroup"),
    [("o2", "so2"), ("d8", "c8"), ("d8", "d4"), ("so2", "c8"), ("o2", "d4"), ("d6", "d2")],
)
def test_restriction_in_a_network(group, subgroup, rng):
    """Maps of the group go on under the subgroup, and its exact elements stay exact."""
    top = 3 if group in ("o2", "so2") else None
    fields = Fields.regular(2, top, group)
    restriction = layers.SteerableRestriction(fields, subgroup, dtype="float64")
    smaller = restriction.fields_out
    network = keras.Sequential(
        [
            restriction,
            layers.NormActivation(smaller, dtype="float64"),
            layers.SteerableConv2D(smaller, Fields.regular(1, 1, subgroup), 3, dtype="float64"),
        ]
    )
    maps = rng.normal(size=(1, 5, 5, fields.channels))
    network(maps)
    randomize(network, rng)
    upright = run(network, maps)
    turns = {"c": False, "d": True, "s": False}[subgroup[0]]
    number = 4 if subgroup == "so2" else int(np.gcd(int(subgroup[1:]), 4))
    for element in formula.elements((number, turns))[1:]:
        turned = run(network, moved(maps, fields, element))
        expected = moved(upright, Fields.regular(1, 1, subgroup), element)
        assert relative_error(turned, expected) < 1e-12


def test_images_take_the_group_of_the_fields():
    """Also where these are ordinary channels: without symmetry a convolution has every filter."""
    fields = Fields.regular(2, group="c1")
    layer = layers.SteerableConv2D(Fields.trivial(1), fields, 3, use_bias=False)
    layer.build((1, 5, 5, 1))
    assert (layer.symmetry.name, layer.count_params()) == ("z2", 2 * 9)


def test_fields_of_two_groups_do_not_meet():
    with pytest.raises(ValueError, match=r"are fields of c8, not of d8\. Make all fields"):
        layers.SteerableConv2D(Fields.regular(2, group="c8"), Fields.regular(2, group="d8"), 3)
    with pytest.raises(
        TypeError, match=r"not None\..*ToFields knows its fields_out once it has been"
    ):
        layers.NormActivation(layers.ToFields("p4").fields_out)
    own = groups.Group("columns", {"e": np.eye(2, dtype=int), "m": np.diag([1, -1])})
    for group in (own, "flip"):
        with pytest.raises(ValueError, match="for which there are no Fields"):
            layers.ToFields(group)
    with pytest.raises(ValueError, match="no functions on a group of the pixel grid"):
        layers.ToGroupMaps(Fields.regular(2, group="c8"))
    with pytest.raises(ValueError, match="samples=16 has to be 6, the number of rotations in c6"):
        layers.FourierActivation(Fields.regular(1, group="c6"), samples=16)
    with pytest.raises(ValueError, match="no functions on c8: a field has the irrep 4 2 times"):
        layers.FourierActivation(Fields.regular(1, 4).restrict("c8"))
