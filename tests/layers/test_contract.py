"""Every layer does what Keras expects of a layer."""

import json

import keras
import numpy as np
import pytest

from keras_gcnn import layers
from tests.helpers.contract import (
    CASES,
    constructor_arguments,
    functional,
    predict,
    randomized,
    trainable_model,
)
from tests.helpers.layers import DATA_FORMATS, relative_error

EVERY_LAYER = pytest.mark.parametrize("case", CASES, ids=lambda case: case.layer_class.__name__)
BOTH_FORMATS = pytest.mark.parametrize("data_format", DATA_FORMATS)


def test_no_layer_is_left_out():
    exported = {getattr(layers, name) for name in layers.__all__}
    # Those that take no maps, or not only maps, have their duties in tests of their own.
    others = {
        layers.GaussianSampling,
        layers.KLToUniform,
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


@EVERY_LAYER
@BOTH_FORMATS
def test_output_shape(case, data_format):
    layer, inputs = case.make(data_format), case.inputs(data_format)
    model = functional(layer, inputs)
    real = tuple(model(inputs).shape)
    assert layer.compute_output_shape(inputs.shape) == real
    unknown_batch = (None, *real[1:])
    assert layer.compute_output_shape((None, *inputs.shape[1:])) == unknown_batch
    assert model.output.shape == unknown_batch


@EVERY_LAYER
@BOTH_FORMATS
def test_a_functional_model_computes_what_the_layer_does(case, data_format):
    layer, inputs = case.make(data_format), case.inputs(data_format)
    model = randomized(functional(layer, inputs))
    alone = keras.ops.convert_to_numpy(layer(inputs))  # inference is the default
    np.testing.assert_array_equal(predict(model, inputs), alone)


@EVERY_LAYER
@BOTH_FORMATS
def test_a_step_of_fit_moves_every_weight(case, data_format):
    """Compiled by XLA for channels last, and not for channels first."""
    jit = data_format == "channels_last" and keras.backend.backend() != "torch"
    model = trainable_model(case.make(data_format), data_format)
    model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=jit)
    before = [keras.ops.convert_to_numpy(weight) for weight in model.trainable_weights]
    inputs = case.inputs(batch=4)
    history = model.fit(inputs, np.arange(4.0)[:, None], batch_size=4, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    for weight, old in zip(model.trainable_weights, before, strict=True):
        new = keras.ops.convert_to_numpy(weight)
        assert np.isfinite(new).all()
        assert np.abs(new - old).max() > 1e-6, weight.path


@EVERY_LAYER
@BOTH_FORMATS
@pytest.mark.parametrize("half", ["float16", "bfloat16"])
def test_mixed_precision(case, half, data_format):
    """Half precision out, float32 weights, and values within its rounding of float32's."""
    inputs = case.inputs(data_format)
    full, mixed = (case.make(data_format, dtype=policy) for policy in ("float32", f"mixed_{half}"))
    full_model, mixed_model = randomized(functional(full, inputs)), functional(mixed, inputs)
    mixed_model.set_weights(full_model.get_weights())
    assert keras.backend.standardize_dtype(mixed(inputs).dtype) == half
    assert all(weight.dtype == "float32" for weight in mixed.weights)
    rounding = {"float16": 2**-11, "bfloat16": 2**-8}[half]
    error = relative_error(predict(mixed_model, inputs), predict(full_model, inputs))
    assert error < 4 * rounding


@EVERY_LAYER
@BOTH_FORMATS
def test_a_saved_model_predicts_the_same(case, data_format, tmp_path):
    inputs = case.inputs(data_format)
    model = randomized(functional(case.make(data_format), inputs))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.layers[-1].get_config() == model.layers[-1].get_config()
    np.testing.assert_allclose(predict(loaded, inputs), predict(model, inputs), atol=1e-6)


@EVERY_LAYER
def test_xla(case):
    """A compiled prediction; `fit` above compiles the training step."""
    if keras.backend.backend() == "torch":
        pytest.skip("XLA compiles on TensorFlow and JAX; torch.compile takes minutes on a CPU")
    inputs = case.inputs()
    model = randomized(functional(case.make(), inputs))
    model.compile(jit_compile=True)
    actual = model.predict(inputs, verbose=0)
    np.testing.assert_allclose(actual, predict(model, inputs), atol=1e-5)


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
