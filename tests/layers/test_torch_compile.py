"""PyTorch's compiler: whole graphs, of batches of changing size.

Code is made of one small network only, which is slow; of the others the graph is run as it is.
"""

import keras
import numpy as np
import pytest

from keras_gcnn import layers

if keras.backend.backend() != "torch":
    pytest.skip("XLA is tested in test_contract.py", allow_module_level=True)

import torch

GROUP = {"group": "p4"}
FIELDS = layers.Fields({0: 2, 1: 2, 2: 1})
GROUP_LAYERS = [
    layers.LiftingConv2D(2, 3, activation="relu", **GROUP),
    layers.GBatchNormalization(**GROUP),
    layers.GDropout(0.1, **GROUP),
    layers.GSeparableConv2D(2, 3, padding="same", **GROUP),
    layers.GMaxPooling2D(),
    layers.GConv2DTranspose(2, 2, strides=2, **GROUP),
    layers.GAveragePooling2D(),
    layers.GConv2D(2, 3, padding="same", **GROUP),
    layers.Restriction("p4", "p2"),
]
STEERABLE_LAYERS = [
    layers.DiscMask(),
    layers.SteerableConv2D({0: 1}, FIELDS, 3, padding="same"),
    layers.SteerableBatchNormalization(FIELDS),
    layers.FourierActivation(FIELDS),
    layers.SteerableAveragePooling2D(),
    layers.SteerableConv2DTranspose(FIELDS, FIELDS, 2, strides=2),
    layers.NormActivation(FIELDS),
    layers.GatedActivation(FIELDS),
    layers.SteerableDropout(FIELDS, 0.1),
]
ENDS = {
    "group": lambda x: [
        layers.GGlobalPooling("mean", "p2")(x),
        layers.GGlobalPooling("max", "p2")(x),
        keras.layers.Flatten()(layers.GPooling("max", "p2")(x)),
        keras.layers.Flatten()(layers.GPooling("mean", "p2")(x)),
        keras.layers.Flatten()(layers.GOrientation("p2")(x)),
    ],
    "fields": lambda x: [
        keras.layers.Flatten()(layers.InvariantMap(FIELDS, 2)(x)),
        keras.layers.Flatten()(layers.NormPooling(FIELDS)(x)),
    ],
}


def network(kind):
    """One that has every layer once."""
    x = image = keras.Input((8, 8, 1))
    for layer in {"group": GROUP_LAYERS, "fields": STEERABLE_LAYERS}[kind]:
        x = layer(x)
    return keras.Model(image, keras.layers.Concatenate()(ENDS[kind](x)))


def images(rng, batch, size):
    return torch.tensor(rng.random((batch, size, size, 1)), dtype=torch.float32)


@pytest.mark.filterwarnings("ignore")  # of the compiler
@pytest.mark.parametrize("kind", ["group", "fields"])
def test_every_layer_is_in_one_graph(rng, kind):
    model = network(kind)
    torch._dynamo.reset()
    run = torch.compile(model, fullgraph=True, backend="eager")
    for batch in (3, 5):
        x = images(rng, batch, 8)
        torch._dynamo.mark_dynamic(x, 0)
        torch.testing.assert_close(run(x, training=False), model(x), rtol=1e-4, atol=1e-5)
        run(x, training=True).square().mean().backward()
        slopes = [one.value.grad for one in model.trainable_variables]
        assert all(torch.isfinite(one).all() for one in slopes)


def test_a_compiled_prediction(rng):
    fields = layers.Fields.regular(1, max_frequency=1)
    network = keras.Sequential(
        [
            layers.SteerableConv2D({0: 1}, fields, 3),
            layers.SteerableBatchNormalization(fields),
            layers.FourierActivation(fields),
        ]
    )
    images = rng.normal(size=(2, 4, 4, 1)).astype("float32")
    expected = keras.ops.convert_to_numpy(network(images))
    network.compile(jit_compile=True)
    np.testing.assert_allclose(network.predict_on_batch(images), expected, atol=1e-5)
