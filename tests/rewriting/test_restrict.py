"""Networks on a group become networks on a subgroup that compute the same."""

import keras
import numpy as np
import pytest

from keras_gcnn import groups, layers, restrict, zoo
from keras_gcnn.analysis import assert_equivariant, cost
from keras_gcnn.analysis.precision import dtype_policy
from tests.helpers.layers import randomize, relative_error
from tests.zoo.networks import build, compiled, images, predict

# Keras's Dense computes float64 in float32 on PyTorch, and these heads add in another order.
ORDERED = ("flatten", "orientations")
# Every builder, type of convolution, head, data format, and restrictions before and after the
# group of the result; builder, group, subgroup, stage, arguments.
NETWORK = ("lenet", "p4m", "pmm", "2", {"convolution": "gc", "head": "orientations"})
# The rules compute with NumPy, so one backend is enough for the other combinations.
ON_ONE_BACKEND = [
    ("lenet", "p4m", "z2", None, {}),
    ("lenet", "p4m", "p4", "2", {"head": "flatten"}),
    ("cohen_cnn", "p4", "p2", "4", {}),
    ("cohen_cnn", "p4m", "pm", None, {"convolution": "g", "restrict_after": {"2": "p4"}}),
    ("cohen_cnn", "p4m", "p4", None, {"restrict_after": {"4": "p4", "5": "z2"}}),
    ("allcnn", "p4m", "p4", "2", {"data_format": "channels_first", "input_shape": (1, 28, 28)}),
    ("resnet", "p4m", "p4", "stage2_block1_conv1", {}),
    ("resnet", "p4m", "p4", None, {"variant": "cohen"}),
    ("resnet", "p4m", "p2", None, {"restrict_after": {"1": "p4"}}),
]
CASES = [NETWORK, *(pytest.param(*one, marks=pytest.mark.backend_free) for one in ON_ONE_BACKEND)]


@pytest.mark.parametrize(("builder", "group", "subgroup", "stage", "arguments"), CASES)
@pytest.mark.filterwarnings("ignore::keras_gcnn.layers.EquivarianceWarning")
def test_a_network_of_the_zoo_computes_the_same(builder, group, subgroup, stage, arguments):
    ordered = arguments.get("head") in ORDERED or arguments.get("variant")
    exact = not (ordered and keras.backend.backend() == "torch")
    with dtype_policy("float64"):
        network = build(builder, group, **arguments)
        found = restrict(network, subgroup, from_stage=stage)
    x = images(network.input_shape[1:], n=2).astype("float64")
    assert relative_error(predict(found, x), predict(network, x)) < (1e-10 if exact else 1e-5)
    assert found.name == network.name
    assert found.count_params() > network.count_params()
    used = {layer.group.name for layer in found.layers if hasattr(layer, "group")}
    smaller = {one.name for one in groups.subgroups(subgroup)}
    assert used <= smaller | ({group} if stage else set())
    assert (group in used) == bool(stage)
    assert cost(found).multiply_adds == cost(network).multiply_adds


def network_of_ones_own(first):
    """The other layers: transposed, depthwise, normalisations, a model, several outputs."""
    form = {"data_format": "channels_first" if first else "channels_last"}
    axis = 1 if first else -1
    inner = keras.Sequential(
        [
            keras.Input((24, 5, 5) if first else (5, 5, 24)),
            layers.GDepthwiseConv2D(3, "p4m", depth_multiplier=2, padding="same", **form),
            layers.GConv2D(1, 1, "p4m", activation="relu", name="inside", **form),
            layers.GDropout(0.3, "p4m", **form),
            layers.GPReLU("p4m", **form),
            layers.GLayerScale(0.5, "p4m", **form),
        ],
        name="inner",
    )
    image = keras.Input((2, 5, 5) if first else (5, 5, 2), name="image")
    x = layers.LiftingConv2D(3, 3, "p4m", padding="same", **form)(image)
    x = layers.GGroupNormalization(-1, "p4m", axis, scale=False)(x)
    y = layers.GLayerNormalization("p4m", axis)(inner(layers.GRMSNormalization("p4m", axis)(x)))
    both = keras.layers.Concatenate(axis)([x, y])
    mask = layers.GGlobalPooling("mean", "p4m", keepdims=True, **form)(y)
    x = keras.layers.Multiply()([layers.GAveragePooling2D(1, **form)(both), mask])
    x = layers.GConv2D(4, 3, "p4m", groups=2, padding="same", **form)(x)
    x = layers.GConv2DTranspose(2, 4, "p4m", strides=2, padding="same", **form)(x)
    x = layers.GBatchNormalization("p4m", axis)(keras.ops.relu(x))
    outputs = [layers.GPooling(mode, "p4m", **form)(x) for mode in ("max", "mean")]
    model = keras.Model(image, [x, *outputs])
    for layer in model.layers:
        randomize(layer, np.random.default_rng(3))
    return model


