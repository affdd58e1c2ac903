"""Arguments of the builders: what is accepted, and what the errors about the rest say."""

import inspect

import keras
import numpy as np
import pytest

from keras_gcnn import zoo
from tests.zoo.networks import BUILDERS, OTHERS, build, count, every_network

pytestmark = pytest.mark.backend_free


@every_network
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"group": "p5"}, "Choose one of z2"),
        ({"head": "mean"}, "Choose one of 'invariant'"),
        ({"input_shape": (3, 3, 1)}, "at least"),
        ({"convolution": "separable"}, "Choose one of 'full', 'g', 'gc'"),
        ({"restrict_after": "9"}, "stages of this network are 1, 2"),
        ({"restrict_after": {90: "z2"}}, "stages of this network are 1, 2"),
        ({"restrict_after": 90}, "stages of this network are 1, 2"),
        ({"restrict_after": 1.0}, "name of a stage, or a dict"),
        ({"restrict_after": ["1"]}, "name of a stage, or a dict"),
        ({"restrict_after": {"1": "p4"}}, "p4 is no subgroup of z2"),
        ({"group": "p4m", "restrict_after": {"1": "p4", "2": "pm"}}, "group of stage '2'"),
        ({"input_shape": (28, 28)}, "three positive integers"),
        ({"input_shape": 28}, "three positive integers"),
        ({"input_shape": (28, 28, True)}, "three positive integers"),
        ({"include_top": "no"}, "include_top='no' has to be True or False"),
        ({"classes": 0}, "positive integer"),
        ({"classes": True}, "positive integer"),
        ({"classes": "10", "parameters": 50_000}, "positive integer"),
        ({"widths": ()}, r"widths=\(\) has to be . positive integers"),
        ({"widths": 0}, "widths=0 has to be"),
        ({"widths": 5}, "widths=5 has to be"),
        ({"widths": (True, 2)}, "positive integers"),
        ({"widths": (2.0, 2)}, "positive integers"),
        ({"widths": (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)}, "positive integers"),
        ({"widths": (8, -8), "parameters": 50_000}, "positive numbers, the proportions"),
        ({"parameters": 50}, "smallest count that can be reached is"),
        *(
            ({"parameters": wrong}, "parameters=.* a positive integer up to 10,000,000,000")
            for wrong in (0, -5, 10**30, 5e4, float("inf"), float("nan"), "50000", True)
        ),
        ({"weights": "nowhere.keras"}, "no file"),
        ({"weights": "nowhere"}, "not published for"),
        ({"weights": 3}, "name of published weights"),
        ({"input_shape": (1, 28, 28)}, "read as channels_last, is too small"),
    ],
)
def test_a_mistake_in_any_network(builder, wrong, message):
    with pytest.raises(ValueError, match=message):
        getattr(zoo, builder)(**wrong)


@every_network
def test_an_unknown_argument_is_named_with_the_builder(builder):
    with pytest.raises(TypeError, match=rf"{builder}\(\) got an unexpected .*'grup'"):
        getattr(zoo, builder)(grup="p4")


@every_network
def test_numpy_integers_are_integers(builder):
    make, four = getattr(zoo, builder), np.int64(4)
    network = make(input_shape=np.array([28, 28, 1]), classes=four, parameters=np.int64(50_000))
    assert network.input_shape == (None, 28, 28, 1)
    assert network.output_shape == (None, 4)
    assert count(make(input_shape=(28, 28, 1), classes=4, parameters=50_000)) == count(network)
    assert count(build(builder, "p4", widths=np.array(BUILDERS[builder]["widths"])))


