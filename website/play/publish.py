"""Takes the weights of the page's autoencoder from a run of its recipe.

keras-gcnn train website/play/autoencoder.toml --run-dir runs/play
python -m website.play.publish runs/play
"""

from __future__ import annotations

import sys
from pathlib import Path

import keras

import keras_gcnn  # noqa: F401 (registers the layers)
from website.play.build import WEIGHTS, autoencoder

if __name__ == "__main__":
    (file,) = Path(sys.argv[1]).rglob("model.keras")
    keras.saving.load_model(file, compile=False).save_weights(WEIGHTS)
    autoencoder()  # the file fits the network of the recipe, or this raises
