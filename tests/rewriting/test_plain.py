"""`to_plain` translates every network to stock layers, with the same outputs."""

import keras
import numpy as np
import pytest

from keras_gcnn import export, layers, zoo
from tests.helpers.contract import predict, randomized
from tests.helpers.layers import DATA_FORMATS, relative_error, skip_without_stock_layers
from tests.helpers.levels import COMPILING, thoroughly
from tests.rewriting.plain_checks import (
    TOLERANCE,
    assert_same_outputs,
    check,
    model_of_ones_own,
    of_open_size,
    steerable_of_open_size,
)
from tests.zoo.networks import a_network, build, images


@a_network
@pytest.mark.parametrize(
    "arguments",
    [
        {"group": "z2"},
        {"group": "p4m", "convolution": "gc"},
        {"group": "p4m", "restrict_after": {"1": "p4", "2": "z2"}},
    ],
    ids=["z2", "p4m-gc", "restricted"],
)
def test_every_network(builder, arguments):
    check(build(builder, **arguments), images((28, 28, 1)))


_REPORT = {"builder": "so2cnn", "variant": "report", "widths": (2, 2, 3)}
_STEPS = {"1": "d6", "2": "c3"}
_MIRRORS = {
    "builder": "steerable_cnn",
    "group": "o2",
    "restrict_after": _STEPS,
    "widths": (2, 2, 3),
}
_WIDE = {"builder": "wide_resnet", "group": "d3", "widths": (1, 2, 2, 2)}


@pytest.mark.parametrize(
    ("which", "data_format"),
    [
        (_MIRRORS, "channels_last"),
        *thoroughly((_REPORT, "channels_first"), (_WIDE, "channels_last"), on=COMPILING),
        *thoroughly((_MIRRORS, "channels_first"), (_REPORT, "channels_last")),
    ],
)
def test_a_steerable_network(which, data_format):
    skip_without_stock_layers(data_format)
    shape = (28, 28, 1) if data_format == "channels_last" else (1, 28, 28)
    network = build(**{"group": None, **which}, input_shape=shape, data_format=data_format)
    plain = check(network, images(shape))
    # Before a convolution, as in the wide network, a normalisation cannot be folded into it.
    normalized = any(isinstance(one, keras.layers.BatchNormalization) for one in plain.layers)
    assert normalized == (which is _WIDE)


@pytest.mark.thorough("jax")
@pytest.mark.parametrize(
    "form",
    [{"group": "so2"}, *thoroughly({"group": "z2", "posterior": "gaussian"}, on=COMPILING)],
)
def test_an_autoencoder_and_its_parts(form):
    vae = zoo.vae(**form, parameters=120_000)
    x = images((28, 28, 1))
    assert set(check(vae, x).output) == {"logits", *vae.encoder.output}
    check(vae.encoder, x)
    check(vae.decoder, np.random.default_rng(0).normal(size=(3, 6)).astype("float32"))
    flat = export.to_plain(vae, flatten=True)
    assert not any(isinstance(layer, keras.Model) for layer in flat.layers)
    assert "encoder_conv1" in [layer.name for layer in flat.layers]


def test_an_autoencoder_that_turns_says_what_to_convert():
    vae = zoo.vae("p4", orientation=True)
    with pytest.raises(ValueError, match=r"Convert model\.encoder and model\.decoder"):
        export.to_plain(vae)
    # The direction itself is of a network without training the small rest of large numbers.
    found = {name: one for name, one in vae.encoder.output.items() if name != "orientation"}
    found["pose"] = vae.encoder.get_layer("pose").output
    check(keras.Model(vae.encoder.input, found), images((28, 28, 1)))


def test_a_direction_is_the_stock_layers():
    vectors = np.array([[[0, 0], [3e-9, 4e-9], [-5, 0.1]]], "float32")
    inputs = keras.Input((3, 2))
    plain = check(keras.Model(inputs, layers.UnitDirection(name="pose")(inputs)), vectors)
    assert type(plain.get_layer("pose")) is keras.layers.UnitNormalization


