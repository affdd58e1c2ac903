"""What a user of a network relies on: names of layers, backbones, stages, shorthands."""

import inspect

import keras
import numpy as np
import pytest

from keras_gcnn import layers, zoo
from tests.zoo.networks import SHORTHANDS, build, every_network, images, predict

pytestmark = pytest.mark.backend_free

LAST = {
    "lenet": "relu2",
    "cohen_cnn": "relu6",
    "allcnn": "stage3_2_relu",
    "resnet": "stage3_block1_relu2",
    "densenet": "final_relu",
}


@every_network
def test_a_backbone_ends_before_the_top(builder):
    backbone = build(builder, "p4", include_top=False)
    whole = build(builder, "p4")
    features = keras.Model(whole.input, whole.get_layer(LAST[builder]).output)
    assert backbone.output_shape == features.output_shape
    assert len(backbone.output_shape) == 4
    for layer in backbone.layers:
        layer.set_weights(whole.get_layer(layer.name).get_weights())
    x = images((28, 28, 1))
    np.testing.assert_allclose(predict(backbone, x), predict(features, x), atol=1e-6)


def test_a_frozen_backbone_is_fine_tuned():
    backbone = build("cohen_cnn", "p4", include_top=False)
    backbone.trainable = False
    before = [np.array(one) for one in backbone.get_weights()]
    pooled = layers.GGlobalPooling("max", "p4")(backbone.output)
    model = keras.Model(backbone.input, keras.layers.Dense(3)(pooled))
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(images((28, 28, 1)), np.arange(4) % 3, verbose=0)
    assert len(model.trainable_variables) == 2
    for old, new in zip(before, backbone.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize(("shorthand", "depth"), SHORTHANDS.items())
def test_shorthands(shorthand, depth):
    network = getattr(zoo, shorthand)("p4", parameters=80_000)
    assert network.name == f"{shorthand}_p4"
    convolutions = [
        layer
        for layer in network.layers
        if isinstance(layer, layers.GConv2D | layers.LiftingConv2D) and "shortcut" not in layer.name
    ]
    assert len(convolutions) + 1 == depth  # and the dense layer


@pytest.mark.parametrize("shorthand", SHORTHANDS)
def test_shorthands_have_the_signature_of_resnet(shorthand):
    function = getattr(zoo, shorthand)
    names = set(inspect.signature(function).parameters)
    assert names == set(inspect.signature(zoo.resnet).parameters) - {"depth"}
    assert f"{SHORTHANDS[shorthand]} layers" in function.__doc__
    with pytest.raises(TypeError, match="depth"):
        function(depth=20)


@pytest.mark.parametrize("depth", [0, 3, 21, "20", 2, True])
def test_a_depth_without_equal_stages_is_refused(depth):
    with pytest.raises(ValueError, match=r"6 n \+ 2"):
        zoo.resnet(depth=depth)


def test_names_of_networks():
    assert zoo.lenet("p4m", convolution="gc").name == "lenet_p4m_gc"
    assert zoo.cohen_cnn("p4", name="mine").name == "mine"


def test_names_of_layers():
    names = [layer.name for layer in zoo.lenet("p4").layers]
    assert names[:6] == ["image", "normalization", "conv1", "pool1", "relu1", "conv2"]
    assert names[6:] == ["pool2", "relu2", "head", "dense1", "dense2", "logits"]
    names = [layer.name for layer in zoo.cohen_cnn("p4", restrict_after="4").layers]
    assert names[:4] == ["image", "normalization", "conv1", "bn1"]
    assert names[-3:] == ["top", "head", "logits"]
    assert names[names.index("relu4") + 1] == "restrict4"


def test_features_can_be_taken_by_name():
    network = zoo.lenet("p4m", widths=(2, 3))
    features = keras.Model(network.input, network.get_layer("relu2").output)
    assert features.output_shape == (None, 5, 5, 24)


def test_a_plain_string_restricts_to_the_plane():
    for given in ("2", {"2": "z2"}, 2, {2: "z2"}, {np.int64(2): "z2"}):
        network = build("cohen_cnn", "p4", restrict_after=given)
        restriction = network.get_layer("restrict2")
        assert (restriction.group.name, restriction.subgroup.name) == ("p4", "z2")


def test_dropout_is_as_published_unless_asked_for():
    def rates(network):
        return [one.rate for one in network.layers if isinstance(one, layers.GDropout)]

    assert rates(zoo.cohen_cnn("z2")) == [0.3] * 5
    assert rates(zoo.cohen_cnn("p4")) == []
    assert rates(zoo.cohen_cnn("p4", dropout=0.1)) == [0.1] * 5
    assert rates(zoo.allcnn("p4", parameters=50_000)) == [0.2, 0.5, 0.5]


@pytest.mark.parametrize(
    ("builder", "wrong"),
    [
        ("cohen_cnn", {"dropout": 1.0}),
        ("cohen_cnn", {"dropout": True}),
        ("cohen_cnn", {"dropout": "0.3"}),
        ("allcnn", {"dropout": 0.3}),
        ("allcnn", {"dropout": (0.2, -0.1)}),
    ],
)
def test_a_wrong_dropout_is_refused(builder, wrong):
    with pytest.raises(ValueError, match=r"dropout=.* has to be"):
        getattr(zoo, builder)(**wrong)


def test_a_wrong_variant_is_refused():
    with pytest.raises(ValueError, match=r"variant='resnet' is not available.*'report', 'cohen'"):
        zoo.resnet44(variant="resnet")


def test_the_summary_fits_a_page(capsys):
    zoo.cohen_cnn("p4").summary(line_length=80)
    printed = capsys.readouterr().out
    assert "conv1" in printed
    assert max(map(len, printed.splitlines())) <= 80
