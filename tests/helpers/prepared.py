"""Small data sets in the format of TensorFlow Datasets, written here."""

import numpy as np
import pytest

# Version, shape of the images, number of classes, and the feature with a text.
FORMS = {
    "emnist/letters": ("3.1.0", (28, 28, 1), 37, None),
    "emnist/bymerge": ("3.1.0", (28, 28, 1), 47, None),
    "cifar10": ("3.0.2", (32, 32, 3), 10, "id"),
    "patch_camelyon": ("2.0.0", (96, 96, 3), 2, "id"),
    "colorectal_histology": ("2.0.0", (150, 150, 3), 8, "filename"),
    "eurosat/rgb": ("2.0.0", (64, 64, 3), 10, "filename"),
}


def random_images(n, name, seed=0):
    """Images of the shape that a data set has."""
    _, shape, _, _ = FORMS[name]
    return np.random.default_rng(seed).integers(0, 256, (n, *shape), dtype="uint8")


def prepare(directory, name, splits, encoding="png"):
    """Writes a data set in TFDS' format: for each split images and labels; returns the directory.

    Skips the test where TensorFlow Datasets is missing.
    """
    tfds = pytest.importorskip("tensorflow_datasets")
    tfds.disable_progress_bar()
    version, shape, labels, text = FORMS[name]
    base, _, config = name.partition("/")
    features = tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(shape=shape, encoding_format=encoding),
            "label": tfds.features.ClassLabel(num_classes=labels),
            **({text: tfds.features.Text()} if text else {}),
        }
    )
    examples = {
        split: [
            (i, {"image": image, "label": label} | ({text: str(i)} if text else {}))
            for i, (image, label) in enumerate(zip(*content, strict=True))
        ]
        for split, content in splits.items()
    }
    tfds.dataset_builders.store_as_tfds_dataset(
        name=base,
        config=config or None,
        version=version,
        features=features,
        split_datasets=examples,
        data_dir=directory,
        disable_shuffling=True,
    )
    return directory
