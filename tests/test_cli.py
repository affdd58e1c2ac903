"""The command as a user runs it, in processes of its own."""

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from keras_gcnn import cli, zoo
from keras_gcnn.training import backend
from keras_gcnn.training.recipes.schema import find_recipe, load_recipe, recipe_names

COMMAND = Path(sys.executable).with_name("keras-gcnn")
pytestmark = [
    pytest.mark.backend_free,
    pytest.mark.skipif(not COMMAND.exists(), reason="the package is not installed"),
]


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


def test_train_and_evaluate(single_recipe_file, tmp_path, call):
    arguments = ("train", single_recipe_file, "--epochs", 1, "--subset", 40)
    current = keras.backend.backend()
    code, out, err = run(*arguments, cwd=tmp_path, KERAS_BACKEND=current)
    assert code == 0, err
    assert "turning  epoch 1/1" in out
    assert out.index("epoch 1/1") < out.index("turning  testing\n") < out.index("quarter")
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name == "small"  # the environment's backend is no part of the name
    # An option is stronger than the environment, and a run stays on its backend.
    other = "torch" if current != "torch" else "tensorflow"
    options = ("--backend", other, "--run-dir", folder)
    code, out, err = run(*arguments, *options, cwd=tmp_path, KERAS_BACKEND=current)
    assert code == 2
    assert f"backend {other}" in out
    assert f'backend was "{current}" and is "{other}"' in err
    code, out, _ = call("evaluate", folder / "turning-seed3" / "model.keras", "--test-subset", 50)
    assert code == 0
    assert "lenet_p4" in out
    assert "quarter" in out


def test_a_part_of_a_recipe_is_trained(recipe_file, tmp_path, call):
    recipe_file.write_text(recipe_file.read_text().replace("seeds = [3]", "seeds = [3, 4]"))
    options = ("--epochs", 1, "--test-subset", 20, "--networks", "plain", "--seed", 4)
    code, _, err = call("train", recipe_file, *options, "--run-dir", "own")
    assert code == 0, err
    assert [path.name for path in (tmp_path / "own").glob("*-seed*")] == ["plain-seed4"]
    results = json.loads((tmp_path / "own" / "results.json").read_text())
    assert results["images"]["test"] == 20
    assert len(results["missing"]) == 3
    options = ("--networks", "plan", "--networks", "turning")
    code, _, err = call("train", recipe_file, *options, "--run-dir", "own")
    assert code == 2
    assert "has no 'plan'. Give some of plain, turning" in err
    assert "--networks plain --networks turning" in err
    options = ("--networks", "plain", "--fresh", "--run-dir", "own")
    code, _, err = call("train", recipe_file, *options)
    assert code == 2
    assert "--fresh" in err
    assert (tmp_path / "own" / "plain-seed4" / "result.json").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "digit"), "Did you mean 'digits'"),
        (("train", "[/x]"), "no recipe '[/x]'"),
        (("train", "digits", "--epochs", "0"), "training.epochs"),
        (("train", "digits", "--backend", "theano"), "torch"),
        (("train", "digits", "--data", "none"), "--data none is neither a data set nor a folder"),
        (("evaluate", "x.keras", "--data", "a/cels"), "a/cels is neither a data set nor a folder"),
        (("train", "folder", "--data", "~no-user/x"), "~no-user/x does not exist; expected a fol"),
    ],
)
def test_a_mistake_is_one_line_and_a_status(arguments, message, call):
    code, _, err = call(*arguments)
    assert code == 2
    assert message in err
    assert "Traceback" not in err


@pytest.fixture
def configure(tmp_path, monkeypatch):
    """Gives this process an environment and a keras.json."""

    def change(variable, content):
        if variable is None:
            monkeypatch.delenv("KERAS_BACKEND", raising=False)
        else:
            monkeypatch.setenv("KERAS_BACKEND", variable)
        monkeypatch.setenv("KERAS_HOME", str(tmp_path))
        (tmp_path / "keras.json").write_text(json.dumps(content))

    return change


