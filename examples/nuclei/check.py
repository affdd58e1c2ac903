"""Prints by how much the logits of a trained U-Net change when an image is turned or mirrored.

python check.py runs/nuclei/P4M-seed0/model.keras nuclei
"""

from __future__ import annotations

import sys

import numpy as np

from keras_gcnn import analysis, data, export


def main(model: str, folder: str) -> None:
    """Prints the largest difference for every element of p4m, relative to the largest logit."""
    dataset = data.load_folder(folder, target="mask", masks="foreground")
    images = np.asarray(dataset.test.images)
    errors = analysis.equivariance_error(
        export.load(model), "p4m", inputs=images, output_type="trivial"
    )
    for element, error in errors.items():
        print(f"{element}: {error:.1e}")


if __name__ == "__main__":
    main(*sys.argv[1:3])