@pytest.mark.parametrize("data_format", DATA_FORMATS)
def test_a_model_of_ones_own(data_format):
    skip_without_stock_layers(data_format)
    model = randomized(model_of_ones_own(data_format))
    before = [keras.ops.convert_to_numpy(one) for one in model.weights]
    shape = (2, 12, 12) if data_format == "channels_first" else (12, 12, 2)
    plain = check(model, images(shape))
    assert plain.name == "own"
    assert plain.inputs[0].name == "picture"
    assert plain.get_layer("inner").get_layer("inside").__class__ is keras.layers.Conv2D
    # Features are read by the names that the layers had.
    features = keras.Model(plain.input, plain.get_layer("lift").output)
    expected = keras.Model(model.input, model.get_layer("lift").output)
    x = images(shape)
    assert relative_error(predict(features, x), predict(expected, x)) < TOLERANCE
    # The given model is as it was.
    for variable, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(variable), value)
    assert model.get_layer("lift").output is not None


def test_normalizations_are_folded_where_that_is_exact_and_only_there():
    def norms(model):
        return [one.name for one in model.layers if "BatchNorm" in type(one).__name__]

    image = keras.Input((8, 8, 2))
    a = layers.LiftingConv2D(2, 3, "p4", use_bias=False, name="a")(image)
    b = layers.GBatchNormalization("p4", name="folded")(a)
    c = layers.GConv2D(2, 3, "p4", activation="relu", name="c")(b)
    d = layers.GBatchNormalization("p4", name="after_activation")(c)
    e = layers.GConv2D(2, 3, "p4", name="e")(d)
    f = layers.GBatchNormalization("p4", name="read_twice")(e)
    model = randomized(keras.Model(image, [f, keras.layers.Flatten()(e)]))
    assert norms(check(model, images((8, 8, 2)))) == ["after_activation", "read_twice"]
    unfolded = export.to_plain(model, fold=False)
    assert norms(unfolded) == ["folded", "after_activation", "read_twice"]


def test_as_many_channels_as_columns():
    """Keras on TensorFlow mistakes the one for the other when it adds a bias."""
    skip_without_stock_layers("channels_first")
    image = keras.Input((2, 10, 10))
    form = {"data_format": "channels_first"}
    x = layers.LiftingConv2D(2, 3, "p4", activation="tanh", **form)(image)  # 8 channels of 8x8
    x = layers.GConv2D(2, 3, "p4", padding="same", **form)(x)
    x = layers.GBatchNormalization("p4", 1)(x)
    x = layers.GSeparableConv2D(2, 3, "p4", padding="same", **form)(x)
    check(randomized(keras.Model(image, x)), images((2, 10, 10)))


def test_a_name_that_is_taken():
    image = keras.Input((8, 8, 1))
    x = layers.LiftingConv2D(2, 3, "p4", name="lift")(image)
    x = layers.GSeparableConv2D(2, 3, "p4", name="c")(x)
    model = keras.Model(image, keras.layers.Conv2D(3, 1, name="c_pointwise")(x))
    check(randomized(model), images((8, 8, 1)))


def test_weights_are_not_shared():
    network = build("lenet", "p4")
    plain = export.to_plain(network)
    x = images((28, 28, 1))
    before = predict(network, x)
    for variable in plain.weights:
        variable.assign(variable * 2)
    np.testing.assert_array_equal(predict(network, x), before)


def test_pixels_of_eight_bits():
    network = build("lenet", "p4")
    pixels = np.random.default_rng(0).integers(0, 256, size=(3, 28, 28, 1)).astype("float32")
    plain = export.to_plain(network, scale=1 / 255)
    expected = predict(network, pixels / 255)
    assert relative_error(predict(plain, pixels), expected) < TOLERANCE


def test_networks_without_a_size():
    image = keras.Input((None, None, 1))
    x = layers.LiftingConv2D(2, 3, "p4", equivariance="ignore")(image)
    model = keras.Model(image, layers.GGlobalPooling("max", "p4")(x))
    check(randomized(model), images((11, 9, 1)))


