"""The studies beside the suite of benchmarks: what they compute, choose and write."""

from types import SimpleNamespace

import numpy as np
import pytest

pytestmark = pytest.mark.backend_free


def test_of_all_conversions_of_a_network_the_page_has_the_worst():
    from benchmarks.studies.convert_applications import summary

    names = {"network": "VGG16", "backend": "jax", "loss falls": "yes", "left out": ""}
    same = {**names, "loaded elsewhere": "0e+00", "ONNX": "1e-06", "to_plain": "2e-07"}
    rows = [
        {**same, "keep": "channels", "size": 32, "error": "9e-07", "images differ": "1e-01"},
        {**same, "keep": "channels", "size": 96, "error": "1e-06", "images differ": "2e-02"},
        {**same, "keep": "fields", "size": 32, "error": "", "left out": "more than most"},
    ]
    rows = [{**row, "convert, s": number} for number, row in enumerate(rows)]
    rows[1] |= {"ONNX": "cannot be written", "loss falls": "no: 1 to 2"}
    assert summary(rows) == [
        {
            "network": "VGG16",
            "backend": "jax",
            "measured": "channels 32 and 96",
            "left out": "fields 32: more than most",
            "images differ": "2e-02",
            "error": "1e-06",
            "loaded elsewhere": "0e+00",
            "ONNX": "cannot be written",
            "to_plain": "2e-07",
            "loss falls": "no: 1 to 2",
            "convert, s": 1,
        }
    ]


def test_files_in_integers_answer_in_batches_and_know_no_quarter_turns(tmp_path):
    """The table has each file's answers to all images, and how far a quarter turn moves them."""
    from benchmarks.studies import integers
    from keras_gcnn import export, zoo

    images = np.random.default_rng(0).random((10, 28, 28, 1), "float32")
    network = zoo.lenet("p4", widths=(2, 3))
    paths = [
        export.save(network, tmp_path / "floats.onnx"),
        export.save(network, tmp_path / "int8.onnx", quantize="int8", calibration=images),
    ]
    floats, small = (integers.open_file(path, batch_size=4) for path in paths)
    np.testing.assert_allclose(floats(images), network.predict(images, verbose=0), atol=1e-4)
    turned = np.ascontiguousarray(np.rot90(images, axes=(1, 2)))
    assert np.array_equal(small(turned), small(images))
    assert not np.array_equal(small(images), floats(images))


def test_fewer_products_compute_the_same(monkeypatch):
    from benchmarks.studies import fewer_products

    monkeypatch.setattr(fewer_products, "SIZE", 6)
    timed, error = fewer_products.measure("p4m", 16, 5, batch_size=2, steps=2)
    assert error < 1e-5  # else it would have stopped
    rows = fewer_products.rows("a backend", "p4m", 16, 5, timed, error)
    assert [row["what"] for row in rows] == ["inference", "training"]


def test_a_plain_network_trains_until_the_time_is_over_or_the_error_is_reached(tmp_path):
    from benchmarks.studies import plain_search

    images, labels = np.zeros((8, 28, 28, 1), "float32"), np.arange(8)
    archive = tmp_path / "data.npz"
    np.savez(archive, images=images, labels=labels, test_images=images, test_labels=labels)
    work = str(archive), 2_000, 1e-3
    points = plain_search.train(*work, seconds=0.1, error=0.0)
    assert points[-1]["seconds"] >= 0.1
    assert all(0 < point["error"] <= 1 for point in points)
    assert len(plain_search.train(*work, seconds=60, error=1.0)) == 1


@pytest.mark.parametrize(
    ("sooner", "seconds", "told"),
    [
        (0.02, 70.0, "has 25,000 weights and a learning rate of 0.01. The search"),
        (0.04, 200.0, "has 1,000,000 weights and a learning rate of 0.01, the best of these, trai"),
    ],
)
def test_the_first_plain_network_with_the_error_counts(monkeypatch, sooner, seconds, told):
    """A run of the search may be there before the best one, which trains again for longer."""
    from benchmarks.studies import time_to_error

    def run(function, data, parameters, rate, limit, error):
        if limit == 5 * 40:
            return [{"seconds": 100.0, "error": 0.05}, {"seconds": 200.0, "error": 0.02}]
        errors = {(25_000, 1e-2): sooner, (1_000_000, 1e-2): 0.015}
        last = {(1_000_000, 1e-2): 250.0}.get((parameters, rate), 70.0)
        return [{"seconds": last, "error": errors.get((parameters, rate), 0.1)}]

    monkeypatch.setattr(time_to_error, "Environment", lambda backend: SimpleNamespace(run=run))
    last, note = time_to_error.beside_plain("jax", "data", 40, 0.025)
    assert last["seconds"] == seconds
    assert told in note
