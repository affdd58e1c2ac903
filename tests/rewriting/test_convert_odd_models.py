"""`convert` of odd models: exact, or refused by a sentence that names the layer and the way out."""

from functools import partial

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_gcnn
from tests.helpers.plain_models import randomized

SIZE = (9, 9, 3)


def conv(filters=8, kernel=3, **options):
    return layers.Conv2D(filters, kernel, **{"padding": "same", **options})


def stack(*some, shape=SIZE):
    """A model whose layers stand between a convolution and a classifier's end."""
    end = [layers.GlobalAveragePooling2D(), layers.Dense(2)]
    return keras.Sequential([keras.Input(shape), conv(), *some, *end], name="model")


def in_front(*some, shape=SIZE):
    end = [conv(), layers.GlobalAveragePooling2D(), layers.Dense(2)]
    return keras.Sequential([keras.Input(shape), *some, *end])


def with_ops(function, behind=True):
    image = keras.Input(SIZE)
    maps = function(conv()(image)) if behind else conv()(function(image))
    return keras.Model(image, layers.Dense(2)(layers.GlobalAveragePooling2D()(maps)))


class OwnModel(keras.Model):
    def call(self, inputs):
        return inputs


def quantized():
    model = stack()
    model.quantize("int8")
    return model


def always_training():
    image = keras.Input(SIZE)
    inner = keras.Sequential([keras.Input(SIZE), layers.Dropout(0.5)], name="odd")
    return keras.Model(image, conv()(inner(image, training=True)))


def without_channels(function):
    """A model in which a map of one channel has lost that axis."""
    image = keras.Input(SIZE)
    maps = layers.Reshape((9, 9))(conv(1, 1)(image))
    return keras.Model(image, function(maps))


def below_a_mask():
    mask = np.ones((9, 9, 1), "float32")
    return with_ops(lambda maps: maps * mask)


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: keras.Sequential([conv()]), "not built.*Begin it with keras.Input"),
        (lambda: OwnModel(name="own"), "'own' .*`call` of its own.*symmetrize"),
        (lambda: keras.Sequential([keras.Input((7, 3)), layers.LSTM(4)]), "takes no images"),
        (lambda: keras.Sequential([keras.Input((9, 9)), conv()][:1]), "not built|takes no images"),
        (quantized, "'dense.*is quantized.*Convert the model before"),
        (always_training, "'odd' .*training=True"),
        (lambda: keras_gcnn.convert(stack(), "p4"), "'conv2d.*is a layer of keras_gcnn already"),
        (lambda: stack(layers.MaxPooling2D(2, data_format="channels_first")), "one data format"),
        (lambda: stack(layers.Softmax(axis=1, name="odd")), "'odd' .*acts along axis=1"),
        (lambda: stack(layers.UnitNormalization(axis=2, name="odd")), "'odd' .*along axis=2"),
        (lambda: stack(conv(activation=lambda x: ops.cumsum(x, 1))), "the activation '<lambda>'"),
        (lambda: with_ops(lambda maps: maps * np.arange(8.0)), "array of shape \\(8,\\)"),
        (lambda: stack(layers.UpSampling2D((2, 1), name="odd")), "'odd' .*size=\\(2, 1\\)"),
        (lambda: with_ops(lambda maps: ops.average(maps, -1)[..., None]), "reduces along axis=-1"),
        *(
            (lambda odd=odd: without_channels(odd(name="odd")), "'odd' .* which rows, columns and")
            for odd in (
                layers.Softmax,
                layers.LayerNormalization,
                partial(layers.Rescaling, [1] * 9),
            )
        ),
        (lambda: without_channels(layers.Activation("softmax")), "the activation 'softmax'"),
        (lambda: without_channels(lambda maps: maps * np.ones(9)), "array of shape \\(9,\\)"),
        (below_a_mask, "array of shape \\(9, 9, 1\\), whose numbers do not rotate"),
        (lambda: in_front(layers.Resizing(8, 6, name="odd")), "'odd' .*8 x 6"),
        (lambda: in_front(layers.Normalization(axis=1, name="odd")), "'odd' .*axis=\\(1,\\)"),
        (lambda: stack(layers.Dropout(0.5, (None, 1, 9, 8), name="odd")), "'odd' .*noise_shape"),
        (lambda: keras.Sequential([keras.Input(SIZE), conv(), layers.Flatten()]), "an output of"),
        (
            lambda: keras.Sequential(
                [
                    *(keras.Input(SIZE), conv(), layers.Flatten(), layers.Dense(16)),
                    layers.Reshape((4, 4, 1), name="odd"),
                ]
            ),
            "'odd' .*makes a map of shape \\(4, 4, 1\\)",
        ),
        (
            lambda: keras.Sequential(
                [keras.Input((5, 7, 3)), conv(), layers.Flatten(), layers.Dense(4, name="odd")]
            ),
            "'odd' .*not square",
        ),
    ],
)
def test_what_would_be_inexact_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        keras_gcnn.convert(make(), "p4")


