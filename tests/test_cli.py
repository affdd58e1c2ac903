"""The command as a user runs it, in processes of its own."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

COMMAND = Path(sys.executable).with_name("keras-gcnn")
pytestmark = pytest.mark.skipif(not COMMAND.exists(), reason="the package is not installed")


def run(*arguments, cwd=None, **environment):
    done = subprocess.run(
        [COMMAND, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "COLUMNS": "120", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_train_and_evaluate(recipe_file, tmp_path):
    code, out, err = run("train", recipe_file, "--epochs", 1, "--subset", 64, cwd=tmp_path)
    assert code == 0, err
    for name in ("plain", "turning"):
        assert f"{name}  epoch 1/1" in out
    assert "quarter" in out
    (folder,) = (tmp_path / "runs").iterdir()
    model = folder / "turning-seed3" / "model.keras"
    code, out, err = run("evaluate", model, "--test-subset", 50, cwd=tmp_path)
    assert code == 0, err
    assert "lenet_p4" in out
    assert "quarter" in out


def test_the_backend_is_chosen_by_an_option(tmp_path):
    other = "torch" if keras.backend.backend() != "torch" else "tensorflow"
    # No such data set: it ends right after the backend is known, without training.
    code, out, err = run("train", "digits", "--backend", other, "--data", "none", cwd=tmp_path)
    assert code == 2
    assert f"backend {other}" in out
    assert "none" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "digit"), "Did you mean 'digits'"),
        (("train", "digits", "--epochs", "0"), "training.epochs"),
        (("train", "digits", "--backend", "theano"), "torch"),
        (("evaluate", "nowhere.keras"), "nowhere.keras"),
        (("evaluate", "nowhere.keras", "--data", "numbers"), "digits"),
    ],
)
def test_a_mistake_is_one_line_and_a_status(arguments, message, tmp_path):
    code, _, err = run(*arguments, cwd=tmp_path)
    assert code == 2
    assert message in err
    assert "Traceback" not in err


def test_recipes_and_help():
    code, out, _ = run("recipes")
    assert code == 0
    assert "digits" in out
    for command in ((), ("train",), ("evaluate",), ("recipes",)):
        code, out, _ = run(*command, "--help")
        assert code == 0
        assert "Usage" in out