def test_options_that_would_do_nothing_are_refused(call, tmp_path):
    for options, message in (
        (("--data", tmp_path, "--test-subset", 5), "only for data sets with a name"),
        (("--data", "digits", "--table", "x.csv"), "only for a folder of images"),
    ):
        code, _, err = call("evaluate", tmp_path / "model.keras", *options)
        assert code == 2
        assert message in err


def test_an_empty_variable_is_no_backend(configure):
    configure("", {"backend": keras.backend.backend()})
    assert backend.choose_backend(None) == keras.backend.backend()


@pytest.mark.parametrize("variable", ["numpy", "nonsense", "a.b"])
def test_an_unknown_backend_of_the_environment_is_explained(configure, variable):
    configure(variable, {})
    with pytest.raises(ValueError, match=f"KERAS_BACKEND is '{variable}'.*tensorflow, jax, torch"):
        backend.choose_backend(None)


@pytest.mark.parametrize("content", [[], {"backend": 5}, {"backend": "numpy"}, {"backend": []}])
def test_a_damaged_configuration_is_named(configure, content):
    configure(None, content)
    with pytest.raises(ValueError, match=r"keras\.json"):
        backend.choose_backend(None)


def test_a_damaged_configuration_is_named_when_keras_fails(tmp_path):
    (tmp_path / "keras.json").write_text("[]")
    current = keras.backend.backend()
    code, _, err = run("train", "digits", "--backend", current, KERAS_HOME=str(tmp_path))
    assert code == 2
    assert "keras.json" in err
    assert "Traceback" not in err


def test_a_backend_that_is_not_installed_comes_with_a_command(monkeypatch):
    monkeypatch.setattr(backend, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="pip install jax"):
        backend.choose_backend("jax")


@pytest.mark.parametrize("error", [PermissionError(13, "denied", "[a]/b"), ValueError("[/b]")])
def test_any_error_of_files_is_one_line_with_its_brackets(monkeypatch, capsys, error):
    def fail():
        raise error

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"Error: {error}\n"


def test_what_a_terminal_cannot_show_is_written_with_backslashes(monkeypatch):
    streams = {name: io.TextIOWrapper(io.BytesIO(), "ascii") for name in ("stdout", "stderr")}
    for name, stream in streams.items():
        monkeypatch.setattr(sys, name, stream)

    def fail():
        print("± é")
        raise ValueError("caf\udce9.png")

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(SystemExit):
        cli.main()
    written = {}
    for name, stream in streams.items():
        stream.flush()
        written[name] = stream.buffer.getvalue()
    assert written == {"stdout": b"\\xb1 \\xe9\n", "stderr": b"Error: caf\\udce9.png\n"}


def test_a_missing_model_is_named(call, tmp_path):
    path = tmp_path / "nowhere [x].keras"
    for options in ((), ("--data", tmp_path)):
        code, _, err = call("evaluate", path, *options)
        assert code == 2
        assert err.startswith(f"Error: {path} does not exist. Give the path of a .keras file, wh")
    path.with_suffix(".h5").touch()
    _, _, err = call("evaluate", path.with_suffix(".h5"))
    assert err.startswith(f"Error: {path.with_suffix('.h5')} is no .keras file. Give the path of")