def of_size(rows, columns, data_format):
    return images((1, rows, columns) if data_format == "channels_first" else (rows, columns, 1), 2)


@pytest.mark.parametrize(
    ("make", "data_format"),
    [
        (of_open_size, "channels_last"),
        *thoroughly((steerable_of_open_size, "channels_first"), on=COMPILING),
        *thoroughly((of_open_size, "channels_first"), (steerable_of_open_size, "channels_last")),
    ],
)
def test_networks_of_open_size(make, data_format, tmp_path):
    """Operations that need the size are replaced by others that take any size."""
    skip_without_stock_layers(data_format)
    model = randomized(make(data_format))
    shapes = [(13, 14), (15, 15)]
    plain = check(model, of_size(*shapes[0], data_format))
    assert plain.output_names == model.output_names
    plain.save(tmp_path / "plain.keras")
    read = keras.saving.load_model(tmp_path / "plain.keras")
    for form in (read, export.for_inference(model)):
        for shape in shapes:
            assert_same_outputs(form, model, of_size(*shape, data_format))


@keras.saving.register_keras_serializable(package="tests")
class Foreign(keras.layers.Layer):
    def call(self, inputs):
        return inputs * 2


class Subclassed(keras.Model):
    def call(self, inputs):
        return inputs


class WithACall(keras.Model):
    """Made of a graph, but computes something else."""

    def call(self, inputs):
        return super().call(inputs) * 2


def with_a_call():
    graph = of_one_layer(layers.GConv2D(2, 3))
    return WithACall(graph.inputs, graph.outputs, name="odd")


def mine(x):
    return x * 2


def of_one_layer(layer):
    image = keras.Input((6, 6, 4))
    return keras.Model(image, layer(image))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: of_one_layer(Foreign(name="odd")), "Foreign 'odd' .* holds Foreign"),
        (lambda: of_one_layer(keras.layers.Lambda(lambda x: x, name="odd")), "'odd' .* Lambda"),
        (
            lambda: of_one_layer(keras.layers.Dense(3, activation=lambda x: x, name="odd")),
            "Dense 'odd'",
        ),
        (lambda: of_one_layer(Subclassed(name="odd")), "'odd' .* holds Subclassed"),
        (lambda: Subclassed(name="odd"), "'odd' is not a graph of layers"),
        (with_a_call, "'odd' is not a graph of layers"),
        (
            lambda: of_one_layer(layers.GConv2D(2, 3, activation=mine, name="odd")),
            "Conv2D 'odd' .* holds mine",
        ),
        (lambda: keras.Sequential([layers.GConv2D(2, 3)], name="odd"), "'odd' is not built"),
        (
            lambda: of_one_layer(keras.layers.TimeDistributed(layers.GPooling(), name="odd")),
            "'odd' .* holds GPooling",
        ),
    ],
)
def test_what_cannot_be_translated_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        export.to_plain(make())


def test_what_draws_at_inference_is_refused():
    pair = [keras.Input((3,)), keras.Input((1,))]
    layer = layers.VonMisesFisherSampling(at_inference="sample", name="odd")
    with pytest.raises(ValueError, match=r"'odd' draws at inference.*at_inference=\"mean\""):
        export.to_plain(keras.Model(pair, layer(pair)))


def test_a_mean_direction_of_zeros_is_the_first_axis():
    features = keras.Input((3,))
    model = keras.Model(features, layers.VonMisesFisherHead(4)(features))
    plain = export.to_plain(model)
    mean, concentration = plain(np.zeros((1, 3), "float32"))
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(mean), [[1, 0, 0, 0]])
    assert concentration.shape == (1, 1)
    vectors = np.array([[1e-20, 0, 0], [1e20, 0, 0]], "float32")  # whose squares vanish or overflow
    means = [keras.ops.convert_to_numpy(each(vectors)[0]) for each in (model, plain)]
    np.testing.assert_allclose(*means, atol=1e-6)
