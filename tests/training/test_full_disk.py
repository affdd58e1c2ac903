"""A full disk ends a run by a sentence; what was finished is kept, and the run goes on later."""

import errno
import json
import subprocess
import sys

import keras
import pytest

from keras_gcnn import export, zoo
from keras_gcnn.full_disk import FullDiskError
from keras_gcnn.training import atomic_files
from keras_gcnn.training.inputs.datasets import load_dataset
from keras_gcnn.training.loop import fitting, weights_file
from keras_gcnn.training.runs.networks import build_network

pytestmark = pytest.mark.backend_free
# A limit on the sizes of files fails as a full disk does, and needs no rights to set. It is done in
# a process of its own, since the HDF5 library would crash it.
_TRAIN = """
import resource, sys
from keras_gcnn import cli

unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
sys.argv = ["keras-gcnn", "train", sys.argv[1], "--run-dir", sys.argv[2]]
for limit in (100, 8_000, 180_000):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, unlimited[1]))
    try:
        cli.main()
    except SystemExit as ended:
        print("ended with", ended.code)
resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
cli.main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="has no limit on the sizes of files")
def test_a_run_goes_on_when_there_is_space_again(load, tmp_path):
    load(("epochs = 4", "epochs = 1"))
    recipe = tmp_path / "changed.toml"
    folder = tmp_path / "run"
    command = [sys.executable, "-c", _TRAIN, recipe, folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("ended with 2\n") == 3
    errors = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    # The recipe, then the weights after an epoch, then the whole model, which is larger.
    files = ["recipe.json", "epoch0001.weights.npz", "model.keras"]
    for line, name in zip(errors, files, strict=True):
        assert f"{name} could not be written (File too large). Everything that was finished" in line
    assert done.stdout.count("plain  epoch 1/1") == 1  # not again after its state was written
    assert len(json.loads((folder / "results.json").read_text())["results"]) == 2
    assert not list(folder.rglob(".partial-*"))


def test_the_state_of_the_last_epoch_is_kept(load, tmp_path, monkeypatch):
    recipe = load(("epochs = 4", "epochs = 2"), ("subset = 120", "subset = 32"))
    dataset = load_dataset(recipe.data, 3)

    def train(folder):
        network = build_network(recipe.models[0], dataset, 3)
        return fitting.fit(network, dataset, recipe.training, folder, seed=3)

    def fill(model, path):
        save(model, path)
        if path.name.endswith("epoch0002.weights.npz"):
            raise OSError(errno.ENOSPC, "No space left on device")

    whole = train(tmp_path / "whole")
    save = weights_file.save
    monkeypatch.setattr(weights_file, "save", fill)
    with pytest.raises(FullDiskError, match=r"0002\.weights\.npz .*No space left.*Free some space"):
        train(tmp_path / "again")
    names = {one.name for one in (tmp_path / "again" / "checkpoint").iterdir()}
    assert names == {"state.json", "epoch0001.weights.npz"}
    monkeypatch.undo()
    history = train(tmp_path / "again")
    for one, other in zip(history, whole, strict=True):
        one.pop("seconds"), other.pop("seconds")
        assert one == pytest.approx(other, rel=1e-5)


def test_weights_of_version_0_1_are_gone_on_with(load, tmp_path, monkeypatch):
    recipe = load(("epochs = 4", "epochs = 2"), ("subset = 120", "subset = 32"))
    dataset = load_dataset(recipe.data, 3)
    short = recipe.training.model_copy(update={"epochs": 1})
    histories = []
    for old in (False, True):
        folder = tmp_path / str(old)
        network = build_network(recipe.models[0], dataset, 3)
        fitting.fit(network, dataset, short, folder, seed=3)
        if old:
            path = folder / "checkpoint" / "epoch0001.weights.npz"
            network.save_weights(path.with_suffix(".h5"))
            path.unlink()
            state = folder / "checkpoint" / "state.json"
            state.write_text(state.read_text().replace(path.name, path.with_suffix(".h5").name))
        network = build_network(recipe.models[0], dataset, 3)
        histories.append(fitting.fit(network, dataset, recipe.training, folder, seed=3))
        assert [one.suffix for one in (folder / "checkpoint").glob("epoch0002*")] == [".npz"]
    assert histories[0][1]["loss"] == pytest.approx(histories[1][1]["loss"], rel=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16", "bfloat16"])
def test_weights_and_optimizer_are_written_and_read(dtype, tmp_path):
    def make(units=3):
        inner = keras.layers.Dense(units, dtype=dtype)
        model = keras.Sequential([keras.Input((4,)), inner, keras.layers.BatchNormalization()])
        model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse")
        model.optimizer.build(model.trainable_variables)
        return model

    def values(model):
        return [
            keras.ops.convert_to_numpy(one).astype("float32").tolist()
            for one in (*model.weights, *model.optimizer.variables)
        ]

    first, second = make(), make()
    for number, one in enumerate((*first.weights, *first.optimizer.variables)):
        one.assign(keras.ops.full(one.shape, number % 7, one.dtype))
    weights_file.save(first, tmp_path / "a.npz")
    weights_file.load(second, tmp_path / "a.npz")
    assert values(first) == values(second)
    with pytest.raises(ValueError, match="other shapes"):
        weights_file.load(make(units=2), tmp_path / "a.npz")


def test_an_export_names_its_file_and_leaves_nothing(tmp_path, monkeypatch):
    def fill(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(keras.Model, "save", fill)
    with pytest.raises(FullDiskError, match=r"a\.keras could not be written \(No space left"):
        export.save(zoo.lenet("z2", widths=(2, 2)), tmp_path / "a.keras")
    assert not list(tmp_path.iterdir())


def test_other_errors_of_files_stay_as_they_are(tmp_path):
    def forbid(path):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    with pytest.raises(PermissionError, match="denied"):
        atomic_files.write(tmp_path / "a", forbid)
