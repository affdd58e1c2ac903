"""Makes what the page to play with loads, in docs/play/parts and docs/play/runtime.

`make docs` and `make play` run `python -m website.play.build`. The networks are written by
`keras_gcnn.export.save` from published weights, so that the repository has them once; those of the
autoencoder are beside this file, which `publish.py` wrote.
"""

from __future__ import annotations

import gzip
import os
import shutil
import tomllib
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

from keras_gcnn import export, zoo

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "play"
PARTS, RUNTIME = PAGE / "parts", PAGE / "runtime"
RECIPE, WEIGHTS = HERE / "autoencoder.toml", HERE / "autoencoder.weights.h5"
# The smallest build of ONNX Runtime Web: WebAssembly for the CPU, nothing for graphics processors.
SCRIPTS = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs")
BINARY = "ort-wasm-simd-threaded.wasm"


def classifiers() -> dict[str, tuple[keras.Model, str]]:
    """Returns the networks of the page, each with the layer whose maps are shown."""
    return {
        "plain": (zoo.cohen_cnn("z2", weights="mnist"), "relu1"),
        "p4": (zoo.cohen_cnn("p4", weights="mnist"), "relu1"),
        "so2": (zoo.so2cnn(weights="mnist"), "activation1"),
    }


def autoencoder() -> zoo.VariationalAutoencoder:
    """Returns the trained autoencoder."""
    (model,) = tomllib.loads(RECIPE.read_text(encoding="utf-8"))["models"]
    return zoo.vae(**model["arguments"], weights=WEIGHTS)


def with_maps(network: keras.Model, layer: str) -> keras.Model:
    """Returns the network with the maps of a layer as a second output."""
    outputs = {"logits": network.output, "maps": network.get_layer(layer).output}
    return keras.Model(network.input, outputs, name=network.name)


def write_networks() -> None:
    """Writes the networks; together they have less than 6 MB."""
    for name, (network, layer) in classifiers().items():
        export.save(with_maps(network, layer), PARTS / f"{name}.onnx")
    model = autoencoder()
    export.save(model.encoder, PARTS / "encoder.onnx")
    export.save(model.decoder, PARTS / "decoder.onnx")


def copy_runtime() -> None:
    """Copies ONNX Runtime Web from where `npm ci` put it.

    The binary is compressed to a quarter, which not every static host would do.
    """
    source = HERE.parent / "node_modules" / "onnxruntime-web" / "dist"
    for name in SCRIPTS:
        shutil.copyfile(source / name, RUNTIME / name)
    packed = gzip.compress((source / BINARY).read_bytes(), mtime=0)
    (RUNTIME / f"{BINARY}.gz").write_bytes(packed)


if __name__ == "__main__":
    for folder in (PARTS, RUNTIME):
        folder.mkdir(exist_ok=True)
    copy_runtime()
    write_networks()
