"""Hypermodels in KerasTuner's own tuners."""

from functools import lru_cache

import keras
import keras_tuner
import numpy as np
import pytest

from keras_gcnn.analysis import cost
from keras_gcnn.tuning import hypermodel

pytestmark = pytest.mark.backend_free
BUDGETS = {
    "lenet": 50_000,
    "cohen_cnn": 25_000,
    "allcnn": 90_000,
    "resnet20": 80_000,
    "so2cnn": 30_000,
    "steerable_cnn": 30_000,
    "wide_resnet": 300_000,
    "vae": 150_000,
}


def parameters(model):
    return sum(int(np.prod(one.shape)) for one in model.trainable_variables)


@lru_cache
def widths(builder):
    """Of the network that is not tapered."""
    model = hypermodel(builder, BUDGETS[builder], space={"taper": 1.0})
    return model.build(keras_tuner.HyperParameters()).widths


@pytest.mark.parametrize("taper", [0.6, 1.7])
@pytest.mark.parametrize("builder", BUDGETS)
def test_no_trial_leaves_the_budget(builder, taper):
    budget = BUDGETS[builder]
    over = hypermodel(builder, budget, space={"taper": taper})
    hp = keras_tuner.HyperParameters()
    model = over.build(hp)
    assert 0.98 * budget <= parameters(model) <= budget
    first, *_, last = model.widths
    own_first, *_, own_last = widths(builder)
    assert (last / first > own_last / own_first) == (taper > 1)
    # What is written of it builds the same network.
    again = over.recipe_arguments(hp, model.widths)
    assert "parameters" not in again
    assert list(again["widths"]) == list(model.widths)


def test_trials_at_equal_multiply_adds():
    found = []
    for group, taper in (("z2", 1.0), ("p4", 0.6)):
        space = {"taper": taper, "convolution": "full", "restrict_after": "never"}
        over = hypermodel("cohen_cnn", groups=[group], multiply_adds=4_000_000, space=space)
        hp = keras_tuner.HyperParameters()
        model = over.build(hp)
        found.append(cost(model))
        assert 0.98 * 4_000_000 <= found[-1].multiply_adds <= 4_000_000
        again = over.recipe_arguments(hp, model.widths)
        assert "multiply_adds" not in again
    plain, turning = found
    assert turning.parameters < plain.parameters / 2  # what equal cost means for a group
    for budgets in ({}, {"parameters": 50_000, "multiply_adds": 4_000_000}):
        with pytest.raises(ValueError, match="budget"):
            hypermodel("cohen_cnn", **budgets)


def test_every_hyperparameter_arrives_in_the_network():
    over = hypermodel("cohen_cnn", 25_000, ["z2", "p4"], classes=3)
    hp = keras_tuner.HyperParameters()
    values = {
        "group": "p4",
        "convolution": "gc",
        "restrict_after": "4",
        "head": "orientations",
        "dropout": 0.4,
        "optimizer": "sgd",
        "sgd_learning_rate": 0.2,
        "weight_decay": 0.3,
    }
    for name, value in values.items():
        hp.Fixed(name, value)
    model = over.build(hp)
    kinds = {type(layer).__name__ for layer in model.layers}
    assert {"GSeparableConv2D", "Restriction", "GDropout"} <= kinds
    assert model.output_shape == (None, 3)
    optimizer = model.optimizer.get_config()
    assert isinstance(model.optimizer, keras.optimizers.SGD)
    found = [optimizer[one] for one in ("learning_rate", "weight_decay", "momentum")]
    np.testing.assert_allclose(found, [0.2, 0.3, 0.9], rtol=1e-6)


def test_a_budget_that_cannot_be_met_is_told():
    with pytest.raises(ValueError, match="parameters=50 is too few"):
        hypermodel("lenet", 50).build(keras_tuner.HyperParameters())


