"""In functional and sequential models a layer checks which layer made its input."""

import warnings

import keras
import numpy as np
import pytest
from keras import ops

from keras_gcnn import layers
from keras_gcnn.layers import (
    EquivarianceWarning,
    Fields,
    GBatchNormalization,
    GConv2D,
    GGlobalPooling,
    GMaxPooling2D,
    GPooling,
    LiftingConv2D,
    Restriction,
    SteerableConv2D,
)

pytestmark = pytest.mark.backend_free

K = keras.layers
D4 = Fields.regular(1, group="d4")
FORMAT, OTHER_FORMAT = {"data_format": "channels_last"}, {"data_format": "channels_first"}
SOME, OTHER = Fields({0: 2, 1: 3}), Fields({0: 4, 1: 2})  # of 8 channels both


def sequential(*parts, shape=(11, 11, 8)):
    return keras.Sequential([keras.Input(shape), *parts])


def lift(group="p4m", **arguments):
    return LiftingConv2D(2, 3, group, name="lift", **arguments)


def steer_d4():
    return SteerableConv2D(Fields.trivial(8), D4, 3)


def steer(**arguments):
    return SteerableConv2D(Fields.trivial(8), SOME, 3, name="steer", **arguments)


# The layers of a sequential model whose last layer refuses its input, and the message.
REFUSED = {
    "a subgroup": (
        lambda: (lift(), K.ReLU(), GConv2D(2, 3, "p4")),
        r"GConv2D '.*' reads a map on p4, but LiftingConv2D 'lift' made a map on p4m.*"
        r"use group='p4m', or put Restriction\('p4m', 'p4'\) before it",
    ),
    "a group that is larger": (
        lambda: (lift("p4"), GBatchNormalization("p4m")),
        r"reads a map on p4m, but .* a map on p4\. To fix: use group='p4'\.",
    ),
    "a plane, read from a group": (
        lambda: (lift("p4"), GConv2D(2, 3, "z2")),
        r"use group='p4', or put Restriction\('p4', 'z2'\)",
    ),
    "a group, read from a plane": (
        lambda: (lift("p4"), GPooling(group="p4"), GConv2D(2, 3, "p2")),
        r"GPooling '.*' made a map of ordinary channels.*LiftingConv2D\(\.\.\., group='p2'\)",
    ),
    "what a restriction left": (
        lambda: (lift(), Restriction("p4m", "p4"), GMaxPooling2D(), GGlobalPooling(group="p4m")),
        r"reads a map on p4m, but Restriction '.*' made a map on p4\.",
    ),
    "a map that is lifted already": (
        lambda: (lift("p4"), LiftingConv2D(2, 3, "p4")),
        r"reads a map of ordinary channels.*use GConv2D\(\.\.\., group='p4'\)",
    ),
    "features": (
        lambda: (lift("p4m"), K.GlobalMaxPooling2D(), GPooling(group="p4")),
        r"reads a map on p4, but LiftingConv2D 'lift' made a map on p4m",
    ),
    "orientations, read as fields": (
        lambda: (lift("p4"), layers.FourierActivation(SOME)),
        r"reads a map of Fields\(\{0: 2, 1: 3\}\), but .* on p4\..*put ToFields\('p4'\) before it.*"
        r"; or put GPooling\(group='p4'\) before it, whose channels are ordinary\.",
    ),
    "fields, read as orientations": (
        lambda: (steer(), GConv2D(2, 3, "p4")),
        r"SteerableConv2D 'steer' made a map of Fields.*put InvariantMap or NormPooling before it",
    ),
    "other fields": (
        lambda: (steer(), K.Dropout(0.5), layers.NormPooling(OTHER)),
        r"reads a map of Fields\(\{0: 4, 1: 2\}\), but .*fields_out .* Fields\(\{0: 2, 1: 3\}\)",
    ),
    "fields of D4, read as orientations": (
        lambda: (steer_d4(), GConv2D(2, 3, "p4m")),
        r"To fix: put ToGroupMaps\(Fields\.regular\(1, group='d4'\)\) before it\.",
    ),
    "fields of D4, read as orientations of P4": (
        lambda: (steer_d4(), GConv2D(2, 3, "p4")),
        r"put SteerableRestriction\(.*, 'c4'\) and ToGroupMaps of its fields_out before it\.",
    ),
    "fields of D4, read as fields of C4": (
        lambda: (steer_d4(), layers.FourierActivation(Fields.regular(2, group="c4"))),
        r"put SteerableRestriction\(Fields.*, 'c4'\) before it, and give it that layer's fields",
    ),
    "fields of D4, read as fields of C8": (
        lambda: (steer_d4(), layers.FourierActivation(Fields.regular(1, group="c8"))),
        r"give it the fields_out .*'d4'\), or make all fields of the network with group='d8'",
    ),
    # The map of 8 channels has 8 rows and columns, so that no number gives the mistake away.
    "fields of another format": (
        lambda: (steer(**OTHER_FORMAT), layers.FourierActivation(SOME, **FORMAT)),
        r"FourierActivation '.*' has data_format='channels_last', but SteerableConv2D 'steer' made "
        r"a map of data_format='channels_first'\. To fix: give all layers of a network the same",
    ),
    "orientations of another format": (
        lambda: (lift(**OTHER_FORMAT), GConv2D(2, 3, "p4m", **FORMAT)),
        r"GConv2D '.*' has data_format='channels_last', but LiftingConv2D 'lift' made",
    ),
    "a map of another format, by a layer for any map": (
        lambda: (lift(**OTHER_FORMAT), GMaxPooling2D(**FORMAT)),
        r"GMaxPooling2D '.*' has data_format='channels_last', but LiftingConv2D 'lift' made",
    ),
}