@pytest.mark.parametrize(
    ("subgroup", "first"),
    [("p4", False), pytest.param("pmm", True, marks=pytest.mark.backend_free)],
)
def test_layers_and_outputs(subgroup, first):
    with dtype_policy("float64"):
        network = network_of_ones_own(first)
        found = restrict(network, subgroup)
    x = np.random.default_rng(0).normal(size=(2, *network.input_shape[1:]))
    maps, *pooled = [np.array(one) for one in call(network, x)]
    new_maps, *new_pooled = [np.array(one) for one in call(found, x)]
    order = groups.get("p4m").restriction(groups.get(subgroup))
    axis = 1 if first else 3
    fibres = np.moveaxis(maps, axis, -1)
    read = np.moveaxis(
        fibres.reshape(*fibres.shape[:-1], -1, 8)[..., order].reshape(fibres.shape), -1, axis
    )
    for new, old in zip([new_maps, *new_pooled], [read, *pooled], strict=True):
        assert relative_error(new, old) < 1e-10


def call(model, x):
    return [keras.ops.convert_to_numpy(one) for one in compiled(model)(x)]


def test_the_result_is_equivariant_saved_and_trained_on(tmp_path):
    network = on_map(layers.GBatchNormalization("p4m"), layers.GGlobalPooling("mean", "p4m"))
    found = restrict(network, "p4")
    assert_equivariant(found, "p4")
    found.save(tmp_path / "found.keras")
    loaded = keras.saving.load_model(tmp_path / "found.keras")
    x = images((6, 6, 1))
    before = predict(network, x)
    assert relative_error(predict(loaded, x), before) < 1e-5
    found.compile("sgd", "mse")
    found.fit(x, np.ones((4, 2)), verbose=0)
    np.testing.assert_array_equal(predict(network, x), before)  # it is the user's
    assert relative_error(predict(found, x), before) > 1e-5


def test_open_sizes_and_functions():
    image = keras.Input((None, None, 1))
    leaky = {"activation": lambda x: keras.ops.maximum(x, 0.1 * x)}  # a function of the user's own
    x = layers.LiftingConv2D(2, 3, "p4", padding="same", **leaky)(image)
    x = layers.GPooling("max", "p4")(layers.GMaxPooling2D()(x))
    x = keras.layers.Conv2D(2, 1, **leaky)(x)
    network = keras.Model(image, keras.layers.GlobalAveragePooling2D()(x))
    found = restrict(network, "p2")
    x = images((9, 8, 1))
    assert relative_error(predict(found, x), predict(network, x)) < 1e-5


def on_map(*more, merge=None):
    image = keras.Input((6, 6, 1))
    x = layers.LiftingConv2D(2, 3, "p4m", name="lift")(image)
    y = x
    for layer in more:
        y = layer(y)
    return keras.Model(image, y if merge is None else merge([x, y]))


@pytest.mark.backend_free
def test_what_cannot_be_restricted_is_named():
    def refused(message, model, subgroup="p4", **arguments):
        with pytest.raises(ValueError, match=message):
            restrict(model, subgroup, **arguments)

    slope = keras.layers.PReLU(shared_axes=[1, 2], name="slope")
    refused("PReLU 'slope' reads a map whose group becomes smaller", on_map(slope))
    direction = layers.GOrientation("p4", name="direction")
    image = keras.Input((6, 6, 1))
    turning = keras.Model(image, direction(layers.LiftingConv2D(2, 3, "p4")(image)))
    refused("GOrientation 'direction'", turning, "p2")
    wrapped = keras.layers.SpectralNormalization(layers.GConv2D(2, 1, "p4m"), name="wrapped")
    refused("SpectralNormalization 'wrapped'", on_map(wrapped))
    refused("Average 'average.*no rule for it", on_map(lambda x: keras.ops.average(x, axis=1)))
    fields = layers.ToFields("p4m", name="fields")
    refused("ToFields 'fields' is a steerable layer.*SteerableRestriction", on_map(fields))
    merged = on_map(
        layers.Restriction("p4m", "p4"),
        layers.GConv2D(4, 1, "p4"),
        merge=keras.layers.Add(name="sum"),
    )
    refused("Add 'sum' merges maps", merged)
    refused("p4m is no subgroup of p4", zoo.lenet("p4", widths=(1, 1)), "p4m")
    refused("no layer on a group larger", zoo.lenet("z2", widths=(1, 1)), "z2")
    refused(
        "from_stage='7' is the name of no layer", zoo.lenet("p4", widths=(1, 1)), "z2", from_stage=7
    )
    refused(
        "'logits' does not read a map", zoo.lenet("p4", widths=(1, 1)), "z2", from_stage="logits"
    )
    residual = build("resnet", "p4")
    refused("also reads other maps", residual, "z2", from_stage="stage1_block1_conv2")
    with pytest.raises(TypeError):
        restrict("lenet", "z2")


def test_a_shared_layer_stays_shared():
    shared = layers.GConv2D(2, 3, "p4m", padding="same", name="shared")
    network = on_map(shared, shared)
    found = restrict(network, "z2")
    assert found.count_params() == 9 * 16 + 16 + 9 * 16 * 16 + 16
    x = images((6, 6, 1))
    assert relative_error(predict(found, x), predict(network, x)) < 1e-5
