import keras_tuner
import pytest

from keras_gcnn import zoo
from keras_gcnn.tuning.hypermodels import hypermodel
from keras_gcnn.tuning.space import space_of

pytestmark = pytest.mark.backend_free


def names(*arguments, **keywords):
    return [one.name for one in space_of(*arguments, **keywords)]


@pytest.mark.parametrize("builder", [*zoo.BUILDERS, *zoo.AUTOENCODERS])
def test_every_builder_has_a_space_with_bounds_and_meanings(builder):
    space = space_of(builder)
    assert {"optimizer", "learning_rate", "weight_decay", "taper"} <= {one.name for one in space}
    for one in space:
        assert one.meaning
        if one.bounds is None:
            assert one.default in one.values
        else:
            low, high = one.bounds
            assert low <= one.default <= high


def test_what_means_nothing_without_a_group_is_left_out():
    assert "convolution" in names("lenet", ["z2", "p4"])
    assert "convolution" not in names("lenet", ["z2"])
    (found,) = [one for one in space_of("lenet", ["p4", "p4m"]) if one.name == "convolution"]
    assert found.parent is None
    assert "max_frequency" not in names("vae", ["z2", "d8"])
    assert "fields" not in names("steerable_cnn", ["so2", "c8", "p4m"])
    assert "fields" in names("wide_resnet", ["p4m", "d8"])
    space = {one.name: one for one in space_of("steerable_cnn", ["so2", "d8", "c1"])}
    assert space["max_frequency"].parent_values == ("so2",)
    assert space["fields"].parent_values == ("d8",)
    assert space["restrict_after"].parent_values == ("so2", "d8")
    assert "sgd_learning_rate" not in names("lenet", given={"optimizer": "adamw"})


def test_a_child_is_active_with_its_parent_only():
    model = hypermodel("lenet", 50_000, ["z2", "p4"])
    hp = keras_tuner.HyperParameters()
    assert "convolution" not in model.values(hp)
    hp = keras_tuner.HyperParameters()
    hp.Fixed("group", "p4")
    assert model.values(hp)["convolution"] == "full"


def test_a_user_narrows_it():
    given = {"learning_rate": {"min": 1e-3, "max": 1}, "head": ["flatten"], "weight_decay": 0.5}
    space = {one.name: one for one in space_of("lenet", given=given)}
    assert space["learning_rate"].bounds == (1e-3, 1.0)
    (rate,) = (
        one
        for one in space_of("lenet", given={"learning_rate": [1, 0.5]})
        if one.name == "learning_rate"
    )
    assert [type(one) for one in (*rate.values, rate.default)] == [float] * 3
    assert space["head"].values == ("flatten",)
    assert space["weight_decay"].values == (0.5,)
    assert space["weight_decay"].default == 0.5


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"learning": 1}, "no hyperparameter 'learning'.*It has group"),
        ({"learning_rat": 1}, "Did you mean 'learning_rate'"),
        ({"learning_rate": {"min": 1e-3}}, "keys min and max"),
        ({"learning_rate": {"min": 1e-2, "max": 1e-3}}, "0 < min < max"),
        ({"weight_decay": {"min": 0, "max": 1}}, "0 < min < max"),
        ({"learning_rate": "fast"}, "is a number"),
        ({"learning_rate": True}, "is a number"),
        ({"learning_rate": 0.0}, "finite and above 0"),
        ({"weight_decay": -1.0}, "not negative"),
        ({"learning_rate": float("inf")}, "finite"),
        ({"learning_rate": []}, "one value or more"),
        ({"weight_decay": [0.1, 0.1]}, "each once"),
        ({"head": "round"}, "may be 'invariant', 'orientations', 'flatten'"),
        ({"head": {"min": 0, "max": 1}}, "choice and has no bounds"),
        ({"head": 3}, "may be"),
        (3, "has to be a dict"),
    ],
)
def test_what_cannot_be_searched_is_named(given, message):
    with pytest.raises(ValueError, match=message):
        space_of("lenet", given=given)


@pytest.mark.parametrize(
    ("builder", "given", "message"),
    [
        ("so2cnn", {"dropout": {"min": 0, "max": 3}}, "dropout = 3.* has to be from 0 to below 1"),
        ("so2cnn", {"max_frequency": [4, 101]}, "max_frequency = 101.* has to be from 0 to 100"),
        ("vae", {"latent_dim": 0}, "latent_dim = 0.* above 0"),
    ],
)
def test_values_that_no_network_can_have_are_refused(builder, given, message):
    with pytest.raises(ValueError, match=message):
        space_of(builder, given=given)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("resnet45", 50_000), "no builder of keras_gcnn.zoo"),
        (("unet", 50_000), "'unet' makes networks with a map of logits.* Choose one of lenet"),
        (("lenet", 50_000, ["p5"]), "p5"),
        (("lenet", 50_000, ["p4", "p4"]), "twice"),
        (("lenet", 50_000, []), "has to be a list of groups"),
        (("lenet", 50_000, 5), "has to be a list of groups"),
        (("so2cnn", 50_000, ["p4"]), "no group but so2"),
    ],
)
def test_wrong_builders_and_groups_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        hypermodel(*arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"widths": (3, 3)}, "widths follow from the budget"),
        ({"head": "flatten"}, "Fix it by the space"),
        ({"clases": 3}, "Did you mean 'classes'"),
    ],
)
def test_arguments_that_a_search_cannot_have_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        hypermodel("lenet", 50_000, **arguments)