def test_a_folder_in_the_home_folder_is_found(call, tmp_path, monkeypatch):
    """A shell leaves the ~ behind a = to the program."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / "home" / "pets" / name).mkdir(parents=True)
        for number in range(2):
            pixels = rng.integers(0, 255, (8, 8, 3), "uint8")
            Image.fromarray(pixels).save(tmp_path / "home" / "pets" / name / f"{number}.png")
    code, out, err = call("data", "~/pets")
    assert (code, err) == (0, "")
    assert "4 images, a folder for each class" in out
    assert call("new", "mine", "--data=~/pets")[0] == 0
    assert load_recipe(tmp_path / "mine.toml").data.folder == str(tmp_path / "home" / "pets")


@pytest.fixture
def runs(monkeypatch, tmp_path):
    """The recipes and folders of the runs that commands would begin in the test's folder."""
    found = []
    train = "keras_gcnn.training.runs.run.train"
    monkeypatch.setattr(train, lambda recipe, folder, **_: found.append((recipe, folder)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KERAS_BACKEND", keras.backend.backend())

    def begun(*options):
        CliRunner().invoke(cli.app, ["train", *options], catch_exceptions=False)
        return found.pop()

    return begun


def test_the_name_of_a_run_holds_the_options_and_the_search(runs, tmp_path):
    backend = keras.backend.backend()
    for options, name in (
        ([], "digits"),
        (["--data", "emnist/digits"], "digits-emnist-digits"),
        (["--backend", backend], f"digits-{backend}"),
    ):
        assert runs("digits", *options)[1] == Path("runs", name)
    (tmp_path / "tune-a").mkdir()
    best = tmp_path / "tune-a" / "best.toml"
    best.write_text(find_recipe("digits").read_text(encoding="utf-8"))
    assert runs("tune-a/best.toml")[1] == Path("runs/best")
    (tmp_path / "tune-a" / "search.json").touch()
    for path in ("tune-a/best.toml", "tune-a/../tune-a/best.toml", str(best)):
        assert runs(path)[1] == Path("runs/tune-a-best")


def test_the_name_of_a_data_set_wins_over_a_folder(runs, tmp_path):
    (tmp_path / "digits").mkdir()
    assert runs("digits", "--data", "digits")[0].data.name == "digits"
    assert runs("digits", "--data", "./digits")[0].data.folder == "digits"


@pytest.mark.parametrize(("module", "columns"), [("keras_gcnn", "60"), ("keras_gcnn.cli", "100")])
def test_the_package_is_run_as_the_command_and_names_of_recipes_are_whole(module, columns):
    done = subprocess.run(
        [sys.executable, "-m", module, "recipes"],
        env={**os.environ, "COLUMNS": columns},
        capture_output=True,
        text=True,
        check=True,
    )
    names = set(recipe_names())
    assert "upright_to_rotated_all" in names
    if columns == "100":
        loaded = [load_recipe(name) for name in names]
        names |= {recipe.data.title for recipe in loaded}
        names |= {model.name for recipe in loaded for model in recipe.models}
    assert names <= set(re.findall(r"[\w.-]+", done.stdout))
    assert "…" not in done.stdout
    # Nothing is beyond the edge.
    assert {line[-1] for line in done.stdout.splitlines()} == set("┓┃┩│┘")


def test_a_package_that_is_run_loads_models_when_it_is_imported(tmp_path):
    """Under `python -m` it is imported while the name of the program is not known yet."""
    zoo.lenet("p4", widths=(1, 1)).save(tmp_path / "model.keras")
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("import keras_gcnn")
    program = "import keras; print(keras.saving.load_model('model.keras').name)"
    (package / "go.py").write_text(program)
    command = [sys.executable, "-m", "package.go"]
    path = f"{Path(__file__).parents[1]}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "lenet_p4\n", done.stderr


def test_an_autoencoder_has_no_test_error(call, tmp_path):
    path = tmp_path / "vae.keras"
    zoo.vae("z2", variant="mlp", widths=(2, 2), decoder_widths=(2, 2)).save(path)
    assert "is an autoencoder, which has no classes" in call("evaluate", path)[2]


def test_every_command_has_its_help(call):
    of_models = ("evaluate", "export", "convert", "predict")
    commands = ("train", "tune", *of_models, "recipes", "data", "new")
    for command in ((), *((name,) for name in commands)):
        code, out, _ = call(*command, "--help")
        assert code == 0
        assert "Usage" in out
