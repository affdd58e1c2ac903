"""Files from unknown sources: code is refused, and damage is reported."""

import json
import zipfile

import keras
import numpy as np
import pytest

from keras_gcnn import export
from tests.zoo.networks import build, images

pytestmark = pytest.mark.backend_free


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "network.keras"
    build("lenet", "p4").save(path)
    return path


def change(path, edit):
    """Writes the file again with another configuration."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(parts["config.json"])
    edit(config)
    parts["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


def test_a_network_is_loaded(saved):
    expected = build("lenet", "p4").predict(images((28, 28, 1)), verbose=0)
    found = export.load(saved).predict(images((28, 28, 1)), verbose=0)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_lambda_is_refused(tmp_path):
    image = keras.Input((4, 4, 1))
    model = keras.Model(image, keras.layers.Lambda(lambda x: x + 1)(image))
    model.save(tmp_path / "model.keras")
    with pytest.raises(ValueError, match=r"was refused: it holds 'Lambda', whose code"):
        export.load(tmp_path / "model.keras")


def test_a_foreign_class_is_refused_before_its_module_is_imported(saved, tmp_path, monkeypatch):
    (tmp_path / "evil_module.py").write_text("open('imported', 'w').close()")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)

    def edit(config):
        layer = config["config"]["layers"][1]
        layer.update({"module": "evil_module", "class_name": "Evil", "registered_name": None})

    change(saved, edit)
    with pytest.raises(ValueError, match="was refused: it holds 'Evil'"):
        export.load(saved)
    assert not (tmp_path / "imported").exists()


@keras.saving.register_keras_serializable(package="tests")
class Mine(keras.layers.Layer):
    def call(self, inputs):
        return inputs


def test_a_class_that_the_user_registered_is_loaded(tmp_path):
    image = keras.Input((4, 4, 1))
    keras.Model(image, Mine()(image)).save(tmp_path / "model.keras")
    assert isinstance(export.load(tmp_path / "model.keras").layers[-1], Mine)


def test_a_truncated_file_is_reported(saved):
    saved.write_bytes(saved.read_bytes()[:-1000])
    with pytest.raises(ValueError, match="truncated, or no Keras model"):
        export.load(saved)


def test_a_damaged_file_is_reported(saved):
    content = bytearray(saved.read_bytes())
    with zipfile.ZipFile(saved) as archive:
        weights = archive.getinfo("model.weights.h5")
    middle = weights.header_offset + weights.compress_size // 2
    content[middle : middle + 8] = bytes(8)
    content[middle + 8] ^= 0xFF
    saved.write_bytes(bytes(content))
    with pytest.raises(ValueError, match=r"its part 'model\.weights\.h5' is damaged"):
        export.load(saved)


@pytest.mark.parametrize(
    ("name", "content"),
    [("model.keras", b""), ("model.keras", b"PK\x03\x04"), ("model.txt", b"text")],
)
def test_a_file_of_another_format_is_reported(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=r"no \.keras file|truncated, or no Keras model"):
        export.load(tmp_path / name)


def test_a_broken_configuration_is_reported(saved):
    change(saved, lambda config: config.update({"config": {"layers": "none"}}))
    with pytest.raises(ValueError, match="cannot be loaded as a Keras model"):
        export.load(saved)


def test_the_argument_that_a_layer_refuses_is_named(saved):
    """Keras wraps the message of the layer into one about the whole model."""
    change(saved, lambda config: config["config"]["layers"][-1]["config"].update(of_later=1))
    with pytest.raises(ValueError, match=r"cannot be loaded as a Keras model: .*of_later"):
        export.load(saved)


@pytest.mark.parametrize(
    "text", ["[" * 200_000 + "]" * 200_000, '{"a":' * 600 + "1" + "}" * 600, "3", '"text"']
)
def test_a_strange_configuration_is_reported(saved, text):
    with zipfile.ZipFile(saved) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(saved, "w") as archive:
        for name, content in {**parts, "config.json": text.encode()}.items():
            archive.writestr(name, content)
    with pytest.raises(ValueError, match="cannot be loaded"):
        export.load(saved)


# Where the directory of a zip file says how its first part was written.
@pytest.mark.parametrize(("offset", "value"), [(8, 1), (10, 99)], ids=["encrypted", "packed"])
def test_a_part_that_cannot_be_read(saved, offset, value):
    content = bytearray(saved.read_bytes())
    content[content.index(b"PK\x01\x02") + offset] = value
    saved.write_bytes(bytes(content))
    with pytest.raises(ValueError, match="cannot be loaded"):
        export.load(saved)
