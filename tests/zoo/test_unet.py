"""U-Nets: the map of logits turns with the image, and what every network of the zoo does."""

import keras
import numpy as np
import pytest

from keras_gcnn import analysis, export, groups, layers, restrict, zoo
from keras_gcnn.analysis.precision import dtype_policy
from tests.helpers.compiling import without_optimizing
from tests.helpers.covering import parametrize_covering
from tests.zoo.networks import build, compiled, count, images, predict

SMALL = {
    "unet": {"group": "p4m", "widths": (2, 3, 4)},
    "so2unet": {"widths": (2, 2, 3), "kernel_size": 3, "samples": 8},
}
SHAPE = (16, 16, 2)
both = pytest.mark.parametrize("builder", SMALL)


def small(builder, **arguments):
    defaults = {"input_shape": SHAPE, "classes": 3, "depth": 2, **SMALL[builder]}
    arguments = {**defaults, **arguments}
    return build(builder, arguments.pop("group", None), **arguments)


def check(model, group, shape, tolerance, dtype):
    """The logits of the turned image are the turned logits, made by moving arrays."""
    group = groups.get(group)
    x = images(shape, n=16 // group.order).astype(dtype)
    turned = np.concatenate([group.act_on_plane(x, g, (1, 2)) for g in range(group.order)])
    logits = predict(model, turned)
    logits = logits.reshape(group.order, len(x), *logits.shape[1:])
    assert logits.shape[2:4] == shape[:2]
    assert logits.dtype == dtype
    for g in range(group.order):
        expected = group.act_on_plane(logits[0], g, (1, 2))
        assert np.abs(logits[g] - expected).max() <= tolerance * np.abs(expected).max()
        if g:  # a map that does not turn would be no mask
            assert np.abs(logits[g] - logits[0]).max() > 0.1 * np.abs(expected).max()


def test_every_segmenter_is_tested():
    assert set(zoo.SEGMENTERS) == set(SMALL)
    assert not set(zoo.SEGMENTERS) & {*zoo.BUILDERS, *zoo.AUTOENCODERS}


@parametrize_covering(
    group=["p4m", "p4", "pmm"],
    size=[16, 18],  # 18 is padded to 20 inside
    convolution=["full", "g", "gc"],
    precision=[("float64", 1e-10), ("float32", 1e-5)],
)
def test_the_mask_turns_with_the_image(group, size, convolution, precision):
    dtype, tolerance = precision
    shape = (size, size, 2)
    with dtype_policy(dtype):
        network = small("unet", group=group, input_shape=shape, convolution=convolution)
    check(network, group, shape, tolerance, dtype)


@pytest.mark.parametrize(
    ("size", "precision"),
    [(16, ("float64", 1e-10)), (18, ("float64", 1e-10)), (16, ("float32", 1e-5))],
)
def test_the_mask_of_the_steerable_network_turns_with_the_image(size, precision):
    dtype, tolerance = precision
    shape = (size, size, 2)
    with dtype_policy(dtype):
        network = small("so2unet", input_shape=shape)
    check(network, "p4", shape, tolerance, dtype)


@both
def test_training_mode_is_exact_for_images_turned_one_by_one(builder):
    with dtype_policy("float64"):
        network = small(builder)
    x = images(SHAPE, n=2).astype("float64")
    group = "p4m" if builder == "unet" else "p4"
    errors = analysis.equivariance_error(
        network, group, inputs=x, training=True, output_type="trivial"
    )
    assert max(errors.values()) < 1e-10
    assert "mixed" in errors


@pytest.mark.parametrize(("stage", "left"), [("1", "p4"), ("3", "pmm"), ("4", "z2"), ("5", "p4")])
def test_a_restricted_network_is_exact_under_what_is_left(stage, left):
    with dtype_policy("float64"):
        network = small("unet", restrict_after={stage: left})
    check(network, left, SHAPE, 1e-10, "float64")
    errors = analysis.equivariance_error(
        network, "p4m", inputs=images(SHAPE, n=2).astype("float64"), output_type="trivial"
    )
    assert max(errors.values()) > 1e-3


@pytest.mark.backend_free
def test_skip_connections_are_restricted_and_fields_grow():
    network = small("unet", widths=(4, 6, 8), restrict_after={"3": "pmm", "4": "z2"})
    found = {
        layer.name: (layer.group.name, layer.subgroup.name)
        for layer in network.layers
        if isinstance(layer, layers.Restriction)
    }
    assert found == {
        "restrict3": ("p4m", "pmm"),
        "stage4_restrict": ("p4m", "pmm"),
        "restrict4": ("pmm", "z2"),
        "stage5_restrict": ("p4m", "z2"),
    }
    filters = [network.get_layer(f"stage{stage}_conv2").filters for stage in range(1, 6)]
    assert filters == [4, 6, 8, round(6 * 2**0.5), round(4 * 8**0.5)]


@pytest.mark.thorough("jax")
@both
def test_audit_and_assertion_know_maps_of_logits(builder):
    # As many logits as orientations could be read as a map on the group.
    for classes in (1, 8):
        network = small(builder, classes=classes, depth=1, widths=(2, 3))
        group = "p4m" if builder == "unet" else "p4"
        analysis.assert_equivariant(network, group, output_type="trivial")
        assert not analysis.audit(network).problems


@both
def test_saved_and_loaded_it_predicts_the_same(builder, tmp_path):
    network, x = small(builder, depth=1, widths=(2, 3)), images(SHAPE)
    expected = predict(network, x)
    network.save(tmp_path / "network.keras")
    network.save_weights(tmp_path / "network.weights.h5")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    np.testing.assert_allclose(predict(loaded, x), expected, rtol=1e-5, atol=1e-6)
    for file in ("network.keras", "network.weights.h5"):
        # For images of another size, too; `build` would replace the weights that were loaded.
        arguments = {**SMALL[builder], "widths": (2, 3), "depth": 1, "classes": 3}
        again = getattr(zoo, builder)(input_shape=(22, 12, 2), weights=tmp_path / file, **arguments)
        for found, stored in zip(again.get_weights(), network.get_weights(), strict=True):
            np.testing.assert_array_equal(found, stored)
    with pytest.raises(ValueError, match="cannot be loaded into"):
        small(builder, weights=tmp_path / "network.keras", classes=4, depth=1, widths=(2, 3))


@both
@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX has TensorFlow write the file")
def test_plain_networks_and_onnx_files(builder, tmp_path):
    network = small(builder, input_shape=(18, 14, 2))
    plain, x = export.to_plain(network), images((18, 14, 2))
    expected = predict(network, x)
    assert np.abs(predict(plain, x) - expected).max() <= 1e-4 * np.abs(expected).max()
    assert all(type(layer).__module__.startswith("keras.") for layer in plain.layers)
    # `save` compares ONNX Runtime's outputs with the network's.
    export.save(network, tmp_path / "network.onnx")


def test_a_trained_network_is_restricted_with_equal_outputs():
    network, x = small("unet"), images(SHAPE)
    expected = predict(network, x)
    found = predict(restrict(network, "p4"), x)
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


@both
def test_channels_first_computes_the_same(builder):
    last = small(builder, input_shape=(18, 14, 2))
    first = small(builder, input_shape=(2, 18, 14), data_format="channels_first")
    first.set_weights(last.get_weights())
    x = images((18, 14, 2))
    found, expected = predict(first, x.transpose(0, 3, 1, 2)), predict(last, x)
    assert np.abs(found.transpose(0, 2, 3, 1) - expected).max() <= 1e-5 * np.abs(expected).max()


@both
def test_mixed_precision_returns_full_precision_logits(builder):
    with dtype_policy("mixed_float16"):
        network = small(builder, depth=1, widths=(2, 3))
    x = images(SHAPE)
    logits = compiled(network)(x)
    assert keras.backend.standardize_dtype(logits.dtype) == "float32"
    full = small(builder, depth=1, widths=(2, 3))
    full.set_weights(network.get_weights())
    expected = predict(full, x)
    assert np.abs(keras.ops.convert_to_numpy(logits) - expected).max() < 0.05 * np.ptp(expected)


@both
def test_a_few_steps_lower_the_loss_of_a_binary_mask(builder):
    network = small(builder, classes=1, depth=1, widths=(2, 3))
    assert network.output_shape == (None, 16, 16, 1)
    x = images(SHAPE, n=8)
    masks = (x.mean(-1, keepdims=True) > 0.5).astype("float32")
    network.compile(keras.optimizers.Adam(1e-2), keras.losses.BinaryCrossentropy(from_logits=True))
    with without_optimizing():
        history = network.fit(x, masks, batch_size=8, epochs=8, verbose=0).history["loss"]
    assert history[-1] < history[0]


def test_outputs():
    assert small("unet", include_top=False, input_shape=(18, 14, 2)).output_shape[1:] == (
        18,
        14,
        16,
    )
    fields = small("so2unet", include_top=False, max_frequency=3)
    assert fields.output_shape == (None, *SHAPE[:2], 2 * 7)
    for builder in SMALL:
        network = small(builder, depth=1, widths=(2, 3), classifier_activation="softmax")
        np.testing.assert_allclose(predict(network, images(SHAPE)).sum(-1), 1, atol=1e-5)


def rotated(image_or_map, angle):
    """Values at the places from where a rotation brings them, by cubic interpolation."""
    ndimage = pytest.importorskip("scipy.ndimage")
    half = (image_or_map.shape[0] - 1) / 2
    y, x = np.mgrid[: image_or_map.shape[0], : image_or_map.shape[1]] - half
    places = [
        half - np.sin(angle) * x + np.cos(angle) * y,
        half + np.cos(angle) * x + np.sin(angle) * y,
    ]
    channels = [
        ndimage.map_coordinates(image_or_map[..., channel], places, order=3, mode="nearest")
        for channel in range(image_or_map.shape[-1])
    ]
    return np.stack(channels, -1).astype(image_or_map.dtype)


@pytest.mark.thorough("jax")
def test_the_steerable_network_follows_any_angle():
    """At 45 degrees its error is a fraction of that of quarter turns alone."""
    size, angle = 48, np.pi / 4
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    rng = np.random.default_rng(0)
    waves = zip(rng.uniform(0.15, 0.8, 30), *rng.uniform(0, 2 * np.pi, (2, 30)), strict=True)
    sines = [np.sin(f * (np.cos(t) * x + np.sin(t) * y) + p) for f, t, p in waves]
    image = (0.5 + 0.05 * sum(sines))[..., None].astype("float32")
    inside = np.hypot(x, y) < 0.35 * size
    errors = {}
    for builder, arguments in (("unet", {"group": "p4"}), ("so2unet", {"kernel_size": 5})):
        arguments = {**SMALL[builder], **arguments, "widths": (3, 4, 5)}
        keras.utils.set_random_seed(0)
        network = getattr(zoo, builder)(input_shape=image.shape, classes=4, depth=2, **arguments)
        upright, found = predict(network, np.stack([image, rotated(image, angle)]))
        difference = (found - rotated(upright, angle))[inside]
        errors[builder] = np.sqrt(np.mean(difference**2)) / found[inside].std()
    assert errors["so2unet"] < 0.15
    assert errors["unet"] > 2 * errors["so2unet"]


@both
@pytest.mark.backend_free
@pytest.mark.parametrize(
    "arguments",
    [
        {"input_shape": (18, 14, 2)},
        {"include_top": False, "depth": 1, "widths": (2, 3)},
        {"parameters": 20_000},
        {"multiply_adds": 5_000_000},
    ],
)
def test_counts_and_budgets(builder, arguments):
    if builder == "unet" and "input_shape" in arguments:
        arguments = {**arguments, "restrict_after": {"2": "p4", "4": "z2"}, "convolution": "gc"}
    network = small(builder, **arguments)
    found = analysis.cost(network)
    assert found.multiply_adds == network.multiply_adds > 0
    assert found.parameters == count(network)
    assert not found.unknown
    for budget in ("parameters", "multiply_adds"):
        if budget in arguments:
            most = arguments[budget]
            assert 0.98 * most <= getattr(found, budget) <= most


@pytest.mark.backend_free
def test_defaults_work():
    network = zoo.unet()
    assert network.output_shape == (None, 96, 96, 1)
    assert network.stages == ("1", "2", "3", "4", "5", "6", "7")
    assert network.name == "unet_p4m"
    assert zoo.so2unet().output_shape == (None, 96, 96, 1)
    # About equal numbers of weights on every group.
    plain = count(zoo.unet("z2"))
    assert abs(count(network) - plain) < 0.1 * plain
