"""Configurations and weights that belong to no model, and models that are rare and load."""

import tempfile
import zipfile

import keras
import numpy as np
import pytest

from keras_gcnn import export, layers, zoo
from keras_gcnn.untrusted import demand
from tests.untrusted.hostile import WEIGHTS, configured, pack, refuse, weights


@pytest.mark.parametrize("suffix", [".weights.h5", ".keras"])
def test_the_zoo_refuses_the_same(dense, tmp_path, suffix):
    content = weights(dense, lambda group, name: group.create_dataset(name, (4, 2**26), "f4"))
    path = tmp_path / f"model{suffix}"
    if suffix == ".keras":
        pack(path, {**dense, WEIGHTS: content})
    else:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=r"cannot be loaded into.*do not fit into a file"):
        zoo.lenet("z2", weights=path)


@pytest.mark.parametrize("name", ["a" * 300 + ".keras", "a\0b.keras", "~nobody_at_all/a.keras"])
def test_names_of_no_file(name):
    with pytest.raises(ValueError, match=r"does not exist\. Give the path of a \.keras file"):
        export.load(name)
    with pytest.raises(ValueError, match="is no file of weights"):
        zoo.lenet("z2", weights=name)


def test_many_frequencies(steerable, tmp_path):
    def edit(config):
        for key in ("fields", "fields_in", "fields_out"):
            if len(config.get(key, ())) > 1:
                config[key] = {str(k): 1 for k in range(100)}
        if "kernel_size" in config:
            config["kernel_size"] = [31, 31]

    path = pack(tmp_path / "model.keras", configured(steerable, edit))
    refuse(path, "its steerable layers ask for tables")


# Fields of other groups state their fields one by one.
BLOCKS = {
    "many fields": ([[10**9, [0]]], 3),
    "fields of many irreps": ([[1, [0, 1] * 5000]], 3),
    "many kinds of fields": ([[1, [0]], [1, [1]]] * 500, 1),
}


@pytest.mark.parametrize(("blocks", "size"), BLOCKS.values(), ids=BLOCKS)
def test_fields_of_finite_groups(steerable, tmp_path, blocks, size):
    def edit(config):
        for key in ("fields", "fields_in", "fields_out"):
            if key in config:
                config[key] = {"group": "d4", "blocks": blocks}
        if "kernel_size" in config:
            config["kernel_size"] = [size, size]

    path = pack(tmp_path / "model.keras", configured(steerable, edit))
    refuse(path, "its steerable layers ask for tables")


def test_many_layers_with_large_tables():
    """Each has tables of its own, even if all have the same options."""
    fields = layers.Fields.regular(1, group="d16").as_json()
    layer = {"fields_in": fields, "fields_out": fields, "kernel_size": [11, 11]}
    demand.check_sizes({"layers": [layer] * 10}, 0)
    with pytest.raises(ValueError, match="its steerable layers ask for tables"):
        demand.check_sizes({"layers": [layer] * 1000}, 0)


@pytest.mark.parametrize(
    "fields",
    [
        5,
        {"group": "d4"},
        {"group": "d4", "blocks": [[1, "0"]]},
        {"group": "d4", "blocks": [[float("inf"), [0]]]},
        {"group": ["d4"], "blocks": [[1, [0]]]},
        {"group": "d201", "blocks": [[1, [0]]]},
    ],
    ids=str,
)
def test_what_are_no_fields(steerable, tmp_path, fields):
    def edit(config):
        for key in {"fields", "fields_in", "fields_out"} & config.keys():
            config[key] = fields

    path = pack(tmp_path / "model.keras", configured(steerable, edit))
    refuse(path, "cannot be loaded as a Keras model")


# Every one of them is a key of some layer, with a value that asks for gigabytes.
DEMANDS = {
    "units": (10**9, "has more than 999999999 weights"),
    "kernel_size": ([10_000, 10_000], "has more than 99999999 weights"),
    "samples": (4 * 10**8, "4096 is allowed"),
    "batch_shape": ([None, 50_000, 50_000, 1], "has an image of 2500000000 numbers"),
    "dilation_rate": ([100_000, 100_000], "its steerable layers ask for tables"),
}


@pytest.mark.parametrize("key", DEMANDS)
def test_what_a_layer_asks_for(dense, steerable, tmp_path, key):
    value, match = DEMANDS[key]
    parts = dense if key == "units" else steerable

    def edit(config):
        if key in config:
            config[key] = value

    refuse(pack(tmp_path / "model.keras", configured(parts, edit)), match)


def test_weights_are_counted_before_they_are_made(dense, tmp_path, monkeypatch):
    """No size is large by itself: those of two layers make a matrix of 36 million."""
    path = pack(
        tmp_path / "model.keras",
        configured(dense, lambda one: one.update({"units": 6000} if "units" in one else {})),
    )
    made = []
    call = keras.initializers.GlorotUniform.__call__
    monkeypatch.setattr(
        keras.initializers.GlorotUniform,
        "__call__",
        lambda self, shape, dtype=None: made.append(shape) or call(self, shape, dtype),
    )
    refuse(path, "its configuration asks for 36036000 weights, and it holds 23")
    assert not made


@keras.saving.register_keras_serializable(package="tests")
class Named(keras.layers.Layer):
    """Keeps names in a file beside its weights, and makes a variable from a value."""

    def __init__(self, names=(), fails=False, **kwargs):
        super().__init__(**kwargs)
        self.names, self.fails = list(names), fails
        self.scale = self.add_weight(name="scale", initializer="ones")
        self.start = keras.Variable(np.ones(3, "float32"))

    def call(self, inputs):
        return inputs * self.scale

    def save_assets(self, folder):
        with open(f"{folder}/names.txt", "w") as file:
            file.write("\n".join(self.names))

    def load_assets(self, folder):
        if self.fails:
            raise RuntimeError("no names")
        with open(f"{folder}/names.txt") as file:
            self.names = file.read().splitlines()

    def get_config(self):
        return {**super().get_config(), "fails": self.fails}


@pytest.mark.filterwarnings("ignore:Skipping nested container")
@pytest.mark.parametrize("fails", [False, True])
def test_files_beside_the_weights(tmp_path, monkeypatch, fails):
    """They are unpacked into a folder, which is gone afterwards, also when loading fails."""
    image = keras.Input((4,))
    model = keras.Model(image, Named(["one", "two"], fails)(image))
    path = tmp_path / "model.keras"
    model.save(path)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    if fails:
        with pytest.raises(ValueError, match="cannot be loaded as a Keras model"):
            export.load(path)
    else:
        assert export.load(path).layers[-1].names == ["one", "two"]
    assert not list(temporary.iterdir())


def test_a_file_that_was_packed_anew(dense, tmp_path, rng):
    """Zip programs compress, and add entries for folders."""
    path = pack(tmp_path / "model.keras", {**dense, "assets/": b""})
    x = rng.random((2, 4), dtype="float32")
    first = pack(tmp_path / "first.keras", dense, zipfile.ZIP_STORED)
    expected, found = (export.load(one).predict(x, verbose=0) for one in (first, path))
    np.testing.assert_array_equal(found, expected)


def test_a_recurrent_network_with_a_state(tmp_path):
    """Its states are variables made from values, which the count of weights has to go without."""
    image = keras.Input(batch_shape=(2, 5, 3))
    model = keras.Model(image, keras.layers.GRU(4, stateful=True)(image))
    model.save(tmp_path / "model.keras")
    assert export.load(tmp_path / "model.keras").count_params() == model.count_params()
