"""`for_inference` keeps what a network computes, in fewer layers."""

import keras
import numpy as np
import pytest

from keras_gcnn import export, layers, zoo
from keras_gcnn.analysis import assert_equivariant
from keras_gcnn.layers.common.stock_convolution import InferenceConv2D
from tests.helpers.contract import predict, randomized
from tests.helpers.layers import DATA_FORMATS, relative_error, skip_without_stock_layers
from tests.helpers.levels import COMPILING, thoroughly
from tests.rewriting.plain_checks import TOLERANCE, assert_same_outputs, model_of_ones_own
from tests.zoo.networks import a_network, build, images


def check(model, x):
    fast = export.for_inference(model)
    assert_same_outputs(fast, model, x)
    return fast


def kinds(model):
    return [type(layer) for layer in model.layers]


@a_network
@pytest.mark.parametrize("group", ["z2", "p4m"])
def test_every_network(builder, group, tmp_path):
    network = build(builder, group)
    x = images((28, 28, 1))
    fast = check(network, x)
    assert InferenceConv2D in kinds(fast)
    assert keras.layers.Conv2D not in kinds(fast)
    assert_equivariant(fast, group)
    fast.save(tmp_path / "fast.keras")
    loaded = keras.saving.load_model(tmp_path / "fast.keras")
    np.testing.assert_array_equal(predict(loaded, x), predict(fast, x))


@pytest.mark.parametrize(
    "data_format", ["channels_last", *thoroughly("channels_first", on=COMPILING)]
)
def test_a_steerable_network(data_format):
    shape = (28, 28, 1) if data_format == "channels_last" else (1, 28, 28)
    form = {"widths": (2, 2, 3), "input_shape": shape, "data_format": data_format}
    fast = check(build("steerable_cnn", "d6", **form), images(shape))
    assert kinds(fast).count(layers.FourierActivation) == 3
    assert layers.SteerableBatchNormalization not in kinds(fast)


@pytest.mark.thorough("jax", "tensorflow")
@pytest.mark.parametrize("form", [{"group": "so2"}, {"group": "z2", "posterior": "gaussian"}])
def test_an_autoencoder(form):
    vae = zoo.vae(**form, parameters=120_000)
    fast = check(vae, images((28, 28, 1)))
    assert set(fast.output) == {"logits", *vae.encoder.output}


@pytest.mark.thorough("jax", "tensorflow")
def test_an_autoencoder_in_a_model():
    vae = zoo.vae("z2", parameters=120_000)
    image = keras.Input((28, 28, 1))
    check(keras.Model(image, vae(image)["logits"]), images((28, 28, 1)))


@pytest.mark.parametrize("data_format", DATA_FORMATS)
def test_a_model_of_ones_own(data_format):
    skip_without_stock_layers(data_format)
    model = randomized(model_of_ones_own(data_format))
    shape = (2, 12, 12) if data_format == "channels_first" else (12, 12, 2)
    fast = check(model, images(shape))
    assert fast.inputs[0].name == "picture"
    assert keras.layers.ReLU not in kinds(fast)  # it was in the model in the model


def test_activations_are_taken_in_where_that_is_exact_and_only_there():
    image = keras.Input((8, 8, 2))
    x = layers.LiftingConv2D(2, 3, "p4", padding="same", name="a")(image)
    x = keras.layers.Activation("elu", name="gone")(x)
    x = keras.layers.Conv2D(3, 3, name="b")(x)
    x = keras.layers.ReLU(name="gone_too")(x)
    x = layers.LiftingConv2D(2, 3, "p4", name="c", equivariance="ignore")(x)
    x = keras.layers.ReLU(negative_slope=0.1, name="of_another_slope")(x)
    x = keras.layers.Conv2D(4, 1, activation="tanh", name="d")(x)
    x = keras.layers.ReLU(name="after_another")(x)
    x = keras.layers.Conv2D(4, 1, name="e")(x)
    x = keras.layers.Activation("softmax", name="of_a_fibre")(x)
    y = keras.layers.Conv2D(4, 1, groups=2, name="f")(x)
    y = keras.layers.ReLU(name="after_groups")(y)
    z = keras.layers.Conv2D(4, 1, name="g")(y)
    read_twice = keras.layers.ELU(name="read_twice")(z)
    model = randomized(keras.Model(image, [z, read_twice]))
    fast = check(model, images((8, 8, 2)))
    left = [one.name for one in fast.layers if not isinstance(one, keras.layers.Conv2D)]
    expected = ["of_another_slope", "after_another", "of_a_fibre", "after_groups", "read_twice"]
    assert left[1:] == expected
    activations = [getattr(fast.get_layer(name), "activation", None) for name in "abc"]
    elu, relu, linear = (getattr(keras.activations, name) for name in ("elu", "relu", "linear"))
    assert activations == [elu, relu, linear]


@pytest.mark.thorough("jax", "tensorflow")
def test_a_network_in_half_precision():
    x = images((28, 28, 1))
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        network = build("lenet", "p4")
    finally:
        keras.config.set_dtype_policy(policy)
    found = predict(export.for_inference(network), x)
    assert relative_error(found, predict(network, x)) < 0.05


def test_weights_are_not_shared_and_pixels_may_have_eight_bits():
    network = build("lenet", "p4")
    pixels = np.random.default_rng(0).integers(0, 256, size=(3, 28, 28, 1)).astype("float32")
    expected = predict(network, pixels / 255)
    fast = export.for_inference(network, scale=1 / 255)
    assert relative_error(predict(fast, pixels), expected) < TOLERANCE
    for variable in fast.weights:
        variable.assign(variable * 2)
    np.testing.assert_array_equal(predict(network, pixels / 255), expected)


def test_the_result_is_converted_like_the_network():
    network, x = build("lenet", "p4"), images((28, 28, 1))
    fast = export.for_inference(network)
    again = check(fast, x)
    assert kinds(again) == kinds(fast)
    plain = export.to_plain(fast)
    assert_same_outputs(plain, network, x)
    assert InferenceConv2D not in kinds(plain)


@pytest.mark.parametrize("convert", [export.for_inference, export.to_plain])
def test_what_is_no_model_or_no_scale(convert):
    for wrong in (None, "model.keras", keras.Model, keras.layers.Dense(3)):
        with pytest.raises(TypeError, match=r"Expected a keras\.Model.*export\.load"):
            convert(wrong)
    network = build("lenet", "p4")
    for wrong in ("1/255", [1, 2], float("nan"), True):
        with pytest.raises(ValueError, match="has to be a finite number"):
            convert(network, scale=wrong)


def test_what_cannot_be_converted():
    class Odd(keras.layers.Layer):
        def call(self, inputs):
            return inputs * 2

    image = keras.Input((8, 8, 1))
    with pytest.raises(ValueError, match="Odd 'odd' cannot be translated to stock layers"):
        export.for_inference(keras.Model(image, Odd(name="odd")(image)))
    with pytest.raises(ValueError, match=r"is not built.*keras.Input"):
        export.for_inference(keras.Sequential([layers.LiftingConv2D(2, 3)]))
