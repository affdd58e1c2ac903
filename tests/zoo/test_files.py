"""Files of networks given as `weights`: which fit, and what the errors about the rest say."""

import warnings

import numpy as np
import pytest

from keras_gcnn import zoo
from tests.zoo.networks import build, every_network

pytestmark = pytest.mark.backend_free


@every_network
@pytest.mark.filterwarnings("ignore:Skipping nested container")  # Keras, before its own error
def test_the_file_of_another_network_is_refused(builder, tmp_path):
    """Two groups of order 4: the shapes of all weights are the same."""
    build(builder, "p4").save(tmp_path / "p4.keras")
    message = r"whose layer '.*' is on p4; that of .* is on pmm\. Build .*`group` and"
    with pytest.raises(ValueError, match=message):
        build(builder, "pmm", weights=tmp_path / "p4.keras")
    with pytest.raises(ValueError, match=r"cannot be loaded into .* arguments of the one"):
        build(builder, "p4", classes=11, weights=tmp_path / "p4.keras")
    (tmp_path / "damaged.keras").write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match="cannot be loaded into"):
        build(builder, "p4", weights=tmp_path / "damaged.keras")


@every_network
def test_the_file_of_a_whole_network_fits_its_backbone(builder, tmp_path):
    whole = build(builder, "p4")
    for file in ("whole.keras", "whole.weights.h5"):
        (whole.save if file.endswith(".keras") else whole.save_weights)(tmp_path / file)
        backbone = build(builder, "p4", weights=tmp_path / file, include_top=False)
        for layer in backbone.layers:
            expected = whole.get_layer(layer.name).get_weights()
            for found, wanted in zip(layer.get_weights(), expected, strict=True):
                np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(
    ("other", "arguments", "message"),
    [
        (
            "so2cnn",
            {},
            r"into so2cnn\. The file holds the network 'resnet8_p4', which has no layer",
        ),
        ("cohen_cnn", {"group": "p4"}, r"the network 'resnet8_p4', which has no layer 'conv1'"),
        (
            "resnet",
            {"group": "p4", "depth": 8, "widths": (2, 3, 4)},  # for colour images
            r"'stem_conv' has weights of shape \(1, 3, 3, 1, 2\); .* has \(1, 3, 3, 3, 2\)\. Build",
        ),
    ],
)
def test_the_error_names_the_network_in_the_file(tmp_path, other, arguments, message):
    build("resnet", "p4").save(tmp_path / "resnet.keras")
    with (
        warnings.catch_warnings(action="error"),
        pytest.raises(ValueError, match=message) as caught,
    ):
        getattr(zoo, other)(**{"weights": tmp_path / "resnet.keras", **arguments})
    assert str(caught.value).endswith("or give another file.")


def test_the_weights_file_of_another_network_is_refused_without_its_values(tmp_path):
    build("lenet", "p4").save_weights(tmp_path / "lenet.weights.h5")
    with (
        warnings.catch_warnings(action="error"),
        pytest.raises(ValueError, match="cannot be loaded into cohen_cnn_z2") as caught,
    ):
        zoo.cohen_cnn("z2", weights=tmp_path / "lenet.weights.h5")
    message = str(caught.value)
    assert "conv1" in message
    assert "value=[" not in message
    assert len(message.replace(str(tmp_path), "")) < 450


def test_the_file_of_another_restriction_is_refused(tmp_path):
    first, second = ({"widths": (1, 1), "restrict_after": {"2": one}} for one in ("p4", "pmm"))
    build("lenet", "p4m", **first).save(tmp_path / "network.keras")
    with pytest.raises(ValueError, match=r"'restrict2' is on p4m to p4; .* is on p4m to pmm"):
        build("lenet", "p4m", **second, weights=tmp_path / "network.keras")
