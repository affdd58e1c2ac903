"""ONNX files of layers that the converters do not support by themselves."""

import re

import keras
import numpy as np
import pytest

from keras_gcnn import export, layers
from keras_gcnn.export.failures import ConversionError, explain
from tests.helpers.layers import randomize, relative_error

FIELDS = {0: 4, 1: 2}
MIRRORED = layers.Fields({0: 2, "0-": 1, 1: 1, 3: 1, "4-": 1}, group="d8")
# Of those that a layer takes by name: glu halves the channels, threshold needs arguments.
ACTIVATIONS = [
    name
    for name in dir(keras.activations)
    if not name.startswith("_")
    and name not in ("get", "serialize", "deserialize", "glu", "threshold")
]


def test_every_activation_wherever_it_stands(tmp_path, rng):
    """`save` compares ONNX Runtime's outputs with the network's; each has an output to itself."""
    image = keras.Input((4, 4, 8), name="image")
    inner = keras.Sequential([keras.Input((4, 4, 8)), keras.layers.Activation("gelu")])
    x = layers.GConv2D(2, 1, "p4", activation="gelu", name="ours")(inner(image))
    outputs = {"gelu_operation": keras.ops.gelu(x, approximate=False)}
    names = ["gelu", "celu"]
    if keras.backend.backend() != "jax":  # which takes long, and has TensorFlow write the file
        names = ACTIVATIONS
        x = layers.NormActivation(FIELDS, activation="gelu", name="norms")(image)
        x = layers.GatedActivation(FIELDS, activation="gelu", gate="gelu", name="gates")(x)
        x = layers.FourierActivation(FIELDS, activation="gelu", name="samples")(x)
        fields, maps = layers.Fields.regular(1, group="d4"), layers.ToFields("p4m")(image)
        outputs["values"] = layers.SteerablePooling(fields)(maps)
        outputs["rotations"] = layers.SteerableRestriction(fields, "c4")(maps)
        x = layers.InvariantMap(FIELDS, 3, activation="gelu", name="invariants")(x)
        x = keras.layers.Conv2D(3, 1, activation="gelu", name="stock")(x)
        rows = keras.layers.TimeDistributed(keras.layers.Dense(2, activation="gelu"), name="rows")
        outputs["gelu_in_layers"] = rows(x)
    for name in names:
        outputs[name] = keras.layers.Activation(name, name=f"layer_{name}")(image)
    model = keras.Model(image, outputs)
    randomize(model, rng)
    export.save(model, tmp_path / "net.onnx")


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX has TensorFlow write the file")
def test_normalizations(tmp_path, rng):
    """`save` compares ONNX Runtime's outputs with the network's."""
    image = keras.Input((4, 4, 8), name="image")
    ours = [
        layers.GLayerNormalization("p4"),
        layers.GRMSNormalization("p4"),
        layers.GGroupNormalization(2, "p4"),
        layers.GPReLU("p4"),
        layers.SteerableLayerNormalization(MIRRORED),
        layers.SteerableGroupNormalization(FIELDS, 2),
    ]
    stock = [
        keras.layers.LayerNormalization(),
        keras.layers.RMSNormalization(),
        keras.layers.Normalization(mean=rng.normal(size=8), variance=rng.uniform(1, 2, 8)),
    ]
    model = keras.Model(image, {layer.name: layer(image) for layer in [*ours, *stock]})
    randomize(model, rng)
    export.save(model, tmp_path / "net.onnx")


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX has TensorFlow write the file")
@pytest.mark.parametrize("size", [7, 8])
def test_poolings_that_pad(tmp_path, size):
    """As in Xception. At odd sizes both sides are padded alike."""
    image = keras.Input((size, size, 2), name="image")
    kinds = [keras.layers.MaxPooling2D, keras.layers.AveragePooling2D]
    x = [pool(3, strides, "same")(image) for pool in kinds for strides in (1, 2)]
    export.save(keras.Model(image, x), tmp_path / "net.onnx")


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX has TensorFlow write the file")
def test_transposed_convolutions_with_gaps_between_their_kernels(tmp_path):
    """A stride beyond the kernel, and an end that the kernel does not reach."""
    image = keras.Input((3, 4, 4), name="image")
    ones = {"bias_initializer": "ones"}
    cases = [(1, 3, "valid", None), (1, (2, 3), "same", None), (3, 2, "valid", 1)]
    x = [
        keras.layers.Conv2DTranspose(2, size, strides, padding, output_padding=more, **ones)(image)
        for size, strides, padding, more in cases
    ]
    x += [
        layers.GConv2DTranspose(1, 2, "p4", strides=3, equivariance="ignore", **ones)(image),
        layers.SteerableConv2DTranspose(
            {0: 2, 1: 1}, {0: 1, 1: 1}, 1, strides=2, equivariance="ignore", **ones
        )(image),
    ]
    export.save(keras.Model(image, x), tmp_path / "net.onnx")


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="what PyTorch's kernels replace")
@pytest.mark.filterwarnings("ignore")  # of tracing
def test_keras_writes_our_normalisations_and_activations_by_itself(tmp_path, rng):
    import onnxruntime

    image = keras.Input((4, 4, 8), name="image")
    outputs = [
        layers.GBatchNormalization("p4")(image),
        layers.SteerableBatchNormalization(MIRRORED)(image),
        layers.FourierActivation(MIRRORED)(image),
    ]
    model = randomize(keras.Model(image, outputs), rng)
    model(np.zeros((1, 4, 4, 8)))
    model.export(tmp_path / "net.onnx", format="onnx", verbose=False)
    x = rng.normal(size=(3, 4, 4, 8)).astype("float32")
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx")
    (entry,) = session.get_inputs()
    for found, wanted in zip(session.run(None, {entry.name: x}), model(x), strict=True):
        assert relative_error(found, keras.ops.convert_to_numpy(wanted)) < 1e-5


