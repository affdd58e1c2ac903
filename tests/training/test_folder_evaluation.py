"""Which images of a folder a saved model is measured on."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from keras_gcnn.training.tasks.folder_evaluation import load_like_training

pytestmark = pytest.mark.backend_free


@pytest.mark.parametrize("target", ["class", "mask"])
def test_a_folder_without_test_images_is_measured_whole(tmp_path, monkeypatch, target):
    monkeypatch.setenv("KERAS_GCNN_CACHE", str(tmp_path / "cache"))
    below = {"class": ("a", "b"), "mask": ("images", "masks")}[target]
    values = {}
    for place, count in {"train": 4, "validation": 3}.items():
        for number in range(count):
            for which, name in enumerate(below):
                value = 100 * which + 10 * count + number
                values[value] = which
                path = tmp_path / "all" / place / name / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.new("L", (2, 2), value).save(path)
    model = SimpleNamespace(input_shape=(None, 2, 2, 1))
    masks = sorted(value for value in values if values[value])
    known = {"classes": {"class": ["a", "b"], "mask": list(map(str, masks))}[target]}
    silence = Console(quiet=True)
    test = load_like_training(model, tmp_path / "all", known, silence, target=target).test
    pixels = np.round(255 * test.images[:][:, 0, 0, 0]).astype(int).tolist()
    labels = test.labels[:]
    if target == "class":
        assert sorted(pixels) == sorted(values)
        assert [values[pixel] for pixel in pixels] == labels.tolist()
    else:  # the masks have the values of the images and 100 more, in ascending order
        assert sorted(pixels) == sorted(value for value in values if not values[value])
        assert [masks[index] - 100 for index in labels[:, 0, 0]] == pixels
