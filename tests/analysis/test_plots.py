"""The public plots: each returns its figure, and writes a file only if it gets a path."""

import sys

import numpy as np
import pytest
from matplotlib.figure import Figure

from keras_gcnn import analysis
from keras_gcnn.analysis import Audit, Finding
from keras_gcnn.layers import Fields, LiftingConv2D

pytestmark = pytest.mark.backend_free

IMAGES = np.linspace(0, 1, 2 * 8 * 8).reshape(2, 8, 8, 1)
VECTORS = np.random.default_rng(0).normal(size=(20, 3))
LABELS = np.arange(20) % 2
# Plots of layers and models have values in test_plots_of_models.py.
LAYER = LiftingConv2D(2, 3, "p4")
AUDIT = Audit("a", "p4", "p4", (Finding("conv", "GConv2D", "regular", "p4", (8,), error=1e-7),))
LAYER.build((None, 8, 8, 1))
ARGUMENTS = {
    "plot_accuracy_by_angle": ({"a": [{0: 98.0, 90: 41.0}]},),
    "plot_audit": (AUDIT,),
    "plot_confusion": ({"a": [[9, 1], [2, 8]]}, ["cat", "dog"]),
    "plot_equivariance": (LAYER, IMAGES[0], "p4"),
    "plot_errors": ({"a": [5.1, 4.9]},),
    "plot_fields": (LAYER, IMAGES[0], None),
    "plot_filters": (LAYER,),
    "plot_latent_vectors": (VECTORS, LABELS),
    "plot_masks": (IMAGES, (IMAGES[..., 0] > 0.5).astype(int), np.zeros((2, 8, 8), int)),
    "plot_reconstructions": (IMAGES, lambda x: x),
    "plot_reliability": (np.array([[0.9, 0.1], [0.4, 0.6]]), np.array([0, 0])),
    "plot_worst_errors": (IMAGES, np.array([1, 1]), np.array([[0.9, 0.1]] * 2), ["cat", "dog"]),
    "plot_trials": ({"p4": [(1.5, 4.0), (3.0, 2.5)]},),
    # Zeros have no longest arrow.
    "plot_turning_fields": (
        *(IMAGES, np.zeros((2, 8, 8, 3))),
        *(Fields.regular(1, max_frequency=1), (0, 90)),
    ),
}


def test_every_plot_is_tested():
    assert {name for name in analysis.__all__ if name.startswith("plot_")} == ARGUMENTS.keys()


@pytest.mark.parametrize("name", ARGUMENTS)
@pytest.mark.filterwarnings("error", "ignore:__array__ implementation")
def test_a_plot_returns_its_figure_with_and_without_a_path(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plot = getattr(analysis, name)
    figure = plot(*ARGUMENTS[name])
    assert isinstance(figure, Figure)
    assert not list(tmp_path.iterdir())
    title = figure.get_suptitle() or figure.axes[0].get_title()
    assert title
    path = tmp_path / "plot.svg"
    figure = plot(*ARGUMENTS[name], path, title="What $5 buy")
    assert "What $5 buy" in (figure.get_suptitle() or figure.axes[0].get_title())
    assert "<svg" in path.read_text()


@pytest.mark.parametrize(
    ("name", "bare", "named"),
    [
        ("plot_accuracy_by_angle", ({0: 98.0, 90: 41.0},), ({"": [{0: 98.0, 90: 41.0}]},)),
        ("plot_accuracy_by_angle", ([{0: 98.0}, {0: 96.0}],), ({"": [{0: 98.0}, {0: 96.0}]},)),
        ("plot_errors", (np.array([5.1, 4.9]),), ({"": [5.1, 4.9]},)),
        ("plot_confusion", (np.eye(2), ["a", "b"]), ({"": np.eye(2)}, ["a", "b"])),
        ("plot_trials", (np.array([[1.5, 4.0]]),), ({"": [(1.5, 4.0)]},)),
    ],
)
def test_values_need_no_name(name, bare, named):
    plot = getattr(analysis, name)
    assert plot(*bare)._repr_png_() == plot(*named)._repr_png_()


def test_a_notebook_shows_plots_without_pyplot():
    before = "matplotlib.pyplot" in sys.modules
    figure = analysis.plot_errors(*ARGUMENTS["plot_errors"])
    assert figure._repr_png_().startswith(b"\x89PNG")  # a notebook calls it
    assert ("matplotlib.pyplot" in sys.modules) == before
    if before:
        assert not sys.modules["matplotlib.pyplot"].get_fignums()


def test_latent_vectors_of_several_sets_and_of_named_classes():
    plane = VECTORS[:, :2]
    names = np.array(["cat", "dog"])[LABELS]
    figure = analysis.plot_latent_vectors({"upright": plane, "rotated": -plane}, names)
    assert [axes.get_title() for axes in figure.axes] == ["upright", "rotated"]
    drawn = np.concatenate([one.get_offsets() for axes in figure.axes for one in axes.collections])
    # All are shown from the mean of the first set, rotated or mirrored.
    by_class = np.argsort(LABELS, kind="stable")
    moved = np.concatenate([plane[by_class], -plane[by_class]]) - plane.mean(axis=0)
    drawn = np.asarray(drawn)  # from a masked array
    np.testing.assert_allclose(drawn @ drawn.T, moved @ moved.T, atol=1e-12)


@pytest.mark.parametrize(
    ("vectors", "labels", "message"),
    [
        (np.zeros((5, 1)), np.zeros(5), "m of 2 or more"),
        (np.zeros(5), np.zeros(5), "m of 2 or more"),
        ({}, np.zeros(5), "m of 2 or more"),
        (np.zeros((5, 2)), np.zeros(4), "do not fit"),
        ({"a": np.zeros((5, 2)), "b": np.zeros((5, 3))}, np.zeros(5), "do not fit"),
    ],
)
def test_latent_vectors_that_cannot_be_plotted_are_refused(vectors, labels, message):
    with pytest.raises(ValueError, match=message):
        analysis.plot_latent_vectors(vectors, labels)


def test_a_lack_of_matplotlib_is_explained(monkeypatch):
    monkeypatch.delitem(sys.modules, "keras_gcnn.analysis.plots.notebook", raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install 'keras-gcnn\[train\]'"):
        analysis.plot_errors(*ARGUMENTS["plot_errors"])


def test_reconstructions_need_a_function():
    with pytest.raises(TypeError, match=r"of type ndarray.*such as vae\.reconstruct"):
        analysis.plot_reconstructions(IMAGES, IMAGES)