@pytest.mark.thorough("jax")
@pytest.mark.skipif(keras.backend.backend() == "torch", reason="PyTorch's converter has it")
def test_an_operation_that_the_converter_lacks_is_named(tmp_path):
    image = keras.Input((4,))
    model = keras.Model(image, keras.ops.erfinv(image), name="mine")
    message = "'mine' cannot be converted to onnx on tensorflow, because .* the operation Erfinv"
    with pytest.raises(ValueError, match=message) as caught:
        export.save(model, tmp_path / "mine.onnx")
    assert "size" not in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("error", "shape", "wanted", "unwanted"),
    [
        (RuntimeError("Name: a OpType: Foo"), (None, None, 3), "operation Foo", "size"),
        (RuntimeError("operator 'aten::foo' to ONNX"), (None, 3), "operation aten::foo", "size"),
        (ConversionError("lost\nmore", "tensorflow"), (None, 3), r"on tensorflow \(lost\)", "size"),
        (RuntimeError("lost"), (None, None, 3), r"\(lost\).* state the size", "operation"),
        (KeyError(), (None, 3), r"\(KeyError\)", "size"),
    ],
)
def test_a_guess_is_made_only_where_it_may_be_right(error, shape, wanted, unwanted):
    text = explain(error, "mine", "onnx", shape)
    assert re.search(wanted, text)
    assert unwanted not in text


@pytest.mark.thorough("jax")
@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "float64"])
def test_a_precision_without_convolutions_in_the_runtime_is_named(tmp_path, dtype):
    image = keras.Input((8, 8, 1))
    outputs = layers.LiftingConv2D(1, 3, "p4", dtype=dtype)(image)
    model = keras.Model(image, keras.layers.GlobalAveragePooling2D()(outputs))
    named = dtype.removeprefix("mixed_")
    with pytest.raises(ValueError, match=rf"computes in {named}.*policy\(\"float32\"\).*weights"):
        export.save(model, tmp_path / "mine.onnx")
    assert not list(tmp_path.iterdir())


def drawing(at_inference="sample"):
    features = keras.Input((4,), name="features")
    pair = layers.VonMisesFisherHead(3, name="head")(features)
    draw = layers.VonMisesFisherSampling(at_inference=at_inference, seed=1, name="draw")
    return keras.Model(features, draw(pair))


def test_layers_that_sample_at_inference_are_refused(tmp_path):
    for name in ("net.onnx", "model"):
        with pytest.raises(ValueError, match=r"'draw' draws at inference.* at_inference=.mean"):
            export.save(drawing(), tmp_path / name)
    features = keras.Input((8,))
    outputs = layers.GDropout(0.5, "p4", name="drop")(features, training=True)
    with pytest.raises(ValueError, match="'drop' is called with training=True"):
        export.to_plain(keras.Model(features, outputs))


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="PyTorch's ways to export")
@pytest.mark.filterwarnings("ignore")  # of tracing
def test_pytorch_names_the_layer_that_samples(tmp_path):
    import torch

    model, x = drawing(), torch.zeros((1, 4))
    model(x)
    message = "'draw' draws random numbers, which PyTorch neither traces nor exports"
    with pytest.raises(ValueError, match=message):
        torch.export.export(model, (x,))
    with pytest.raises(ValueError, match=message):
        model.export(tmp_path / "net.onnx", format="onnx", verbose=False)
    torch.export.export(drawing("mean"), (x,))
