"""Writes files that ask for more than they are, and expects that they are refused."""

import io
import json
import tracemalloc
import zipfile

import h5py
import pytest

from keras_gcnn import export

CONFIG, WEIGHTS = "config.json", "model.weights.h5"
MOST = 50_000_000  # bytes of memory until a file is refused; without checks 100 MB to 4 GB


def parts_of(model, path):
    """The entries of a saved model."""
    model.save(path)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pack(path, parts, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


def refuse(path, match):
    """Loads a file, which has to fail without taking memory; the memory of the backend is apart."""
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=match):
            export.load(path)
        assert tracemalloc.get_traced_memory()[1] < MOST
    finally:
        tracemalloc.stop()


def configured(parts, edit):
    """The entries with another configuration: `edit` changes the dict of each layer's."""
    config = json.loads(parts[CONFIG])
    for layer in config["config"]["layers"]:
        layer.pop("build_config", None)
        edit(layer["config"])
    return {**parts, CONFIG: json.dumps(config).encode()}


def weights(parts, make):
    """The HDF5 of the entries with its first dataset made anew."""
    file = io.BytesIO(parts[WEIGHTS])
    with h5py.File(file, "r+") as root:
        group = root["layers/dense/vars"]
        del group["0"]
        make(group, "0")
    return file.getvalue()