@pytest.mark.backend_free
@pytest.mark.parametrize("shape", [9, (9, 9), (9.0, 9, 3), (0, 9, 3), (True, 9, 3), "993"])
def test_a_shape_is_one_of_an_image(shape):
    with pytest.raises(ValueError, match=r"input_shape=.*has to be the shape of one image"):
        keras_gcnn.convert(stack(), "p4", input_shape=shape)


@pytest.mark.thorough("jax", "tensorflow")
def test_several_images_keep_their_channels():
    image, mask = keras.Input((None, None, 3)), keras.Input((None, None, 1))
    maps = conv()(layers.Concatenate()([image, mask]))
    plain = keras.Model([image, mask], layers.GlobalAveragePooling2D()(maps))
    network = keras_gcnn.convert(plain, "p4", input_shape=(9, 9, 3))
    assert [each.shape[1:] for each in network.inputs] == [(9, 9, 3), (9, 9, 1)]
    network = randomized(keras_gcnn.convert(plain, "p4"))
    assert max(network.conversion.errors((9, 9, 1)).values()) < 1e-5
    message = r"channels of none of the 2 images.*Give one of \(9, 9, 1\) and \(9, 9, 3\)"
    with pytest.raises(ValueError, match=message):
        keras_gcnn.convert(plain, "p4", input_shape=(9, 9, 2))


def test_a_budget_excludes_keep():
    with pytest.raises(ValueError, match="keep='fields' and parameters=3000 exclude each other"):
        keras_gcnn.convert(stack(), "p4", keep="fields", parameters=3000)


def gated_by_a_vector():
    image, vector = keras.Input(SIZE, name="image"), keras.Input((4,), name="vector")
    gate = layers.Reshape((1, 1, 8))(layers.Dense(8)(vector))
    features = layers.GlobalAveragePooling2D()(conv()(image) * gate)
    return keras.Model({"image": image, "vector": vector}, layers.Dense(2)(features))


def shared_on_image_and_maps():
    image, shared = keras.Input((9, 9, 8)), conv()
    maps = shared(shared(shared(image)))
    return keras.Model(image, layers.Dense(2)(layers.GlobalAveragePooling2D()(maps)))


def of_integers():
    image = keras.Input(SIZE, dtype="uint8")
    return keras.Model(image, stack()(layers.Rescaling(1 / 255)(image)))


