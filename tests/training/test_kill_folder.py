"""A training on a folder of images that is killed ten times ends like one that never was."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

_RECIPE = """
title = "stripes"
[data]
folder = {folder}
size = 16
validation = 12
test = 12
[training]
epochs = 4
batch_size = 8
schedule = "cosine"
augment = {{ rotate = "any", flip = "both" }}
[evaluation]
angles = false
[[models]]
name = "P4"
builder = "lenet"
arguments = {{ group = "p4", widths = [2, 2] }}
"""
_MOMENTS = 10


def start(recipe, run, cache):
    return subprocess.Popen(
        [sys.executable, "-m", "keras_gcnn", "train", recipe, "--run-dir", run],
        env={**os.environ, "KERAS_GCNN_CACHE": str(cache)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def result_of(run):
    result = json.loads((run / "P4-seed0" / "result.json").read_text())
    rows = (run / "P4-seed0" / "history.csv").read_text().splitlines()
    return result["errors"], [row.split(",")[:-1] for row in rows]


@pytest.mark.thorough
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kills processes the POSIX way")
def test_killed_at_ten_moments(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for number in range(60):
            pixels = rng.integers(0, 255, (160, 160, 3), "uint8")
            Image.fromarray(pixels).save(tmp_path / "images" / name / f"{number}.png")
    recipe = tmp_path / "stripes.toml"
    recipe.write_text(_RECIPE.format(folder=json.dumps(str(tmp_path / "images"))))

    began = time.monotonic()
    process = start(recipe, tmp_path / "whole", tmp_path / "cache")
    assert process.wait(600) == 0, process.stdout.read()
    seconds = time.monotonic() - began

    killed = 0
    for moment in range(
        1, _MOMENTS + 1
    ):  # the first before anything is decoded, the last at the end
        process = start(recipe, tmp_path / "killed", tmp_path / "other cache")
        try:
            assert process.wait(seconds * moment / (_MOMENTS + 1)) == 0, process.stdout.read()
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            killed += 1
        process.stdout.close()
    assert killed >= _MOMENTS // 2  # later ones may have finished what earlier ones began
    process = start(recipe, tmp_path / "killed", tmp_path / "other cache")
    assert process.wait(600) == 0, process.stdout.read()

    (whole, history), (again, continued) = (
        result_of(tmp_path / run) for run in ("whole", "killed")
    )
    assert again == whole
    assert len(history) == len(continued) == 5
    for row, other in zip(history[1:], continued[1:], strict=True):
        np.testing.assert_allclose(*(np.array(each, float) for each in (row, other)), rtol=1e-5)
