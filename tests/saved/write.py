"""Saves one small model of every layer class and of every zoo builder, with its predictions.

`python -m tests.saved.write` is run once for every release, with the code of that release. It
writes an archive with the number of the release; `test_saved.py` loads all archives with the code
of today.
"""

import tempfile
import zipfile
from pathlib import Path

import keras
import numpy as np

from keras_gcnn import __version__, export, layers, zoo
from tests.helpers.contract import CASES, functional
from tests.helpers.layers import randomize

IMAGE = (28, 28, 1)
NETWORKS = {
    "lenet": {"group": "p4", "widths": (2, 3)},
    "cohen_cnn": {"group": "p4m", "widths": (2, 2, 2, 2, 2, 2), "restrict_after": {2: "p4"}},
    "allcnn": {"group": "p4", "widths": (2, 2, 2)},
    "resnet": {"group": "p4", "widths": (2, 2, 2), "depth": 8},
    "so2cnn": {"widths": (2, 2), "kernel_sizes": (5, 3)},
    "steerable_cnn": {"group": "d6", "widths": (1, 2, 2), "restrict_after": {"2": "c6"}},
    "wide_resnet": {"group": "d3", "depth": 10, "widths": (1, 1, 1, 1)},
    "vae": {"group": "p4", "widths": (2, 2, 2), "decoder_widths": (2, 2, 2), "latent_dim": 3},
}


def latent_models():
    """The layers that take vectors, by the names of their classes."""
    vectors = keras.Input((4,))
    image = keras.Input((6, 6, 2))
    pair = keras.layers.Dense(2)(keras.layers.Flatten()(image))
    yield "UnitDirection", keras.Model(vectors, layers.UnitDirection()(vectors))
    yield "TurnByVector", keras.Model(image, layers.TurnByVector()([image, pair]))
    mu, kappa = layers.VonMisesFisherHead(3)(vectors)
    sample = layers.VonMisesFisherSampling()([mu, layers.KLToUniform(3)(kappa)])
    outputs = keras.layers.Concatenate()([sample, kappa])
    yield "VonMisesFisher", keras.Model(vectors, outputs)
    mean, log_variance = keras.layers.Dense(3)(vectors), keras.layers.Dense(3)(vectors)
    sample = layers.GaussianSampling()([mean, log_variance])
    yield "GaussianSampling", keras.Model(vectors, sample)


def models():
    """Name and model, and the shape of its inputs."""
    for case in CASES:
        inputs = case.inputs()
        yield case.layer_class.__name__, functional(case.make(), inputs), inputs.shape[1:]
    for name, model in latent_models():
        yield name, model, model.inputs[0].shape[1:]
    for builder, arguments in NETWORKS.items():
        yield builder, getattr(zoo, builder)(input_shape=IMAGE, **arguments), IMAGE


def predictions(model, inputs):
    """Every output in one array of float32."""
    outputs = keras.tree.flatten(model(inputs, training=False))
    arrays = [keras.ops.convert_to_numpy(output).reshape(len(inputs), -1) for output in outputs]
    return np.concatenate(arrays, axis=1).astype("float32")


def write(folder):
    rng = np.random.default_rng(0)
    for name, model, shape in models():
        randomize(model, rng)
        inputs = rng.uniform(size=(2, *shape)).astype("float32")
        save(model, name, folder, inputs)
        if name in NETWORKS:
            model.save_weights(folder / f"{name}.weights.h5")
        if name == "lenet":
            save(export.for_inference(model), "for_inference", folder, inputs)


def save(model, name, folder, inputs):
    model.save(folder / f"{name}.keras")
    np.savez(folder / f"{name}.npz", inputs=inputs, outputs=predictions(model, inputs))


def main():
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder))
        path = Path(__file__).with_name(f"{__version__}.zip")
        with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
            for file in sorted(Path(folder).iterdir()):
                archive.write(file, file.name)


if __name__ == "__main__":
    main()
