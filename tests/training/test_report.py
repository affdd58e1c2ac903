"""The table and the pictures of a run."""

import io
import json

import numpy as np
import pytest
from matplotlib.figure import Figure
from rich.console import Console

from keras_gcnn import training
from keras_gcnn.analysis import plot_accuracy_by_angle, plot_confusion, plot_errors
from keras_gcnn.training.environment import markdown_lines
from keras_gcnn.training.reports.report import print_table, table_rows
from keras_gcnn.training.runs import network_run as network

pytestmark = pytest.mark.backend_free


def result(network, seed, test, epochs, seconds):
    return {
        **{"network": network, "seed": seed, "parameters": 12345, "epochs": epochs},
        **{"seconds": seconds, "seconds_per_epoch": 1.0, "errors": {"test": test}},
    }


RESULTS = [result("a", 0, 1.0, 7, 60.0), result("a", 1, 3.0, 5, 120.0), result("b", 1, 4.0, 9, 6.0)]


def test_a_row_has_seeds_epochs_minutes_and_the_spread_over_seeds():
    assert [list(row.values()) for row in table_rows(RESULTS)] == [
        ["a", "12,345", "2", "7", "2.00 ± 1.41", "1.00", "1.50"],
        ["b", "12,345", "1", "9", "4.00", "1.00", "0.10"],
    ]


def test_the_table_fits_a_narrow_screen():
    console = Console(file=io.StringIO(), width=80)
    columns = ("test", "quarter turns", "mirrored", "any angle")
    wide = [
        {**one, "network": f"{one['network']}-with-a-long-name", "parameters": 2_600_000}
        | {"errors": dict.fromkeys(columns, one["errors"]["test"] + 10)}
        for one in RESULTS
    ]
    print_table(wide, "Title", console)
    shown = console.file.getvalue()
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= 80
    for text in ("2,600,000", "± 1.41", "mirrored", "minutes"):
        assert text in shown


def test_networks_are_columns_where_rows_have_no_room():
    console = Console(file=io.StringIO(), width=80)
    columns = ("test", "quarter turns", "mirrored", "any angle")
    losses = dict.fromkeys(("train", "validation", "test", "any angle"), 0.25)
    errors = dict.fromkeys(columns, 12.5)
    print_table([{**one, "errors": errors, "losses": losses} for one in RESULTS], "Title", console)
    lines = [line.split() for line in console.file.getvalue().splitlines()]
    assert ["network", "a", "b"] in lines
    assert ["quarter", "turns", "12.50", "12.50"] in lines


@pytest.mark.usefixtures("untrained")
def test_the_tables_say_what_bounds_their_numbers(load, tmp_path):
    own = ('name = "plain"', 'name = "plain"\nepochs = 2\nseeds = [3, 4]')
    training.train(load(own), tmp_path / "run")
    text = (tmp_path / "run" / "results.md").read_text()
    for part in (
        "At most this many epochs: 2 (plain); 4 (turning).",
        "Images: 120 for training, 60 for validation, 40 for testing.",
        "Seeds: 3, 4 (plain); 3 (turning).",
        "minutes of training are wall time, the mean over the seeds,",
        "at random, stratified by class (by each network's seed).",
        "![Accuracy by the angle of the test images](accuracy_by_angle.png)",
        "(errors.png)",
    ):
        assert part in text
    assert "(seed 3)" not in text
    assert "(seed 4)" not in text
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["images"] == {"training": 120, "validation": 60, "test": 40}
    assert results["networks"][0]["most_epochs"] == 2
    assert results["networks"][0]["seeds"] == [3, 4]
    assert [one["epochs"] for one in results["results"]] == [2, 2, 4]
    assert results["results"][2]["seconds"] == 24.0
    assert results["results"][2]["seconds_per_epoch"] == 6.0
    environment = results["results"][0]["environment"]
    assert environment["keras"] == results["environment"]["keras"]


