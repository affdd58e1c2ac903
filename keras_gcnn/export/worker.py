"""The second process of `formats`: writes one file with TensorFlow."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import keras
import numpy as np

from keras_gcnn.export import formats


def main() -> None:
    """Does the task in the folder that is the first argument."""
    folder = Path(sys.argv[1])
    task = json.loads((folder / "task.json").read_text(encoding="utf-8"))
    model = keras.saving.load_model(folder / "plain.keras", compile=False)
    with np.load(folder / "inputs.npz") as arrays:
        samples = [arrays[name] for name in arrays.files]
    write = formats.FORMATS[task["format"]].write
    try:
        found = write(model, Path(task["path"]), samples, task["metadata"])
    except Exception as error:  # of a converter, which may fail in any way
        (folder / formats.FAILURE).write_text(str(error), encoding="utf-8")
        raise
    formats.packed(folder / "outputs.npz", found)


if __name__ == "__main__":
    main()
