"""Every layer does what Keras expects of a layer."""

import json

import keras
import numpy as np
import pytest

from keras_gcnn import layers
from keras_gcnn.backend.stateless import without_trace
from keras_gcnn.layers import Fields
from keras_gcnn.layers.common.window import WindowConvolution
from tests.helpers import point_groups as formula
from tests.helpers.compiling import without_optimizing
from tests.helpers.contract import (
    CASES,
    CHANNELS,
    MIRRORED,
    REGULAR,
    SIZE,
    constructor_arguments,
    predict,
    randomized,
    side_by_side,
    trainable_model,
)
from tests.helpers.layers import DATA_FORMATS, randomize, relative_error, run_together
from tests.helpers.levels import COMPILING, thoroughly
from tests.helpers.reference import ELEMENTS, move, move_fibres

EVERY_LAYER = pytest.mark.parametrize("case", CASES, ids=lambda case: case.layer_class.__name__)


def test_no_layer_is_left_out():
    exported = {getattr(layers, name) for name in layers.__all__}
    # Those that take no maps, not only maps, or a model have their duties in tests of their own.
    others = {
        layers.GaussianSampling,
        layers.KLToUniform,
        layers.Symmetrized,
        layers.TurnByVector,
        layers.UnitDirection,
        layers.VonMisesFisherHead,
        layers.VonMisesFisherSampling,
    }
    expected = {one for one in exported if isinstance(one, type) and issubclass(one, keras.Layer)}
    assert {case.layer_class for case in CASES} == expected - others


@EVERY_LAYER
def test_every_argument_is_in_the_configuration(case):
    names = constructor_arguments(case.layer_class)
    # Batch renormalisation is refused, so its arguments are not kept.
    names -= {"renorm", "renorm_clipping", "renorm_momentum"}
    assert names <= set(case.make().get_config())
    tried = set(case.arguments).union(*case.variants)
    # `make` gives the place of the channels; only TensorFlow accepts `synchronized`.
    assert tried == names - {"data_format", "axis", "synchronized"}


@EVERY_LAYER
def test_the_configuration_survives_a_round_trip(case):
    default = case.make().get_config()
    for variant in case.variants:
        layer = case.make("channels_first", name="mine", trainable=False, **variant)
        config = layer.get_config()
        for name in variant:
            assert config[name] != default[name]  # else the round trip would show nothing
        again = case.layer_class.from_config(json.loads(json.dumps(config)))
        assert again.get_config() == config


@EVERY_LAYER
def test_the_registered_name(case):
    serialized = keras.saving.serialize_keras_object(case.make())
    name = f"keras_gcnn>{case.layer_class.__name__}"
    assert serialized["registered_name"] == name
    assert keras.saving.get_registered_object(name) is case.layer_class


@pytest.fixture(scope="module", params=DATA_FORMATS)
def network(request):
    """All layers side by side in one model with random weights, its inputs and their format."""
    made = [case.make(request.param) for case in CASES]
    inputs = CASES[0].inputs(request.param)
    return made, randomized(side_by_side(made, inputs)), inputs, request.param


# What layers return that is not of the same type as what they take: ordinary channels by None.
OUTPUTS = {
    **dict.fromkeys((layers.GPooling, layers.GGlobalPooling, layers.InvariantMap)),
    **dict.fromkeys((layers.NormPooling, layers.SteerablePooling)),
    layers.LiftingConv2D: "p4m",
    layers.GOrientation: Fields({1: 1}, "o2"),
    layers.Restriction: "p4",
    layers.SteerableRestriction: MIRRORED.restrict("c4"),
    layers.ToFields: REGULAR,
    layers.ToGroupMaps: "p4",
}
POINT_GROUPS = {formula.name_of(group): group for group in formula.GROUPS}


def types_of(case):
    """What a layer takes and returns: the name of a group, fields, or None."""
    given = case.arguments
    taken = given.get("group", given.get("fields", given.get("fields_in")))
    taken = Fields(taken) if isinstance(taken, dict) else taken
    returned = given.get("fields_out", taken)
    returned = Fields(returned) if isinstance(returned, dict) else returned
    lifting = case.layer_class is layers.LiftingConv2D
    return None if lifting else taken, OUTPUTS.get(case.layer_class, returned)


def elements_of(kind):
    """The elements of P4M in the group of a type."""
    if not isinstance(kind, Fields):
        return ELEMENTS[kind or "p4m"]
    pairs = formula.on_pixels(POINT_GROUPS[kind.group.name])
    return [4 * mirrored + round(angle * 2 / np.pi) for mirrored, angle in pairs]