def plain(width=8):
    return keras.Sequential(
        [
            keras.Input((9, 9, 1)),
            keras.layers.Conv2D(width, 3, activation="relu"),
            keras.layers.Conv2D(2 * width, 3, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(3),
        ]
    )


def test_a_plain_model_is_searched_over_groups_and_what_is_kept():
    over = hypermodel(plain, groups=("z2", "p4"), head="invariant")
    assert [entry.name for entry in over.space][:2] == ["group", "keep"]
    found = {}
    for group, keep in (("z2", None), ("p4", "channels"), ("p4", "parameters")):
        hp = keras_tuner.HyperParameters()
        hp.Fixed("group", group)
        if keep:
            hp.Fixed("keep", keep)
        model = over.build(hp)
        assert isinstance(model.optimizer, keras.optimizers.AdamW)
        assert model.loss.get_config()["from_logits"]
        found[group, keep] = cost(model)
    plain_cost = found["z2", None].multiply_adds  # its head reads |G| times as many channels
    assert 0.99 * plain_cost < found["p4", "channels"].multiply_adds < plain_cost
    assert found["p4", "channels"].parameters < found["z2", None].parameters / 3
    assert found["p4", "parameters"].parameters > found["z2", None].parameters / 2


def test_conversions_at_equal_multiply_adds_with_the_loss_of_the_plain_model():
    def compiled(hp):
        model = plain(hp.Choice("width", [8, 16]))
        model.compile("sgd", "categorical_crossentropy", metrics=["mae"])
        return model

    over = hypermodel(compiled, groups=["p4"], multiply_adds=400_000)
    assert "keep" not in [entry.name for entry in over.space]
    hp = keras_tuner.HyperParameters()
    model = over.build(hp)
    assert 392_000 <= cost(model).multiply_adds <= 400_000
    assert hp.values["width"] == 8
    images, labels = np.ones((2, 9, 9, 1)), np.eye(3)[:2]
    assert set(model.train_on_batch(images, labels, return_dict=True)) == {"loss", "mae"}
    assert isinstance(model.optimizer, keras.optimizers.AdamW)


class Halved(keras.losses.Loss):
    """A loss of one's own, with an argument that it does not name in its configuration."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def call(self, y_true, y_pred):
        return self.factor * keras.ops.mean(keras.ops.abs(y_true - y_pred), axis=-1)


def own_loss(y_true, y_pred):
    return 0.5 * keras.ops.mean(keras.ops.abs(y_true - y_pred), axis=-1)


@pytest.mark.parametrize(
    "loss", [own_loss, lambda true, found: own_loss(true, found), Halved(0.5)], ids=type
)
def test_losses_and_metrics_of_one_s_own_are_used(loss, rng):
    def largest(y_true, y_pred):
        return keras.ops.max(keras.ops.abs(y_true - y_pred), axis=-1)

    def compiled():
        model = plain()
        metrics = [keras.metrics.MeanAbsoluteError(name="off"), largest]
        model.compile("sgd", loss, metrics=metrics, loss_weights=[4.0])
        return model

    over = hypermodel(compiled, groups=["p4"])
    for _ in range(2):
        model = over.build(keras_tuner.HyperParameters())
        images, labels = rng.random((2, 9, 9, 1), "float32"), rng.random((2, 3), "float32")
        found = model.evaluate(images, labels, verbose=0, return_dict=True)
        off = np.abs(labels - model.predict(images, verbose=0))
        assert found["off"] == pytest.approx(off.mean(), rel=1e-5)
        assert found["loss"] == pytest.approx(4 * off.mean() / 2, rel=1e-5)
        assert found["largest"] == pytest.approx(off.max(axis=-1).mean(), rel=1e-5)
        assert isinstance(model.optimizer, keras.optimizers.AdamW)


@pytest.mark.parametrize(
    ("builder", "options", "error", "message"),
    [
        (3, {}, TypeError, "name of a builder"),
        (lambda: 3, {}, TypeError, "returned int"),
        (plain, {"group": "p4"}, ValueError, "group is a hyperparameter"),
        (plain, {"keep": "fields", "parameters": 900}, ValueError, "keep cannot be set"),
        (plain, {"size": 3}, ValueError, "no argument 'size'"),
        (plain, {"space": {"keep": "all"}}, ValueError, "may be 'channels', 'parameters'"),
        (plain, {"groups": ["p5"]}, ValueError, "p5"),
    ],
)
def test_mistakes_with_a_plain_model_are_told(builder, options, error, message):
    with pytest.raises(error, match=message):
        hypermodel(builder, **options).build(keras_tuner.HyperParameters())


@pytest.mark.parametrize(
    ("end", "from_logits"),
    [
        (keras.layers.Dense(3), True),
        (keras.layers.Dense(3, activation="softmax"), False),
        (keras.layers.Softmax(), False),
        (keras.layers.Dense(1), None),
        (keras.layers.Dense(2, activation="sigmoid"), None),
    ],
)
def test_a_model_that_is_not_compiled_has_to_be_a_classifier(end, from_logits):
    def make():
        start = (keras.Input((7, 7, 1)), keras.layers.Conv2D(8, 3))
        return keras.Sequential([*start, keras.layers.GlobalAveragePooling2D(), end])

    over = hypermodel(make, groups=("z2",))
    if from_logits is None:
        with pytest.raises(ValueError, match=r"not those of a classifier.*compile the model"):
            over.build(keras_tuner.HyperParameters())
    else:
        assert over.build(keras_tuner.HyperParameters()).loss.from_logits is from_logits
