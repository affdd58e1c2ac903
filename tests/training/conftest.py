"""Runs in which nothing is trained."""

from pathlib import Path

import pytest
from matplotlib.figure import Figure


@pytest.fixture
def untrained(monkeypatch):
    """Networks are built and saved, but neither trained nor measured on rotated images.

    Plots are empty files: to draw them would take most of the time.

    Returns:
        A list that gets the folder's name of each network that would have been trained.
    """
    from keras_gcnn.training.runs import network_run as network
    from keras_gcnn.training.tasks import measurement

    trained = []

    def fit(model, dataset, settings, folder, **_):
        trained.append(folder.name)
        return [{"epoch": one + 1, "loss": 1.0, "seconds": 6.0} for one in range(settings.epochs)]

    def accuracy_by_angle(model, split, step):
        return dict.fromkeys(measurement.angles(step), 90.0)

    monkeypatch.setattr(Figure, "savefig", lambda figure, path, **_: Path(path).touch())
    monkeypatch.setattr(network, "fit", fit)
    monkeypatch.setattr(
        measurement, "rotated_errors", lambda *_: dict.fromkeys(measurement.COLUMNS[1:], 10.0)
    )
    monkeypatch.setattr(measurement, "accuracy_by_angle", accuracy_by_angle)
    return trained
