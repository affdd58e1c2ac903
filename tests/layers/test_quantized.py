"""Layers of dense layers after Keras's `quantize` and `enable_lora`: saved, loaded, cloned."""

import keras
import numpy as np
import pytest

from keras_gcnn import export, layers, zoo
from tests.helpers.layers import randomize
from tests.helpers.levels import COMPILING, thoroughly

MODES = ["int8", "lora", *thoroughly("int4", "float8", on=COMPILING)]


def changed(model, mode, rng):
    """Returns the model with every dense layer quantized, or with LoRA of another alpha."""
    if mode != "lora":
        model.quantize(mode)
        return model
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.Dense):
            layer.enable_lora(2, lora_alpha=6)
            layer.lora_kernel_b.assign(rng.normal(size=layer.lora_kernel_b.shape))
    return model


def head(rng):
    features = keras.Input((8,))
    outputs = layers.VonMisesFisherHead(3, kernel_regularizer="l2", name="head")(features)
    return randomize(keras.Model(features, outputs), rng), rng.normal(size=(4, 8))


def assert_same(found, model, x):
    outputs = zip(keras.tree.flatten(found(x)), keras.tree.flatten(model(x)), strict=True)
    for one, other in outputs:
        one, other = map(keras.ops.convert_to_numpy, (one, other))
        assert np.abs(one - other).max() <= 1e-6 * np.abs(other).max()


@pytest.mark.filterwarnings("ignore:.*does not have a `quantize` method")
@pytest.mark.parametrize("mode", MODES)
def test_a_changed_head_is_saved_loaded_cloned_and_written_plainly(mode, rng, tmp_path):
    model, x = head(rng)
    before = model(x)[1]
    changed(model, mode, rng)
    difference = np.abs(keras.ops.convert_to_numpy(before - model(x)[1])).max()
    assert difference > 1e-4  # it is quantized indeed
    model.save(tmp_path / "model.keras")
    assert_same(keras.saving.load_model(tmp_path / "model.keras"), model, x)
    clone = keras.models.clone_model(model)
    if mode != "float8":  # whose clones list their weights in another order, as those of Dense do
        clone.set_weights(model.get_weights())
        assert_same(clone, model, x)
    model.save_weights(tmp_path / "model.weights.h5")
    clone.load_weights(tmp_path / "model.weights.h5")
    assert_same(clone, model, x)
    plain = export.to_plain(model)
    assert "keras_gcnn" not in plain.to_json()
    assert_same(plain, model, x)


@pytest.mark.filterwarnings("ignore:.*does not have a `quantize` method")
@pytest.mark.thorough("jax", "tensorflow")
def test_a_quantized_autoencoder_is_saved_and_loaded(rng, tmp_path):
    model = zoo.vae(
        "z2",
        latent_dim=3,
        variant="mlp",
        input_shape=(6, 6, 1),
        widths=(8, 4),
        decoder_widths=(4, 8),
    )
    changed(model, "int8", rng).save(tmp_path / "vae.keras")
    x = rng.uniform(size=(2, 6, 6, 1)).astype("float32")
    assert_same(keras.saving.load_model(tmp_path / "vae.keras"), model, x)


def test_an_unchanged_head_is_written_as_by_the_versions_before(tmp_path, rng):
    import h5py

    model, _ = head(rng)
    assert "dense_layers" not in model.get_layer("head").get_config()
    model.save_weights(tmp_path / "model.weights.h5")
    with h5py.File(tmp_path / "model.weights.h5") as file:
        parts = file["layers/von_mises_fisher_head/dense_layers"]
        shapes = [parts[f"{name}/vars/0"].shape for name in ("dense", "dense_1")]
    assert shapes == [(8, 3), (8, 1)]


@pytest.mark.parametrize("mode", ["float8", "lora"])
def test_stock_layers_are_written_plainly_too(mode, rng):
    features = keras.Input((8,))
    model = randomize(keras.Model(features, keras.layers.Dense(3)(features)), rng)
    changed(model, mode, rng)
    assert_same(export.to_plain(model), model, rng.normal(size=(4, 8)))


@pytest.mark.filterwarnings("ignore:.*does not have a `quantize` method")
def test_layers_on_a_group_stay_as_they_are(rng):
    """Keras skips what cannot be quantized, whether it is ours or its own."""
    image = keras.Input((5, 5, 1))
    outputs = layers.GConv2D(2, 3, "p4")(layers.LiftingConv2D(2, 3, "p4")(image))
    model = randomize(keras.Model(image, outputs), rng)
    x = rng.normal(size=(2, 5, 5, 1))
    before = keras.ops.convert_to_numpy(model(x))
    model.quantize("int8")
    assert np.array_equal(keras.ops.convert_to_numpy(model(x)), before)
    assert not any(hasattr(layer, "enable_lora") for layer in model.layers)


@pytest.mark.thorough("jax", "tensorflow")
@pytest.mark.parametrize("frozen", [(True, True), (False, True)])
def test_frozen_parts_stay_frozen(frozen, rng, tmp_path):
    model, _ = head(rng)
    layer = model.get_layer("head")
    if all(frozen):
        layer.trainable = False
    for part, is_frozen in zip(layer.dense_layers, frozen, strict=True):
        part.trainable = not is_frozen
    model.save(tmp_path / "model.keras")
    for found in (
        keras.saving.load_model(tmp_path / "model.keras"),
        keras.models.clone_model(model),
    ):
        parts = found.get_layer("head").dense_layers
        assert tuple(not part.trainable for part in parts) == frozen
        assert len(found.trainable_variables) == 2 * frozen.count(False)
    assert not layers.VonMisesFisherHead(3, trainable=False).dense_layers[0].trainable