@pytest.mark.parametrize(("make", "says"), REFUSED.values(), ids=REFUSED)
def test_a_map_of_another_type_is_refused(make, says):
    parts = make()
    first = getattr(parts[0], "data_format", "channels_last") == "channels_first"
    with pytest.raises(ValueError, match=says):
        sequential(*parts, shape=(8, 10, 10) if first else (11, 11, 8))


def test_through_models_and_branches_a_map_is_known():
    image = keras.Input((12, 12, 1))
    body = sequential(lift("p4"), K.ReLU(), shape=(12, 12, 1))
    passing = sequential(K.ReLU(), K.BatchNormalization(name="inside"), shape=(10, 10, 8))
    with pytest.raises(ValueError, match="LiftingConv2D 'lift' made a map on p4"):
        GConv2D(2, 3, "p4m")(body(image))
    with pytest.warns(EquivarianceWarning, match="BatchNormalization 'inside', before GConv2D"):
        GConv2D(2, 3, "p4")(passing(body(image)))
    form = {"filters": 8, "kernel_size": 3}
    two = LiftingConv2D(group="p2", **form)(image), LiftingConv2D(group="pm", **form)(image)
    with pytest.warns(EquivarianceWarning, match=r"Add '.*joins a map on p2, .* and a map on pm"):
        GConv2D(2, 3, "p2")(K.Add()(two))
    steered = SteerableConv2D(Fields.trivial(1), Fields({0: 2, 1: 2}), 3)(image)
    with pytest.raises(ValueError, match=r"reads a map of Fields\(\{0: 6, 1: 3\}\), but"):
        layers.NormPooling(Fields({0: 6, 1: 3}))(K.Concatenate()([steered, steered]))


def test_equivariance_chooses_between_error_and_silence():
    def model(action, *others):
        last = GConv2D(2, 3, "p4m", equivariance=action)
        return sequential(lift(), K.BatchNormalization(), *others, last)

    with pytest.raises(ValueError, match="BatchNormalization"):
        model("strict")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model("ignore")
        sequential(lift(), GConv2D(2, 3, "p4", equivariance="ignore"))


def test_a_stock_layer_of_another_format_breaks_the_map():
    says = r"MaxPooling2D 'pool', before GConv2D '.*', breaks .* it has data_format='channels_last'"
    with pytest.warns(EquivarianceWarning, match=says):
        sequential(
            lift(**OTHER_FORMAT),
            K.MaxPooling2D(name="pool", **FORMAT),
            GConv2D(2, 3, "p4m", **OTHER_FORMAT),
            shape=(8, 18, 18),
        )


def test_fields_have_no_maximum():
    """The window follows the image, but the larger channel of a pair does not."""
    says = r"GMaxPooling2D '.*' is not equivariant: it takes maxima of .*SteerableAveragePooling2D"
    with pytest.warns(EquivarianceWarning, match=says):
        sequential(steer(), GMaxPooling2D())
    with pytest.raises(ValueError, match=says):
        sequential(steer(), GMaxPooling2D(equivariance="strict"))
    scalars = SteerableConv2D(Fields.trivial(8), Fields.trivial(4), 3)
    sequential(scalars, GMaxPooling2D(equivariance="strict"))


def test_a_model_of_an_earlier_version_is_loaded_with_a_warning(tmp_path):
    """Until now such a model was built without a word; `strict` held for the layer alone."""
    wrong = GConv2D(2, 3, "p4", equivariance="ignore")
    model = sequential(lift(), wrong)
    wrong.equivariance = "strict"
    model.save(tmp_path / "model.keras")
    with pytest.warns(EquivarianceWarning, match="reads a map on p4, but"):
        loaded = keras.saving.load_model(tmp_path / "model.keras")
    image = ops.ones((1, 11, 11, 8))
    np.testing.assert_array_equal(*(ops.convert_to_numpy(one(image)) for one in (model, loaded)))


def test_layers_that_are_added_one_by_one_warn_once():
    model = sequential(lift(), K.BatchNormalization())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", EquivarianceWarning)
        model.add(GConv2D(2, 3, "p4m"))
        model.add(K.ReLU())
        model.add(GConv2D(2, 3, "p4m"))
    assert [one.category for one in caught].count(EquivarianceWarning) == 1
