"""Parameters, multiply-adds and bytes, layer by layer."""

import keras
import numpy as np
import pytest

from keras_gcnn import export, layers, zoo
from keras_gcnn.analysis import cost
from keras_gcnn.layers.common.cost import multiply_adds_of
from tests.helpers.contract import CASES

pytestmark = pytest.mark.backend_free
FIELDS = {0: 2, 1: 2, 2: 1}
# A function on both sheets, and one on the angles alone.
MIRRORED = layers.Fields.regular(1, group="d6") + layers.Fields({0: 1, 1: 1, "3-": 1}, "d6")


def model_of(layer, *shapes):
    inputs = [keras.Input(shape) for shape in shapes]
    return keras.Model(inputs, layer(*inputs))


# Every formula, in cases where each of its factors matters.
LAYERS = [
    (keras.layers.Conv1D(6, 3, padding="causal", dilation_rate=2), (9, 4)),
    (keras.layers.Conv2D(6, (3, 2), strides=(2, 1), groups=2), (9, 8, 4)),
    (keras.layers.Conv2DTranspose(3, 4, strides=2, padding="same"), (5, 4, 2)),
    (
        keras.layers.DepthwiseConv2D((3, 2), strides=2, depth_multiplier=3, padding="same"),
        (7, 5, 2),
    ),
    (keras.layers.SeparableConv2D(5, 3, strides=2, depth_multiplier=2), (9, 7, 3)),
    (keras.layers.Dense(5), (3, 2, 4)),
    (keras.layers.EinsumDense("abc,cde->abde", (None, 3, 5)), (7, 4)),
    (keras.layers.EinsumDense("...x,xy->...y", 5), (7, 2, 4)),
    (keras.layers.MultiHeadAttention(2, 3, value_dim=5, flash_attention=False), (7, 4), (6, 8)),
    (keras.layers.TimeDistributed(keras.layers.Conv2D(2, 3)), (3, 6, 5, 2)),
    (keras.layers.SpectralNormalization(keras.layers.Conv2D(2, 3)), (6, 5, 2)),
    (layers.LiftingConv2D(3, 3, "p4m", padding="same"), (6, 5, 2)),
    (layers.GConv2D(3, 3, "p4", strides=2), (7, 7, 8)),
    (layers.GConv2DTranspose(3, 4, "p4", strides=2, padding="same"), (4, 5, 8)),
    (layers.GDepthwiseConv2D(3, "p4", depth_multiplier=3), (7, 6, 8)),
    (layers.GSeparableConv2D(3, 3, "p4", strides=2), (7, 7, 8)),
    (layers.GSeparableConv2D(3, 3, "p4", variant="g"), (7, 6, 8)),
    (layers.SteerableConv2D(FIELDS, {0: 2, 1: 1}, 3), (7, 6, 8)),
    (layers.SteerableConv2DTranspose(FIELDS, {0: 2, 1: 1}, 4, strides=2), (4, 3, 8)),
    (layers.InvariantMap(FIELDS, 3), (5, 4, 8)),
    (layers.FourierActivation(FIELDS, samples=8), (5, 4, 8)),
    (layers.FourierActivation(MIRRORED), (5, 4, 16)),
    (layers.SteerablePooling(MIRRORED), (5, 4, 16)),
    (layers.SteerableRestriction(MIRRORED, "c3"), (5, 4, 16)),
    (layers.ToFields("p4m"), (5, 4, 16)),
    (layers.ToGroupMaps(layers.Fields.regular(2, group="d4")), (5, 4, 16)),
    (layers.SteerableAveragePooling2D(strides=3), (9, 7, 4)),
    (layers.VonMisesFisherHead(3), (7,)),
]


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="PyTorch counts what it does")
@pytest.mark.parametrize(
    ("layer", "shape", "more"), [(one, two, rest) for one, two, *rest in LAYERS]
)
def test_the_formulas_are_what_is_computed(layer, shape, more):
    from torch.utils.flop_counter import FlopCounterMode

    shapes = (shape, *more)
    model = model_of(layer, *shapes)

    def counted(batch):
        with FlopCounterMode(display=False) as counter:
            model([np.ones((batch, *one), "float32") for one in shapes], training=False)
        return counter.get_total_flops()

    # The difference leaves out what is done once per batch, such as the expansion of a kernel.
    flops = counted(3) - counted(2)
    assert cost(model).multiply_adds == flops / 2 > 0


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.layer_class.__name__)
def test_every_layer_of_the_library_is_known(case):
    layer = case.make()
    shape = case.inputs().shape
    layer.build(shape)
    output = layer.compute_output_shape(shape)
    assert multiply_adds_of(layer, shape, output) is not None


@pytest.mark.parametrize("data_format", ["channels_first", "channels_last"])
def test_the_plain_network_costs_the_same(data_format):
    shape = (1, 28, 28) if data_format == "channels_first" else (28, 28, 1)
    network = zoo.lenet("p4", shape, convolution="gc", data_format=data_format)
    before, after = cost(network), cost(export.to_plain(network, fold=False))
    assert before.multiply_adds == after.multiply_adds == network.multiply_adds
    assert before.parameters < after.parameters


