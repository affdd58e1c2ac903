"""The examples run."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from keras_gcnn.analysis import plot_turning_fields
from keras_gcnn.layers import Fields

pytestmark = pytest.mark.backend_free
EXAMPLES = Path(__file__).parents[1] / "examples"


def load(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_turning_fields_writes_a_plot(tmp_path):
    load("turning_fields").plot(tmp_path / "fields.png", layer="pool2")
    assert (tmp_path / "fields.png").stat().st_size > 10_000


def test_the_error_lists_the_layers_that_can_be_plotted(tmp_path, capsys):
    with pytest.raises(SystemExit):
        load("turning_fields").main([str(tmp_path / "no.png"), "--layer", "head"])
    error = capsys.readouterr().err
    assert "layer='head' has no fields to plot. Choose one of conv1, norm1, " in error
    assert "mask" not in error


def test_the_options_are_explained(capsys):
    with pytest.raises(SystemExit):
        load("turning_fields").main(["--help"])
    assert "which field of the layer" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        (Fields.trivial(4), 0, "no field with both frequencies"),
        (Fields.regular(2, max_frequency=1), 2, "from 0 to 1"),
        (Fields.regular(3, max_frequency=1), 0, "do not fit together"),
    ],
)
def test_fields_that_cannot_be_plotted_are_refused(fields, field, message, tmp_path):
    images, maps = np.zeros((2, 5, 5, 1)), np.zeros((2, 5, 5, 6))
    with pytest.raises(ValueError, match=message):
        plot_turning_fields(images, maps, fields, (0, 90), tmp_path / "no.png", field=field)
    assert not list(tmp_path.iterdir())
