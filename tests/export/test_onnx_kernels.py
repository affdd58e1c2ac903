"""ONNX files hold the trained weights, and nodes that lay them out as kernels."""

import keras
import numpy as np
import pytest

from keras_gcnn import export, layers, symmetrize, zoo
from keras_gcnn.export import onnx_kernels
from tests.helpers.layers import randomize

FIELDS = layers.Fields({0: 12, 1: 8, 2: 8})
D8 = layers.Fields.regular(3, group="d8")


def on_group(image):
    """Every convolution on a group, with a normalisation whose factors are folded into it."""
    for group, kernel in (("p4m", 3), ("pmm", 2)):
        x = layers.LiftingConv2D(8, kernel, group, padding="valid")(image)
        x = layers.GConv2D(8, 3, group, groups=2)(x)
        x = layers.GBatchNormalization(group)(x)
        x = layers.GSeparableConv2D(8, 3, group)(x)
        x = layers.GConv2D(8, 1, group, activation="relu")(x)
        yield layers.GGlobalPooling("mean", group)(x)


def on_fields(image):
    for fields in (FIELDS, D8):
        plain = layers.Fields.trivial(2)
        x = layers.SteerableConv2D(plain.under(fields.group), fields, 5)(image)
        x = layers.SteerableBatchNormalization(fields)(x)
        x = layers.SteerableConv2D(fields, fields, 3)(layers.FourierActivation(fields)(x))
        yield layers.InvariantMap(fields, 3)(x)


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX has TensorFlow write the file")
@pytest.mark.parametrize("put", [on_group, on_fields])
def test_kernels_are_made_of_the_weights(put, tmp_path, rng, monkeypatch):
    """`save` compares the outputs of the file, which has no kernel of its own left."""
    import onnx

    image = keras.Input((12, 12, 2))
    model = keras.Model(image, [*put(image)])
    randomize(model, rng)
    with monkeypatch.context() as without:
        without.setattr(onnx_kernels, "compact", lambda path, model: False)
        laid_out = export.save(model, tmp_path / "laid_out.onnx")
    path = export.save(model, tmp_path / "net.onnx")
    graph = onnx.load(path).graph
    constants = {entry.name: np.prod(entry.dims) for entry in graph.initializer}
    kernels = [node.input[1] for node in graph.node if node.op_type == "Conv"]
    # Small ones stay: those of the image, of invariants, and depthwise ones.
    assert not [name for name in kernels if constants.get(name, 0) > 2500]
    assert path.stat().st_size < 0.5 * laid_out.stat().st_size


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="the file is the same")
def test_a_network_of_the_zoo_is_as_small_as_its_weights(tmp_path):
    network = zoo.so2cnn(parameters=20_000)
    path = export.save(network, tmp_path / "net.onnx")
    assert path.stat().st_size < 2 * 4 * network.count_params()


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="the file is the same")
def test_other_kernels_stay(tmp_path, rng):
    """Those of stock layers, and those that something was added to."""
    import onnx
    from onnx import numpy_helper

    image = keras.Input((9, 9, 2))
    x = layers.LiftingConv2D(4, 3, "p4m", name="lifting")(image)
    model = keras.Model(image, keras.layers.Conv2D(5, 3, groups=1)(x))
    randomize(model, rng)
    path = export.save(model, tmp_path / "net.onnx")
    file = onnx.load(path)
    shapes = [tuple(entry.dims) for entry in file.graph.initializer]
    assert (5, 32, 3, 3) in shapes
    assert (32, 2, 3, 3) not in shapes
    with_noise = rng.normal(size=(32, 2, 3, 3)).astype("float32")
    kernel = model.get_layer("lifting").expanded_kernel().transpose(3, 2, 0, 1)
    for values, replaced in ((kernel, True), (kernel + 1e-4 * with_noise, False)):
        node = onnx.helper.make_node("Conv", ["x", "w"], ["y"])
        graph = onnx.helper.make_graph(
            [node],
            "graph",
            [onnx.helper.make_tensor_value_info("x", 1, [1, 2, 9, 9])],
            [onnx.helper.make_tensor_value_info("y", 1, [1, 32, 7, 7])],
            [numpy_helper.from_array(values.astype("float32"), "w")],
        )
        onnx.save(onnx.helper.make_model(graph), tmp_path / "one.onnx")
        assert onnx_kernels.compact(tmp_path / "one.onnx", model) is replaced


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="the file is the same")
def test_a_symmetrized_network_has_its_weights(tmp_path):
    inner = zoo.lenet("pmm", widths=(2, 8), input_shape=(12, 12, 1))
    path = export.save(symmetrize(inner, "p4"), tmp_path / "net.onnx")
    assert {"Gather"} <= operations_of(path)


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="the file is the same")
def test_a_kernel_stays_where_its_nodes_would_take_more(tmp_path):
    image = keras.Input((9, 9, 1))
    model = keras.Model(image, layers.LiftingConv2D(2, 3, "p4m")(image))
    path = export.save(model, tmp_path / "net.onnx")
    assert "Gather" not in operations_of(path)


def operations_of(path):
    import onnx

    return {node.op_type for node in onnx.load(path).graph.node}


def test_blurring_is_a_filter(tmp_path):
    """The runtime takes longer for products of matrices along rows and columns."""
    import onnx

    image = keras.Input((8, 8, FIELDS.channels))
    pooled = layers.SteerableAveragePooling2D(FIELDS, 2)(image)
    export.save(keras.Model(image, pooled), tmp_path / "network.onnx", format="onnx")
    nodes = onnx.load(tmp_path / "network.onnx").graph.node
    groups = [
        a.i for node in nodes if node.op_type == "Conv" for a in node.attribute if a.name == "group"
    ]
    assert groups == [FIELDS.channels]
    assert not {"Einsum", "MatMul"} & {node.op_type for node in nodes}
