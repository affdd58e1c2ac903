"""PyTorch's compiler traces whole graphs; generating code from them would take minutes."""

import keras
import numpy as np
import pytest

from keras_gcnn import layers, zoo
from tests.helpers.contract import CASES
from tests.helpers.levels import thoroughly

pytestmark = [
    pytest.mark.skipif(keras.backend.backend() != "torch", reason="of PyTorch's compiler"),
    pytest.mark.filterwarnings("ignore"),  # of the compiler
]
NETWORKS = {
    "lenet": lambda: zoo.lenet("p4", widths=(1, 1)),
    "vae": lambda: zoo.vae(
        "p4", widths=(1, 1, 1), decoder_widths=(2, 2, 2), orientation=True, latent_dim=2
    ),
}


def trained_in_one_graph(call, inputs, batches):
    """Compiles training steps on batches of these sizes, without a break of the graph."""
    import torch

    torch._dynamo.reset()
    compiled = torch.compile(lambda x: call(x, training=True), fullgraph=True, backend="eager")
    for batch in batches:
        x = torch.from_numpy(inputs(batch))
        torch._dynamo.maybe_mark_dynamic(x, 0)
        outputs = keras.tree.flatten(compiled(x.requires_grad_()))
        sum(one.sum() for one in outputs).backward()
        assert all(len(one) == batch for one in outputs)
        assert torch.isfinite(x.grad).all()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.layer_class.__name__)
def test_a_layer_is_one_graph(case, pytestconfig):
    layer = case.make()
    layer(case.inputs())
    batches = (2, 3) if pytestconfig.getoption("--thorough") else (2,)
    trained_in_one_graph(layer, lambda batch: case.inputs(batch=batch), batches)


@pytest.mark.parametrize("name", ["lenet", *thoroughly("vae")])
def test_a_network_is_one_graph(name):
    network = NETWORKS[name]()
    shape = getattr(network, "encoder", network).input.shape[1:]
    rng = np.random.default_rng(0)
    # One size, since larger networks take the compiler long.
    trained_in_one_graph(network, lambda batch: rng.random((batch, *shape), "float32"), [2])


def test_a_network_that_was_compiled_elsewhere_predicts(monkeypatch, tmp_path, rng):
    """XLA's `jit_compile=True` comes along in a file, and the last batch may be smaller."""
    import torch

    fields = layers.Fields.regular(1, max_frequency=1)
    network = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            layers.SteerableConv2D({0: 1}, fields, 3),
            layers.SteerableBatchNormalization(fields),
            layers.FourierActivation(fields),
            layers.SteerableAveragePooling2D(fields),
        ]
    )
    images = rng.normal(size=(3, 6, 6, 1)).astype("float32")
    expected = keras.ops.convert_to_numpy(network(images))
    network.compile("sgd", "mse", jit_compile=True)
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    assert loaded.jit_compile
    compile_graphs, used = torch.compile, []

    def without_code(function, **options):  # making code takes the compiler minutes
        used.append(function)
        return compile_graphs(function, **{**options, "backend": "eager"})

    monkeypatch.setattr(torch, "compile", without_code)
    found = loaded.predict(images, batch_size=2, verbose=0)
    assert used
    np.testing.assert_allclose(found, expected, atol=1e-5)
