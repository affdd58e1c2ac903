import keras
import numpy as np
import pytest

from keras_gcnn import analysis, zoo


@pytest.mark.parametrize(
    ("group", "widths", "parameters"),
    [("z2", (8, 64), 216_206), ("p4", (8, 16), 216_158), ("p4m", (8, 8), 216_150)],
)
def test_flattened_it_has_the_published_counts(group, widths, parameters):
    for network in (
        zoo.lenet(group, head="flatten"),
        zoo.lenet(group, head="flatten", widths=widths),
    ):
        assert network.count_params() == parameters
        assert network.get_layer("conv2").filters == widths[1]


@pytest.mark.parametrize("head", ["orientations", "flatten"])
def test_the_other_heads_are_known_to_break_invariance(head):
    network = zoo.lenet("p4", head=head, widths=(2, 3))
    errors = analysis.equivariance_error(network, "p4", output_type="trivial")
    assert max(errors.values()) > 1e-3
    assert len(analysis.audit(network).problems) == 1


def test_widths_of_numpy():
    assert zoo.lenet(widths=np.array([2, 3])).get_layer("conv2").filters == 3


def test_layers_have_stable_names():
    names = [layer.name for layer in zoo.lenet("p4").layers]
    assert names == [
        "image",
        "normalization",
        "conv1",
        "pool1",
        "relu1",
        "conv2",
        "pool2",
        "relu2",
        "head",
        "dense1",
        "dense2",
        "logits",
    ]
    assert zoo.lenet("p4").name == "lenet_p4"


def test_features_can_be_taken_by_name():
    network = zoo.lenet("p4m", widths=(2, 3))
    features = keras.Model(network.input, network.get_layer("relu2").output)
    assert features.output_shape == (None, 5, 5, 24)