@pytest.mark.parametrize(
    "make",
    [
        gated_by_a_vector,
        shared_on_image_and_maps,
        of_integers,
        lambda: stack(conv(activation=lambda x: 2 * ops.tanh(x))),
        lambda: stack(layers.Lambda(lambda x: 2 * x, name="twice")),
        lambda: with_ops(lambda image: image - np.array([0.1, 0.2, 0.3], "float32"), False),
        lambda: with_ops(
            lambda maps: ops.where(maps > 0, maps**3, ops.reshape(maps, (-1, 9, 9, 8)))
        ),
        lambda: stack(layers.Softmax(axis=(1, 2)), conv(kernel_initializer=ones)),
        lambda: without_channels(lambda maps: ops.sigmoid(layers.Dropout(0.5)(maps)) * 2),
    ],
)
def test_odd_models_are_exact(make):
    network = randomized(keras_gcnn.convert(make(), "p4", on_unknown="keep"))
    assert not network.conversion.problems
    assert max(network.conversion.errors().values()) < 1e-5


def ones(shape, dtype):
    return ops.ones(shape, dtype)


@pytest.mark.parametrize(
    ("layer", "size", "exact"),
    [
        (layers.CenterCrop(6, 6), 9, False),
        (layers.CenterCrop(7, 7), 9, True),
        (layers.Resizing(6, 6, interpolation="nearest"), 12, False),
        (layers.Resizing(6, 6), 12, True),
    ],
)
def test_what_is_uneven_in_front_is_reported(layer, size, exact):
    network = randomized(keras_gcnn.convert(in_front(layer, shape=(size, size, 3)), "p4"))
    assert [line.name for line in network.conversion.problems] == [layer.name] * (not exact)
    assert (max(network.conversion.errors().values()) < 1e-5) is exact


def test_orientations_behind_flatten_are_reported():
    plain = keras.Sequential([keras.Input(SIZE), conv(), layers.Flatten(), layers.Dense(8)])
    network = randomized(keras_gcnn.convert(plain, "p4", head="orientations"))
    assert [line.fix for line in network.conversion.problems] == ['use head="invariant"']
    assert max(network.conversion.errors().values()) > 1e-3


def test_what_was_frozen_is_trained_anew_and_reported():
    plain = stack(layers.BatchNormalization(name="frozen"), layers.PReLU(shared_axes=[1, 2]))
    plain.get_layer("frozen").trainable = False
    network = keras_gcnn.convert(plain, "p4")
    assert all(layer.trainable for layer in network.layers)
    changes = {line.name: line.changes for line in network.conversion.lines if line.changes}
    assert changes.pop("frozen") == ("was frozen, and is trained anew",)
    assert list(changes.values()) == [("8 channels became 2 features without orientations",)]


def test_dropout_keeps_what_it_shares_and_when_it_drops():
    image = keras.Input(SIZE)
    maps = layers.Dropout(0.5, (None, 1, 1, 8), seed=3, name="spatial")(conv()(image))
    maps = layers.Dropout(0.5, (None, 9, 9, 1), name="shared")(maps)
    maps = layers.Dropout(0.5, name="always")(maps, training=True)
    network = keras_gcnn.convert(keras.Model(image, conv(2, 1)(maps)), "p4")
    assert network.get_layer("spatial").spatial
    assert network.get_layer("spatial").seed == 3
    assert network.get_layer("shared").noise_shape == (None, 9, 9, 1)
    x = np.ones((1, *SIZE), "float32")
    until = keras.Model(network.input, network.get_layer("always").output)
    first, second = (ops.convert_to_numpy(until(x)) for _ in range(2))
    assert (first != second).any()


def test_the_report_says_when_its_measurement_tells_little():
    def last_line(model, group="p4"):
        return str(keras_gcnn.convert(model, group).conversion).splitlines()[-1]

    zero = stack(conv(kernel_initializer="zeros"))
    assert "not measured: The output is zero everywhere" in last_line(zero)
    constant = stack(conv(kernel_initializer="zeros", bias_initializer="ones"))
    assert "two different images differ by 0.0e+00. The outputs hardly" in last_line(constant)
    assert "2 elements of p2" in last_line(stack(shape=(9, 11, 3)))
    assert "is open. Call errors(input_shape)" in last_line(stack(shape=(None, None, 3)))
