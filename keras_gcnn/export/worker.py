"""The second process of `formats`, which writes one file with TensorFlow."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import keras
import numpy as np

from keras_gcnn.export import formats


def main() -> None:
    """Carries out the task in the folder that the first argument names."""
    folder = Path(sys.argv[1])
    task = json.loads((folder / "task.json").read_text(encoding="utf-8"))
    model = keras.saving.load_model(folder / "plain.keras", compile=False)
    with np.load(folder / "inputs.npz") as arrays:
        samples = [arrays[name] for name in arrays.files]
    write = formats.FORMATS[task["format"]].write
    try:
        outputs = write(model, Path(task["path"]), samples, task["metadata"])
    except Exception as error:  # a converter may raise anything
        (folder / formats.FAILURE).write_text(str(error), encoding="utf-8")
        raise
    formats.write_outputs(folder / "outputs.npz", outputs)


if __name__ == "__main__":
    main()