@pytest.mark.parametrize("builder", [*BUILDERS, *OTHERS, "vae"])
def test_the_default_size_follows_the_format(builder, monkeypatch):
    last = inspect.signature(getattr(zoo, builder)).parameters["input_shape"].default
    arguments = (BUILDERS | OTHERS).get(builder, {})

    def shape(**more):
        network = getattr(zoo, builder)(**arguments, **more)
        return getattr(network, "encoder", network).input_shape[1:]

    assert shape() == last
    assert shape(data_format="channels_first") == (last[2], *last[:2])
    monkeypatch.setattr(keras.config, "image_data_format", lambda: "channels_first")
    assert shape(data_format="channels_last") == last


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"variant": "cohen"}, "Choose one of None, 'report'"),
        ({"widths": (8, 8)}, "differ in length"),
        ({"widths": (8, 8, 0)}, "3 positive integers"),
        ({"kernel_sizes": (4, 3, 3)}, "odd positive integers"),
        ({"kernel_sizes": (3, 3)}, "differ in length"),
        ({"max_frequency": -1}, "integer from 0"),
        ({"widths": (8, 8, "8")}, "3 positive integers"),
        ({"widths": 8}, "3 positive integers"),
        ({"max_frequency": 9}, "samples=16 has to be a multiple of 4"),
        ({"samples": 15}, "multiple of 4"),
        ({"widths": (8, 8, 0), "parameters": 20_000}, "positive numbers, the proportions"),
        ({"parameters": 50}, "smallest count that can be reached is"),
        ({"input_shape": (24, 28, 1)}, "at least 25"),
        ({"classes": 0}, "positive integer"),
        ({"dropout": 1.0}, "from 0 to below 1"),
        ({"weights": "nowhere"}, "not published for so2cnn"),
        ({"weights": "nowhere.keras"}, "no file"),
    ],
)
def test_a_mistake_in_the_steerable_network(wrong, message):
    with pytest.raises(ValueError, match=message):
        zoo.so2cnn(**wrong)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"group": "so3"}, "group='so3' is unknown. .*'so2' for all rotations"),
        ({"group": "d8", "max_frequency": 5}, "integer from 0 to 4, the highest frequency of d8"),
        ({"group": "o2", "orientation": True}, "mirror images"),
        ({"orientation": "no"}, "orientation='no' has to be True or False"),
        ({"posterior": "normal"}, "Choose one of 'vmf', 'gaussian'"),
        ({"latent_dim": 1}, "latent_dim=1 has to be an integer from 2"),
        ({"latent_dim": 0, "posterior": "gaussian"}, "integer from 1"),
        ({"latent_dim": 2.5}, "integer from 2"),
        ({"beta": -1}, "beta=-1 has to be a number from 0"),
        ({"beta": float("nan")}, "beta=nan has to be"),
        ({"beta": "high"}, "beta='high' has to be"),
        ({"beta": {"class_name": "Ramp", "config": {}}}, "Ramp.*or the dict of one"),
        ({"beta": {"class_name": 1, "config": {}}}, "beta=.*or the dict of one"),
        ({"variant": "large"}, "Choose one of None, 'mlp', 'report'"),
        ({"max_frequency": -1}, "integer from 0"),
        ({"input_shape": (24, 28, 1)}, "at least 25"),
        ({"group": "p4", "max_frequency": 7}, "group='p4' has no frequencies"),
        ({"group": "p4", "input_shape": (27, 28, 1)}, "at least 28"),
        ({"widths": (3, 3)}, "3 positive integers"),
        ({"decoder_widths": (3, 3)}, "3 positive integers"),
        ({"widths": (3, 3), "parameters": 200_000}, "positive numbers, the proportions"),
        ({"parameters": 1000}, "smallest count"),
        ({"variant": "mlp"}, "not equivariant under group='so2'"),
        ({"variant": "mlp", "group": "p4"}, "not equivariant under group='p4'"),
        ({"variant": "mlp", "group": "z2", "orientation": True}, "has no rotation"),
        ({"group": "z2", "orientation": True}, "has no rotation"),
        ({"group": "p4m", "orientation": True}, "mirror images"),
        ({"latent_scale": 0}, "number above 0"),
        ({"dropout": 1.0}, "from 0 to below 1"),
        ({"weights": "nowhere.keras"}, "no file"),
    ],
)
def test_a_mistake_in_the_autoencoder(wrong, message):
    with pytest.raises(ValueError, match=message):
        zoo.vae(**wrong)