@pytest.mark.usefixtures("untrained")
def test_the_tables_grow_with_every_network(load, tmp_path, monkeypatch):
    fit = network.fit

    def fail(model, dataset, settings, folder, **options):
        if folder.name == "turning-seed3":
            raise FloatingPointError
        return fit(model, dataset, settings, folder, **options)

    monkeypatch.setattr(network, "fit", fail)
    with pytest.raises(FloatingPointError):
        training.train(load(), tmp_path / "run")
    text = (tmp_path / "run" / "results.md").read_text()
    assert "| plain |" in text
    assert "Not yet trained: turning with seed 3." in text
    assert (tmp_path / "run" / "errors.png").is_file()


def test_an_environment_s_dates_and_loads_are_ranges():
    environments = [
        {"date": "2001", "keras": "3", "load": 1.5},
        {"date": "1999", "keras": "3", "load": 12.0},
        {"date": "2000", "keras": "3"},  # of an earlier version
    ]
    results = [{**RESULTS[0], "environment": one} for one in environments]
    assert markdown_lines(results) == ["- date: 1999 to 2001, keras: 3, load: 1.5 to 12.0."]
    assert markdown_lines(results[2:]) == ["- date: 2000, keras: 3."]


@pytest.fixture
def drawn(monkeypatch):
    figures = []
    save = Figure.savefig

    def keep(figure, *arguments, **options):
        figures.append(figure)
        save(figure, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", keep)
    return figures


def test_curves_have_a_band_only_with_several_seeds(drawn, tmp_path):
    curves = {
        "a": [{0.0: 90.0, 360.0: 90.0}, {0.0: 80.0, 360.0: 80.0}],
        **{f"b{one}": [{0.0: 50.0, 360.0: 50.0}] for one in range(9)},
    }
    plot_accuracy_by_angle(curves, tmp_path / "a.png")
    (axes,) = drawn[0].axes
    assert len(axes.lines) == len(curves)  # more than there are markers
    assert axes.lines[0].get_ydata().tolist() == [85.0, 85.0]
    (band,) = axes.collections
    heights = band.get_paths()[0].vertices[:, 1]
    deviation = np.std([80, 90], ddof=1)
    assert (heights.min(), heights.max()) == pytest.approx((85 - deviation, 85 + deviation))


def test_errors_are_drawn_with_their_spread(drawn, tmp_path):
    plot_errors({"a": [1.0, 3.0], "$b$": [4.0]}, tmp_path / "a.png", {"a": 50000, "$b$": 7}, "T")
    (axes,) = drawn[0].axes
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == ["a\n50,000 parameters", "$b$\n7 parameters"]
    dots = [line.get_xdata().tolist() for line in axes.lines if line.get_marker() == "o"]
    assert dots == [[1.0, 3.0], [4.0]]
    (bar,) = (bars.get_segments()[0] for bars in axes.collections)  # the single seed has none
    assert bar[:, 0] == pytest.approx([2 - np.sqrt(2), 2 + np.sqrt(2)])
    assert axes.yaxis_inverted()
    plot_errors({"a": [1.0]}, tmp_path / "b.png")


def test_confusions_are_drawn_in_percent_without_the_diagonal(drawn, tmp_path):
    matrices = {"one": [[6, 2], [0, 0]], "two": [[5, 0], [3, 1]]}
    plot_confusion(matrices, ["M", "$W$"], tmp_path / "a.png", "T")
    one, two, _ = drawn[0].axes
    shares = [axes.images[0].get_array().filled(-1) for axes in (one, two)]
    np.testing.assert_allclose(shares, [[[-1, 25], [0, -1]], [[-1, 0], [75, -1]]])
    assert {axes.images[0].norm.vmax for axes in (one, two)} == {75}
    assert [label.get_text() for label in one.get_yticklabels()] == ["M", "$W$"]
    assert two.get_title() == "two"
    plot_confusion({"none": [[1, 0], [0, 1]]}, ["M", "W"], tmp_path / "b.png")


def test_confusions_of_many_networks_and_classes_are_drawn(drawn, tmp_path):
    matrices = {str(one): np.eye(30) for one in range(3)}
    plot_confusion(matrices, [str(one) for one in range(30)], tmp_path / "a.png")
    assert sum(axes.axison for axes in drawn[0].axes) == 4  # with the colour bar