def moved(array, kind, element):
    """Moves positions, where there are some, and mixes the channels of maps and fields."""
    array = move(array, element, (1, 2)) if array.ndim == 4 else array
    if isinstance(kind, str):
        return move_fibres(array, kind, ELEMENTS[kind].index(element))
    if kind is None:
        return array
    irreps = [one for block in kind.blocks for one in block.irreps * block.field_count]
    pair = bool(element // 4), element % 4 * np.pi / 2
    return array @ formula.matrix(POINT_GROUPS[kind.group.name], irreps, pair).T


def test_each_element_of_the_group_moves_what_a_layer_returns(rng):
    """Those that take pixels to pixels."""
    types = [types_of(case) for case in CASES]
    elements = [
        [g for g in elements_of(taken) if g in elements_of(returned)] for taken, returned in types
    ]
    image = rng.normal(size=(1, SIZE, SIZE, CHANNELS))
    inputs = [
        np.concatenate([moved(image, taken, g) for g in every])
        for every, (taken, _) in zip(elements, types, strict=True)
    ]
    made = [case.make(dtype="float64") for case in CASES]
    for layer, array in zip(made, inputs, strict=True):
        layer.build(array.shape)
        randomize(layer, rng)
    found = run_together(made, inputs)
    for case, (_, returned), every, outputs in zip(CASES, types, elements, found, strict=True):
        assert len(every) > 1, case
        for g, output in zip(every, outputs, strict=True):
            expected = moved(outputs[:1], returned, g)
            assert relative_error(output[None], expected) < 1e-10, (case, g)


def test_output_shape(network):
    made, model, inputs, _ = network
    for layer, tensor, outputs in zip(made, model.outputs, model(inputs), strict=True):
        real = tuple(outputs.shape)
        unknown_batch = (None, *real[1:])
        assert layer.compute_output_shape(inputs.shape) == real, layer
        assert layer.compute_output_shape((None, *inputs.shape[1:])) == unknown_batch, layer
        assert tensor.shape == unknown_batch, layer


@pytest.mark.thorough("jax")
def test_an_empty_batch(network):
    """It gives empty outputs, as when the last part of a stream has no images."""
    made, model, inputs, _ = network
    for layer, tensor in zip(made, model.outputs, strict=True):
        if keras.backend.backend() == "tensorflow" and isinstance(layer, WindowConvolution):
            continue  # TensorFlow's own convolution then returns its input
        assert tuple(layer(inputs[:0]).shape) == (0, *tensor.shape[1:]), layer


def test_a_functional_model_computes_what_the_layer_does(network):
    made, model, inputs, _ = network
    for layer, found in zip(made, predict(model, inputs), strict=True):
        alone = keras.ops.convert_to_numpy(layer(inputs))  # inference is the default
        np.testing.assert_array_equal(found, alone, err_msg=layer.name)


def test_a_saved_model_predicts_the_same(network, tmp_path):
    made, model, inputs, _ = network
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for layer in made:
        assert loaded.get_layer(layer.name).get_config() == layer.get_config()
    both = zip(made, predict(loaded, inputs), predict(model, inputs), strict=True)
    for layer, found, expected in both:
        np.testing.assert_allclose(found, expected, atol=1e-6, err_msg=layer.name)


def test_xla(network):
    """A compiled prediction; `fit` below compiles the training step."""
    made, model, inputs, data_format = network
    if keras.backend.backend() == "torch":
        pytest.skip("XLA compiles on TensorFlow and JAX; torch.compile takes minutes on a CPU")
    if data_format == "channels_first":
        pytest.skip("TensorFlow's XLA has no convolution for channels first on a CPU")
    expected = predict(model, inputs)
    model.compile(jit_compile=True)
    actual = model.predict(inputs, verbose=0)
    for layer, one, other in zip(made, actual, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5, err_msg=layer.name)


@pytest.mark.parametrize(
    "data_format", ["channels_last", *thoroughly("channels_first", on=COMPILING)]
)
def test_a_step_of_fit_moves_every_weight(data_format):
    """By the learning rate at most, as the first step of Adam does.

    The gradient of a look-up may be sparse on TensorFlow, with several slices for a weight; Adam
    would take each alone, and go too far. Compiled by XLA, unless TensorFlow has no convolution for
    channels first there.
    """
    backend = keras.backend.backend()
    eager = backend == "tensorflow" and data_format == "channels_first"
    model = trainable_model([case.make(data_format) for case in CASES], data_format)
    jit = backend != "torch" and not eager
    adam = keras.optimizers.Adam(0.1, epsilon=1e-12)
    model.compile(adam, "mse", jit_compile=jit, run_eagerly=eager)
    before = [keras.ops.convert_to_numpy(weight) for weight in model.trainable_weights]
    targets = np.arange(4.0)[:, None]
    with without_optimizing():
        history = model.fit(CASES[0].inputs(batch=4), targets, batch_size=4, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    for weight, old in zip(model.trainable_weights, before, strict=True):
        new = keras.ops.convert_to_numpy(weight)
        assert np.isfinite(new).all(), weight.path
        assert 0.099 < np.abs(new - old).max() < 0.1001, weight.path


@pytest.mark.parametrize("half", ["float16", "bfloat16"])
def test_mixed_precision(network, half):
    """Half precision out, float32 weights, and values within its rounding of float32's."""
    _, model, inputs, data_format = network
    policy = f"mixed_{half}"
    mixed = side_by_side([case.make(data_format, dtype=policy) for case in CASES], inputs)
    mixed.set_weights(model.get_weights())
    assert all(weight.dtype == "float32" for weight in mixed.weights)
    rounding = {"float16": 2**-11, "bfloat16": 2**-8}[half]
    with without_optimizing():
        actual = without_trace(mixed)(inputs)
    for case, one, expected in zip(CASES, actual, predict(model, inputs), strict=True):
        assert keras.backend.standardize_dtype(one.dtype) == half, case
        one = keras.ops.convert_to_numpy(keras.ops.cast(one, "float32"))
        assert relative_error(one, expected) < 4 * rounding, case


@pytest.mark.parametrize("layer_class", [layers.LiftingConv2D, layers.GConv2D])
def test_one_model_for_every_image_size(layer_class):
    """With stride 1 a convolution needs no known size."""
    tensor = keras.Input((None, None, 4))
    model = keras.Model(tensor, layer_class(2, 3, "p4", padding="same")(tensor))
    assert model.output.shape == (None, None, None, 8)
    for size in (5, 8):
        assert tuple(model(np.ones((1, size, size + 1, 4), "float32")).shape[1:3]) == (
            size,
            size + 1,
        )