def test_shared_layers_and_models_inside_models():
    image = keras.Input((8, 8, 3))
    shared = keras.layers.Conv2D(3, 3, padding="same", name="shared")
    inner = keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.Dense(5, name="dense")], name="inner"
    )
    maps = inner(shared(shared(image)))
    model = keras.Model(image, keras.layers.Concatenate(name="concatenate")([maps, inner(image)]))
    calls = len(shared._inbound_nodes)
    found = cost(model)
    one, dense = 64 * 9 * 3 * 3, 64 * 3 * 5
    rows = [(row.layer, row.parameters, row.multiply_adds, row.bytes) for row in found.rows]
    assert sorted(rows) == [
        ("concatenate", 0, 0, 64 * 10 * 4),
        ("inner/dense", 0, dense, 64 * 5 * 4),
        ("inner/dense", 20, dense, 64 * 5 * 4),
        ("shared", 0, one, 64 * 3 * 4),
        ("shared", 84, one, 64 * 3 * 4),
    ]
    assert found.parameters == model.count_params() == 104
    assert found.multiply_adds == 2 * one + 2 * dense
    assert len(shared._inbound_nodes) == calls  # the model is the user's


def test_bytes_follow_the_type_in_which_a_layer_computes():
    layers_of = [keras.layers.Conv2D(3, 1, dtype="mixed_bfloat16"), keras.layers.Conv2D(5, 1)]
    model = keras.Sequential([keras.Input((4, 4, 1)), *layers_of])
    assert [row.bytes for row in cost(model).rows] == [16 * 3 * 2, 16 * 5 * 4]


def test_open_sizes_need_a_size():
    def network(*sizes):
        return keras.Sequential(
            [
                keras.Input((*sizes, 3)),
                layers.LiftingConv2D(2, 3, "p4m", padding="same"),
                layers.GMaxPooling2D(),
                layers.GConv2D(4, 3, "p4m"),
                layers.GGlobalPooling(group="p4m"),
            ]
        )

    model = network(None, None)
    with pytest.raises(ValueError, match=r"unknown sizes.*input_shape=\(96, 96, 3\)"):
        cost(model)
    found, fixed = cost(model, input_shape=(32, 28, 3)), cost(network(32, 28))
    assert [row.shape for row in found.rows] == [row.shape for row in fixed.rows]
    assert found.multiply_adds == fixed.multiply_adds
    for wrong in ((32, 32, 1), (32, 32), (32, -1, 3), 32, [(32, 32, 3)] * 2):
        with pytest.raises(ValueError, match="input_shape"):
            cost(model, input_shape=wrong)


@keras.saving.register_keras_serializable(package="tests")
class Scaled(keras.layers.Dense):
    """A layer with weights and a `call` of its own."""

    def call(self, inputs):
        return 2 * super().call(inputs)


def test_attention_reads_its_arguments_by_name_and_no_masks():
    layer = keras.layers.MultiHeadAttention(2, 3)
    query, value, key = (keras.Input(shape) for shape in [(5, 8), (7, 6), (7, 4)])
    mask = keras.Input((5, 7), dtype="bool")
    outputs = {
        "by_place": layer(query, value, key),
        "by_name": layer(key=key, value=value, query=query),
        "masked": layer(query, value, key, attention_mask=mask),
    }
    rows = cost(keras.Model([query, value, key, mask], outputs)).rows
    projections = 5 * 8 * 6 + 7 * 6 * 6 + 7 * 4 * 6 + 5 * 6 * 8
    assert {row.multiply_adds for row in rows} == {projections + 5 * 7 * (6 + 6)}


def test_what_is_not_known_is_said():
    image = keras.Input((4, 4, 3))
    x = Scaled(5, name="scaled")(image)
    x = keras.layers.Dense(2, name="dense")(keras.layers.Lambda(lambda x: abs(x) / 255)(x))
    x = keras.layers.Lambda(lambda x: keras.ops.matmul(x, x[..., :2, :]), name="product")(x)
    found = cost(keras.Model(image, keras.ops.matmul(x, x[..., :2, :])))
    assert {"scaled", "product"} < set(found.unknown)
    assert len(found.unknown) == 3  # and the product of maps
    assert found.multiply_adds == 16 * 5 * 2
    table = str(found)
    assert table.count("unknown") == 3
    assert f"at least {found.multiply_adds:,}" in table
    assert table.splitlines()[-1].startswith("Not counted: scaled, ")


def test_models_without_a_graph_are_refused():
    class Free(keras.Model):
        def call(self, inputs):
            return inputs

    for model, sentence in (
        (Free(), "has a call of its own"),
        (keras.Sequential([keras.layers.Dense(3)]), "not built"),
    ):
        with pytest.raises(ValueError, match=sentence):
            cost(model)
    with pytest.raises(ValueError, match="sizes that are unknown"):
        multiply_adds_of(keras.layers.Dense(3), (None, None, 4), (None, None, 3))


def test_the_table():
    table = cost(zoo.lenet("p4", widths=(1, 2))).as_table().splitlines()
    assert table[1].split() == ["layer", "class", "output", "parameters", "multiply-adds", "bytes"]
    assert table[3].split() == [
        "conv1",
        "LiftingConv2D",
        "(28,",
        "28,",
        "4)",
        "26",
        "78,400",
        "12,544",
    ]
    assert table[-1].split()[0] == "total"
    assert len({len(line) for line in table[1:]}) == 1


def test_what_is_no_model_or_too_small_is_named():
    with pytest.raises(TypeError, match=r"of type NoneType. Give a Keras model"):
        cost(None)
    image = keras.Input((None, None, 1))
    model = keras.Model(image, keras.layers.Conv2D(2, 5, name="wide")(image))
    with pytest.raises(
        ValueError, match=r"Conv2D 'wide' does not take inputs of shape \(1, 3, 3, 1"
    ):
        cost(model, input_shape=(3, 3, 1))
