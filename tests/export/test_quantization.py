"""ONNX files with integers of 8 bits."""

import keras
import numpy as np
import pytest

from keras_gcnn import export, zoo
from keras_gcnn.export import metadata
from tests.helpers.layers import randomize

pytestmark = pytest.mark.skipif(
    keras.backend.backend() == "jax", reason="JAX has TensorFlow write the file"
)


@pytest.fixture(scope="module", params=["p4", "so2"])
def network(request):
    """A network with random weights and statistics, and images for it."""
    images = np.random.default_rng(0).random((40, 28, 28, 1)).astype("float32")
    if request.param == "so2":
        network = zoo.so2cnn(parameters=20_000, classes=5)
    else:
        network = zoo.cohen_cnn("p4", parameters=20_000, classes=5)
    randomize(network, np.random.default_rng(0))
    return network, images


def run(path, images):
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: images})[0]


@pytest.mark.filterwarnings("ignore:.*images of calibration only")  # noise, random weights
def test_convolutions_have_8_bits_and_the_answers_stay(network, tmp_path):
    import onnx

    model, images = network
    float_path = export.save(model, tmp_path / "float.onnx")
    path = export.save(model, tmp_path / "net.onnx", quantize="int8", calibration=images)
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith(".")] == []
    expected, found = run(float_path, images), run(path, images)
    kept = metadata.read(path)
    assert kept["network"] == model.name
    assert kept["int8"]["images"] == 40
    worst = np.abs(found - expected).max() / np.abs(expected).max()
    assert 0 < worst < 0.2
    assert kept["int8"]["difference"] == pytest.approx(worst, rel=1e-3)
    same = (found.argmax(1) == expected.argmax(1)).mean()
    assert kept["int8"]["agreement"] == pytest.approx(same)
    # On a group a field has one scale in all orientations, so quarter turns change nothing. The
    # samples of steerable fields keep their precision, and what they become is rounded, up or down.
    turned = run(path, np.rot90(images, axes=(1, 2)).copy())
    allowed = worst if model.name.startswith("so2cnn") else 1e-5
    assert np.abs(turned - found).max() < allowed * np.abs(found).max()
    graph = onnx.load(path).graph
    of_8_bits = {name for node in graph.node if "Linear" in node.op_type for name in node.output}
    weights = [(node.op_type, node.input[1]) for node in graph.node if len(node.input) > 1]
    assert all(weight in of_8_bits for kind, weight in weights if kind == "Conv")
    # The changes of steerable networks to samples and back.
    small = [weight for kind, weight in weights if kind in ("Gemm", "MatMul")]
    assert small or not model.name.startswith("so2cnn")
    assert not of_8_bits & {*small}


def test_a_warning_where_answers_change(network, tmp_path, monkeypatch):
    from keras_gcnn.export import quantization

    monkeypatch.setattr(quantization, "_AGREEMENT", 1.1)
    model, images = network
    with pytest.warns(UserWarning, match="of the 3 images of calibration only"):
        export.save(model, tmp_path / "net.onnx", quantize="int8", calibration=images[:3])


IMAGES = np.zeros((2, 28, 28, 1), "float32")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"quantize": "int4", "calibration": IMAGES}, "quantize='int4' is unknown"),
        ({"calibration": IMAGES}, "calibration is for quantize"),
        ({"quantize": "int8"}, r"needs calibration, .* of shape \(images, 28, 28, 1\)"),
        ({"quantize": "int8", "calibration": IMAGES[0]}, r"has the shape \(28, 28, 1\)"),
        ({"quantize": "int8", "calibration": IMAGES[:0]}, "Give one or more"),
        ({"quantize": "int8", "calibration": IMAGES[:, :9]}, r"has the shape \(2, 9, 28, 1\)"),
        ({"quantize": "int8", "calibration": IMAGES * np.nan}, "not finite numbers"),
        (
            {"quantize": "int8", "calibration": IMAGES + np.float64(1e300)},
            "finite numbers of float32",
        ),
        (
            {"quantize": "int8", "calibration": [IMAGES[0], IMAGES[0, :9]]},
            "cannot be made an array",
        ),
        ({"quantize": "int8", "calibration": "images"}, "is of type str, which holds no numbers"),
        ({"quantize": "int8", "calibration": IMAGES, "format": "keras"}, 'is for format="onnx"'),
    ],
)
def test_wrong_use(arguments, says, tmp_path):
    model = zoo.lenet("p4", widths=(1, 1))
    suffix = {"keras": ".keras"}.get(arguments.get("format"), ".onnx")
    with pytest.raises(ValueError, match=says):
        export.save(model, tmp_path / f"net{suffix}", **arguments)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("wrong", [IMAGES + 0.5, IMAGES - 1, IMAGES + 256])
def test_an_input_of_whole_numbers_takes_no_others(wrong, tmp_path):
    """Images in [0, 1] would become black."""
    image = keras.Input((28, 28, 1), dtype="uint8")
    scores = zoo.lenet("p4", widths=(1, 1))(keras.layers.Rescaling(1 / 255)(image))
    with pytest.raises(ValueError, match="takes whole numbers, uint8, and calibration has others"):
        export.save(
            keras.Model(image, scores), tmp_path / "net.onnx", quantize="int8", calibration=wrong
        )


def test_a_network_without_convolutions_stays(tmp_path):
    image = keras.Input((28, 28, 1))
    model = keras.Model(image, keras.layers.Dense(2)(keras.layers.Flatten()(image)))
    with pytest.raises(ValueError, match="no convolution and no large matrix"):
        export.save(model, tmp_path / "net.onnx", quantize="int8", calibration=IMAGES)
    assert not list(tmp_path.iterdir())


def test_scores_of_a_map_with_channels_first_are_compared_by_class():
    from keras_gcnn.export.quantization import _compared

    scores = np.random.default_rng(0).random((2, 3, 8, 9))
    other = scores + np.array([[[[1.0]], [[0]], [[0]]]])
    assert _compared([scores], [scores], "channels_first")["agreement"] == 1.0
    same = (scores.argmax(1) == 0).mean()
    assert _compared([scores], [other], "channels_first")["agreement"] == same
    assert "agreement" not in _compared([scores[:, 0, 0, 0]], [scores[:, 0, 0, 0]], None)


def test_silence_asked_for_before_stays(network, tmp_path):
    import logging

    model, images = network
    logging.disable(logging.INFO)
    try:
        export.save(model, tmp_path / "net.onnx", quantize="int8", calibration=images)
        assert logging.root.manager.disable == logging.INFO
    finally:
        logging.disable(logging.NOTSET)
