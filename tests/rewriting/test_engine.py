"""The engine replaces layers by the rules of one book, and copies the others."""

import keras
import numpy as np
import pytest

from keras_gcnn import export, layers
from keras_gcnn.rewriting import RuleBook, rewrite
from tests.helpers.contract import predict, randomized
from tests.helpers.layers import relative_error
from tests.rewriting.plain_checks import TOLERANCE, check
from tests.zoo.networks import images


def network():
    """A layer that is called twice and in the model in the model too, weights, an activation."""
    image = keras.Input((8, 8, 2), name="image")
    shared = keras.layers.Conv2D(2, 3, padding="same", name="shared")
    act = keras.layers.ReLU(name="act")
    inner = keras.Sequential([keras.Input((8, 8, 2)), shared, act], name="inner")
    x = shared(inner(shared(image)))
    return randomized(keras.Model(image, keras.layers.ReLU(name="last")(x), name="given"))


def names(model):
    return [layer.name for layer in model.layers]


def test_a_book_without_rules_copies_the_model():
    model = network()
    copy = rewrite(model, RuleBook())
    assert names(copy) == names(model)
    assert copy.name == "given"
    x = images((8, 8, 2))
    np.testing.assert_array_equal(predict(copy, x), predict(model, x))
    shared = copy.get_layer("shared")
    assert shared is not model.get_layer("shared")
    # All calls share their weights.
    assert len(copy.weights) == len(rewrite(model, RuleBook(), flatten=True).weights) == 2


def test_what_is_called_in_training_is_not_folded_and_stays_so():
    image = keras.Input((8, 8, 2))
    x = keras.layers.Conv2D(2, 3)(image)
    model = keras.Model(image, keras.layers.BatchNormalization()(x, training=True))
    inner = keras.Sequential([keras.Input((6, 6, 2)), keras.layers.BatchNormalization()])
    with_inner = keras.Model(image, inner(x, training=True))
    x = 3 + images((8, 8, 2))
    for given, convert in [
        (model, export.to_plain),
        (model, export.for_inference),
        (with_inner, lambda given: rewrite(given, RuleBook())),
    ]:
        expected, found = (keras.ops.convert_to_numpy(one(x)) for one in (given, convert(given)))
        assert relative_error(found, expected) < TOLERANCE
    with pytest.raises(ValueError, match=r"is called with training=True.*Leave flatten out"):
        rewrite(with_inner, RuleBook(), flatten=True)


def test_a_shared_layer_is_shared_where_nothing_is_folded_into_it():
    shared, norm = keras.layers.Conv2D(2, 3), keras.layers.BatchNormalization()
    maps = keras.Input((8, 8, 2))
    stacks = [[shared, norm], [shared], [keras.layers.ReLU(), shared], [shared, norm]]
    inner = [keras.Sequential([keras.Input((8, 8, 2)), *one]) for one in stacks]
    model = randomized(keras.Model(maps, [one(maps) for one in inner]))
    assert len(check(model, images((8, 8, 2))).weights) == 4


def test_two_books_have_different_rules_for_one_class():
    leaky, soft = RuleBook(), RuleBook()

    @leaky.rule(keras.layers.ReLU)
    def to_leaky(translator, inputs):
        return translator.add(keras.layers.LeakyReLU, inputs, 0.1)

    @soft.rule(keras.layers.ReLU)
    def to_softplus(translator, inputs):
        x = translator.add(keras.layers.Rescaling, inputs, 2.0, part="doubled")
        return translator.add(keras.layers.Activation, x, "softplus")

    model = network()
    first, second = rewrite(model, leaky), rewrite(model, soft)
    assert type(first.get_layer("last")) is keras.layers.LeakyReLU
    assert type(first.get_layer("inner").get_layer("act")) is keras.layers.LeakyReLU
    assert type(second.get_layer("last")) is keras.layers.Activation
    assert "last_doubled" in names(second)
    # Neither adds rules to the books of the library.
    plain = export.to_plain(model)
    assert type(plain.get_layer("last")) is keras.layers.ReLU


def test_a_twin_is_shared_by_all_calls():
    book = RuleBook()

    @book.twin_rule(keras.layers.Conv2D)
    def lifted(layer, name, change):
        return layers.LiftingConv2D(1, 3, "p4", padding="same", name=name, equivariance="ignore")

    image = keras.Input((8, 8, 4))
    shared = keras.layers.Conv2D(4, 3, padding="same", name="shared")
    model = keras.Model(image, shared(shared(image)))
    book.transfer_weights = lambda layer, twin, change: None
    rewritten = rewrite(model, book)
    assert type(rewritten.get_layer("shared")) is layers.LiftingConv2D
    assert len(rewritten.weights) == 2


def test_flat_names_begin_with_the_inner_models():
    flat = rewrite(network(), RuleBook(), flatten=True)
    assert "inner_act" in names(flat)
    assert not any(isinstance(layer, keras.Model) for layer in flat.layers)


def test_books_take_over_the_rules_of_others():
    first, second = RuleBook(), RuleBook()
    first.rule(keras.layers.ReLU, takes_change=True)(lambda translator, inputs: inputs)
    second.twin_rule(keras.layers.Dense)(lambda layer, name, change: layer)
    both = RuleBook(first, second)
    assert both.find_rule(keras.layers.ReLU()) is not None
    assert both.takes_change(keras.layers.ReLU())
    assert both.has_twin_rule(keras.layers.Dense(1))
    assert first.find_rule(keras.layers.Dense(1)) is None


def test_a_normalised_kernel_is_translated():
    image = keras.Input((8, 8, 2))
    x = layers.LiftingConv2D(2, 3, "p4", name="lift")(image)
    convolution = layers.GConv2D(2, 3, "p4", name="inside")
    x = keras.layers.SpectralNormalization(convolution, name="normalised")(x)
    model = randomized(keras.Model(image, x))
    x = images((8, 8, 2))
    plain = check(model, x)
    assert type(plain.get_layer("normalised")) is keras.layers.Conv2D
    fast = export.for_inference(model)
    assert relative_error(predict(fast, x), predict(model, x)) < TOLERANCE
