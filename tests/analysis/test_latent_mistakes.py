"""Errors about embeddings and arguments that cannot be measured."""

import math
import sys

import numpy as np
import pytest

from keras_gcnn import analysis
from tests.helpers.embeddings import flat, split, spot

pytestmark = pytest.mark.backend_free
_SPLIT = split(np.eye(50), [0, 1] * 25)
_EMPTY = split(np.empty((0, 50)), [])
_MEASURES = (
    lambda embed: analysis.rotation_leakage(embed, spot(50), 2),
    lambda embed: analysis.angle_probe(embed, spot(50)),
    lambda embed: analysis.knn_accuracy(embed, _SPLIT, _SPLIT, 50),
    lambda embed: analysis.clustering_accuracy(embed, _SPLIT),
)


@pytest.mark.parametrize("measure", _MEASURES)
@pytest.mark.parametrize(
    ("embed", "message"),
    [
        (lambda x: x, r"50 images is float64 of shape \(50, .*expected .*\(50, m\)"),
        (lambda x: flat(x)[:-1], r"shape \(49, .*\(50, m\)"),
        (lambda x: np.empty((len(x), 0)), r"shape \(50, 0\)"),
        (lambda x: flat(x) + 1j, "complex128 .*real numbers"),
        (
            lambda x: np.where(np.eye(50)[:, :5] == 1, np.nan, flat(x)[:, :5]),
            "5 of 50 .* not finite",
        ),
        (lambda x: np.full((len(x), 1), np.inf), "50 of 50 images is not finite"),
    ],
)
def test_embeddings_of_a_wrong_form_are_refused(measure, embed, message):
    with pytest.raises(ValueError, match=message):
        measure(embed)


@pytest.mark.parametrize("measure", _MEASURES)
@pytest.mark.parametrize("dtype", ["float16", "float32", "int32"])
def test_embeddings_of_any_real_type_are_measured(measure, dtype):
    found = measure(lambda x: (100 * flat(x) + 1).astype(dtype))
    assert math.isfinite(getattr(found, "ratio", found))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: analysis.rotation_leakage(flat, spot(3), 1), "angles=1; expected .*at least 2"),
        (lambda: analysis.rotation_leakage(flat, spot(3), 8.0), r"angles=8\.0; expected .*int"),
        (lambda: analysis.rotation_leakage(flat, spot(1)), "1 images .*at least two"),
        (lambda: analysis.rotation_leakage(flat, spot(3)[..., 0]), "four axes"),
        (lambda: analysis.angle_probe(flat, spot(39)), "39 images are too few.*at least 40"),
        (
            lambda: analysis.knn_accuracy(flat, _SPLIT, _SPLIT),
            "labels=1000 of 50 training images of 2 classes. Choose from 2, .*to 50",
        ),
        (lambda: analysis.knn_accuracy(flat, _SPLIT, _SPLIT, 1), "labels=1 .*Choose from 2"),
        (
            lambda: analysis.knn_accuracy(flat, _SPLIT, _SPLIT, 4),
            "neighbors=5 of 4 labels. Choose from 1 to 4",
        ),
        (lambda: analysis.knn_accuracy(flat, _SPLIT, _SPLIT, 4, 0), "neighbors=0"),
        (lambda: analysis.knn_accuracy(flat, _SPLIT, _EMPTY, 40), "test split has 0 images"),
        (lambda: analysis.knn_accuracy(flat, _EMPTY, _SPLIT, 40), "training split has 0 images"),
        (
            lambda: analysis.knn_accuracy(flat, split(np.eye(4), np.eye(4)), _SPLIT, 4),
            r"labels of shape \(4, 4\).*argmax",
        ),
        (lambda: analysis.clustering_accuracy(flat, _EMPTY), "has 0 images"),
        (lambda: analysis.clustering_accuracy(flat, _SPLIT, 0), "clusters=0 .*Choose 1 to 50"),
        (lambda: analysis.clustering_accuracy(flat, _SPLIT, 51), "clusters=51 of 50 images"),
    ],
)
def test_mistakes_are_explained(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("measure", _MEASURES[1:])
def test_a_missing_package_is_named(measure, monkeypatch):
    for module in ("ensemble", "neighbors", "cluster", "preprocessing"):
        monkeypatch.setitem(sys.modules, f"sklearn.{module}", None)
    with pytest.raises(ImportError, match="pip install scikit-learn"):
        measure(flat)
