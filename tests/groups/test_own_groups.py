"""A group of the user's own: one more table of matrices, and no layer changes."""

import keras
import numpy as np
import pytest

from keras_gcnn import analysis, groups, layers
from keras_gcnn.groups import planar

# The mirror that reverses the columns, by a name that the library does not know.
TABLE = {"e": [[1, 0], [0, 1]], "c": [[1, 0], [0, -1]]}


@pytest.fixture(autouse=True)
def _registry(monkeypatch):
    """What a test registers is known to that test alone."""
    monkeypatch.setattr(planar, "_GROUPS", dict(planar._GROUPS))


@pytest.fixture
def own():
    return groups.Group("columns", TABLE)


def test_layers_take_it_as_it_is(own):
    layer = layers.LiftingConv2D(2, (3, 5), own, padding="same")
    analysis.assert_equivariant(layer, input_shape=(6, 7, 2))
    assert groups.get(own) is own


def test_its_subgroups_are_itself_and_those_that_are_known():
    own = groups.Group("cross", {**TABLE, "m": [[-1, 0], [0, 1]], "mc": [[-1, 0], [0, -1]]})
    assert groups.get("pmm") != own
    names = [group.name for group in groups.subgroups(own)]
    assert names[0] == "cross"
    assert {"pmm", "p2", "pm", "z2"} < set(names)
    assert [group.name for group in groups.subgroups("p4")] == ["p4", "p2", "z2"]
    with pytest.raises(ValueError, match=r"p4 is no subgroup of cross.*are cross, "):
        layers.Restriction(own, "p4")


def test_registered_it_can_be_saved_and_loaded(own):
    groups.register(own)
    layer = layers.GPooling("max", own)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert again.group == own
    groups.register(groups.Group("columns", TABLE))  # the same again does no harm


def test_a_name_means_one_group():
    other = groups.Group("p4", TABLE)
    assert other != groups.get("p4")
    with pytest.raises(ValueError, match="another group named 'p4'"):
        groups.register(other)
    with pytest.raises(ValueError, match="another group named 'p4'"):  # which `get` finds as P4
        groups.register(groups.Group("P4", TABLE))
    with pytest.raises(TypeError, match="'p4' is no group"):
        groups.register("p4")
    # Nor do two groups of one name share a kernel's layout.
    layouts = [groups.expansion_index(group, (3, 3), True) for group in (groups.get("pm"), other)]
    assert not np.array_equal(*layouts)


def test_an_unknown_name_says_how_to_make_it_known():
    with pytest.raises(ValueError, match=r"groups\.register"):
        groups.get("hexagonal")


def test_a_name_may_have_capital_letters():
    own = groups.register(groups.Group("Columns", TABLE))
    assert groups.get("Columns") is own
    assert groups.get("P4M").name == "p4m"


def test_a_group_under_the_name_of_another_is_refused():
    with pytest.raises(ValueError, match="not the registered group named 'p4'"):
        layers.GPooling("max", groups.Group("p4", TABLE))


def test_a_registered_group_cannot_be_changed_by_a_slip():
    with pytest.raises(ValueError, match="read-only"):
        groups.get("pm").matrices[1] = 0
