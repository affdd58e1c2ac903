"""Weights by name: what is found, what is refused, and that what ships can be loaded."""

import json
from pathlib import Path

import numpy as np
import pytest

import keras_gcnn
from keras_gcnn import zoo
from keras_gcnn.zoo import pretrained
from tests.zoo.networks import build, count, images, predict

pytestmark = pytest.mark.backend_free

TRAINED = Path(keras_gcnn.__file__).parent / "zoo" / "trained"
CARDS = {path.stem: json.loads(path.read_text()) for path in sorted(TRAINED.glob("*.json"))}


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """Three published networks that were never trained."""
    networks = {}
    for builder, arguments in (
        ("lenet", {"group": "p4", "head": "flatten", "widths": [2, 3]}),
        ("lenet", {"group": "p4m", "widths": [2, 2]}),
        ("cohen_cnn", {"group": "p4", "convolution": "gc", "restrict_after": {"2": "z2"}}),
    ):
        sizes = {"input_shape": [28, 28, 1], "classes": 7}
        name = f"{builder}-{arguments['group']}"
        networks[name] = network = build(builder, **arguments, **sizes)
        arguments["widths"] = list(network.widths)
        network.save_weights(tmp_path / f"{name}.weights.h5")
        card = {
            "builder": builder,
            "weights": "marks",
            "arguments": {**arguments, **sizes},
            "file": f"{name}.weights.h5",
        }
        (tmp_path / f"{name}.json").write_text(json.dumps(card))
    monkeypatch.setattr(pretrained, "_folder", lambda: tmp_path)
    pretrained.entries.cache_clear()
    yield networks
    pretrained.entries.cache_clear()


def same(found, expected):
    x = images(expected.input_shape[1:])
    np.testing.assert_allclose(predict(found, x), predict(expected, x), atol=1e-6)


def test_weights_bring_their_own_widths_and_head(shelf):
    network = zoo.lenet(group="p4", weights="marks")
    assert network.widths == (2, 3)
    same(network, shelf["lenet-p4"])
    same(zoo.lenet("P4M", weights="marks", name="mine"), shelf["lenet-p4m"])
    same(zoo.lenet("p4", restrict_after={}, weights="marks"), shelf["lenet-p4"])


def test_a_plain_string_finds_a_restriction_to_the_plane(shelf):
    for stage in ("2", 2):
        network = zoo.cohen_cnn("p4", convolution="gc", restrict_after=stage, weights="marks")
        same(network, shelf["cohen_cnn-p4"])


def test_arguments_that_agree_are_allowed(shelf):
    network = zoo.lenet("p4", head="flatten", widths=(2, 3), classes=7, weights="marks")
    same(network, shelf["lenet-p4"])


def test_dropout_for_further_training(shelf):
    network = zoo.cohen_cnn("p4", convolution="gc", restrict_after=2, weights="marks", dropout=0.4)
    rates = {layer.rate for layer in network.layers if hasattr(layer, "rate")}
    assert rates == {0.4}
    same(network, shelf["cohen_cnn-p4"])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"group": "p4", "head": "invariant"}, "head='invariant' does not fit weights='marks'"),
        ({"group": "p4", "classes": 5}, "include_top=False"),
        ({"group": "p4", "parameters": 50_000}, "Leave parameters out"),
        ({"group": "z2"}, "Choose one of: p4; p4m"),
        ({}, "Choose one of: p4; p4m"),
        ({"group": "p4", "convolution": "gc"}, "Choose one of: p4; p4m"),
        ({"group": "p5"}, "group='p5' is unknown. Choose one of z2"),
        ({"group": "p4", "weights": "mark"}, "'mark' are not published for lenet.*'marks'"),
    ],
)
@pytest.mark.usefixtures("shelf")
def test_arguments_that_disagree_are_explained(wrong, message):
    with pytest.raises(ValueError, match=message):
        zoo.lenet(**{"weights": "marks", **wrong})


@pytest.mark.usefixtures("shelf")
def test_where_nothing_is_published_a_file_is_asked_for():
    for call, name in ((zoo.resnet20, "resnet20"), (zoo.resnet, "resnet"), (zoo.allcnn, "allcnn")):
        with pytest.raises(
            ValueError, match=rf"not published for {name}; none are\. Give the path"
        ):
            call(weights="marks")


@pytest.mark.usefixtures("shelf")
def test_a_backbone_has_the_published_weights():
    whole = zoo.lenet("p4", weights="marks")
    backbone = zoo.lenet("p4", weights="marks", include_top=False)
    assert backbone.output_shape == (None, 5, 5, 12)
    for layer in backbone.layers:
        for found, expected in zip(
            layer.get_weights(), whole.get_layer(layer.name).get_weights(), strict=True
        ):
            np.testing.assert_array_equal(found, expected)


@pytest.mark.usefixtures("shelf")
def test_a_backbone_is_for_other_sizes_and_classes():
    backbone = zoo.lenet(
        "p4", weights="marks", include_top=False, input_shape=(40, 33, 1), classes=3
    )
    assert backbone.output_shape == (None, 8, 6, 12)
    whole = zoo.lenet("p4", weights="marks")
    kernel = whole.get_layer("conv2").base_kernel()
    np.testing.assert_array_equal(backbone.get_layer("conv2").base_kernel(), kernel)
    with pytest.raises(ValueError, match="rows and columns may differ"):
        zoo.lenet("p4", weights="marks", include_top=False, input_shape=(28, 28, 3))


def test_channels_first(shelf):
    form = {"data_format": "channels_first", "input_shape": (1, 28, 28)}
    network = zoo.lenet("p4m", weights="marks", **form)
    assert network.input_shape == (None, 1, 28, 28)
    x = images((28, 28, 1))
    expected = predict(shelf["lenet-p4m"], x)
    found = predict(network, x.transpose(0, 3, 1, 2))
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.usefixtures("shelf")
def test_what_is_available():
    available = zoo.available()
    assert set(available) == set(zoo.BUILDERS)
    assert available["lenet"] == {"marks": ("p4", "p4m")}
    assert available["cohen_cnn"] == {
        "marks": ("p4, convolution='gc', restrict_after={'2': 'z2'}",)
    }
    assert available["allcnn"] == {}


def test_there_are_published_weights():
    assert zoo.available()["lenet"]


@pytest.mark.parametrize("identity", CARDS)
def test_every_published_network_loads(identity):
    card = CARDS[identity]
    scope = {"zoo": zoo}
    network = eval(card["call"], scope)
    assert count(network) == card["parameters"]
    assert np.isfinite(predict(network, images(network.input_shape[1:]))).all()


def test_files_are_small():
    sizes = [path.stat().st_size for path in TRAINED.iterdir()]
    assert max(sizes) <= 1_000_000
    assert sum(sizes) <= 8_000_000
