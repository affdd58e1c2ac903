"""The command as a user runs it, in processes of its own."""

import json
import os
import re
import subprocess
import sys
import typing
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from keras_gcnn import cli, zoo
from keras_gcnn.export import metadata
from keras_gcnn.export.formats import FORMATS
from keras_gcnn.training import backend
from keras_gcnn.training.recipes.schema import load_recipe, recipe_names

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


@pytest.fixture
def call(monkeypatch, capsys, tmp_path):
    """Does as `run` in this process, in the test's folder."""

    def called(*arguments):
        with monkeypatch.context() as patch:
            patch.chdir(tmp_path)
            patch.setenv("KERAS_BACKEND", keras.backend.backend())
            patch.setattr(sys, "argv", ["keras-gcnn", *map(str, arguments)])
            capsys.readouterr()
            with pytest.raises(SystemExit) as ended:
                cli.main()
        return ended.value.code, *capsys.readouterr()

    return called


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
        (("train", "digits", "--data", "none"), "none"),
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


def test_a_missing_model_is_named(call, tmp_path):
    path = tmp_path / "nowhere [x].keras"
    code, _, err = call("evaluate", path)
    assert code == 2
    assert err.startswith(f"Error: {path} is no .keras file")


def test_the_name_of_a_run_holds_the_options(monkeypatch, tmp_path):
    folders = []
    train = "keras_gcnn.training.runs.run.train"
    monkeypatch.setattr(train, lambda recipe, folder, **_: folders.append(folder))
    monkeypatch.chdir(tmp_path)
    backend = keras.backend.backend()
    monkeypatch.setenv("KERAS_BACKEND", backend)
    for options in ([], ["--data", "emnist/digits"], ["--backend", backend]):
        CliRunner().invoke(cli.app, ["train", "digits", *options], catch_exceptions=False)
    names = ("digits", "digits-emnist-digits", f"digits-{backend}")
    assert folders == [Path("runs", name) for name in names]


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
        names |= {recipe.data.name for recipe in loaded}
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


def test_a_model_is_exported(call, tmp_path):
    path = tmp_path / "model.keras"
    zoo.lenet("p4", widths=(1, 1), classes=3).save(path)
    backend = ["--backend", keras.backend.backend()]
    for options in (["--classes", "a, b,c"], ["--output", tmp_path / "new.keras"]):
        code, _, err = call("export", path, "--format", "plain_keras", *options, *backend)
        assert code == 0, err
    written = {one.name for one in tmp_path.iterdir()}
    assert written == {"model.keras", "model-plain.keras", "new.keras"}
    assert "classes has 1 names" in call("export", path, "--classes", "a", *backend)[2]


@pytest.mark.parametrize(
    "known",
    [
        {"target": "number", "images": {"rows": 9, "columns": 9, "channels": 1}},
        {"classes": []},  # of a number, as runs wrote it earlier
        {"target": "labels", "classes": ["big"]},
    ],
)
def test_a_model_keeps_on_export_what_it_is_for(call, tmp_path, known):
    image = keras.Input((9, 9, 1))
    x = keras.layers.GlobalAveragePooling2D()(image)
    keras.Model(image, keras.layers.Dense(1)(x)).save(tmp_path / "model.keras")
    metadata.add_to_keras(tmp_path / "model.keras", known)
    code, _, err = call("export", "model.keras", "--format", "plain_keras")
    assert code == 0, err
    kept = metadata.read(tmp_path / "model-plain.keras")
    assert {name: kept[name] for name in known if known[name]} == {
        name: value for name, value in known.items() if value
    }


def test_an_autoencoder_is_exported_whatever_its_file_names(call, tmp_path):
    network = zoo.vae("z2", variant="mlp", widths=(2, 2), decoder_widths=(2, 2))
    network.save(tmp_path / "vae.keras")
    metadata.add_to_keras(tmp_path / "vae.keras", {"classes": ["0", "1"]})
    code, _, err = call("export", "vae.keras", "--format", "plain_keras")
    assert code == 0, err
    assert "classes" not in metadata.read(tmp_path / "vae-plain.keras")


@pytest.mark.parametrize(
    ("target", "expected", "refused"),
    [
        ("labels", ["labels", "probability of big", "problem"], None),
        ("number", ["number", "problem"], "--proba is for classes"),
    ],
)
def test_what_a_model_is_for_is_predicted(call, tmp_path, target, expected, refused):
    image = keras.Input((9, 9, 1))
    x = keras.layers.GlobalAveragePooling2D()(image)
    keras.Model(image, keras.layers.Dense(1)(x)).save(tmp_path / "model.keras")
    metadata.add_to_keras(tmp_path / "model.keras", {"target": target, "classes": ["big"]})
    Image.fromarray(np.zeros((9, 9), "uint8")).save(tmp_path / "a.png")
    code, _, err = call("predict", "model.keras", "a.png", "--csv", "out.csv")
    assert code == 0, err
    head, row = (tmp_path / "out.csv").read_text().splitlines()
    assert head.split(",")[1:] == expected
    assert row.split(",")[1] == {"labels": "big", "number": "0"}[target]
    code, _, err = call("predict", "model.keras", "a.png", "--proba")
    assert (code == 0) == (refused is None)
    assert (refused or "") in err
    code, _, err = call("predict", "model.keras", "a.png", "--output", "masks")
    assert code == 2
    assert "--output is for masks" in err


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX has TensorFlow write the file")
def test_a_model_is_exported_with_8_bits(call, tmp_path):
    path = tmp_path / "model.keras"
    zoo.lenet("p4", widths=(1, 1), classes=3).save(path)
    (tmp_path / "images").mkdir()
    for number in range(4):
        pixels = np.random.default_rng(number).integers(0, 256, (30, 30), "uint8")
        Image.fromarray(pixels).save(tmp_path / "images" / f"{number}.png")
    code, out, err = call(
        "export", path, "--quantize", "int8", "--calibration", tmp_path / "images"
    )
    assert code == 0, err
    assert "% of the 4 images" in " ".join(out.split())
    assert (tmp_path / "model.onnx").exists()
    assert "needs calibration" in call("export", path, "--quantize", "int8")[2]


def test_a_plain_model_is_converted(call, tmp_path):
    image = keras.Input((9, 9, 1))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(8, 3)(image))
    plain = keras.Model(image, keras.layers.Dense(2)(x), name="small")
    plain.save(tmp_path / "plain.keras")
    code, out, err = call("convert", "plain.keras", "--group", "p4")
    assert code == 0, err
    assert "LiftingConv2D" in out
    assert "Largest relative error over the 4 elements" in out
    network = keras.saving.load_model(tmp_path / "plain-p4.keras")
    assert network.count_params() < plain.count_params()
    code, out, err = call(
        "convert", "plain.keras", "--group", "p4", "--symmetrize", "-o", "kept.keras"
    )
    assert code == 0, err
    kept = keras.saving.load_model(tmp_path / "kept.keras")
    assert kept.count_params() == plain.count_params()
    for options, message in (
        (("--group", "p5"), "p5"),
        (("--symmetrize", "--parameters", "9"), "--parameters would change nothing"),
        (("--keep", "fields", "--parameters", "9"), "exclude each other"),
    ):
        code, _, err = call("convert", "plain.keras", *options)
        assert code == 2
        assert message in " ".join(err.split())


def classifier(path, size=9, activation=None, **known):
    image = keras.Input((size, size, 1))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(8, 3)(image))
    keras.Model(image, keras.layers.Dense(2, activation=activation)(x), name="small").save(path)
    metadata.add_to_keras(path, known)


@pytest.mark.parametrize("option", ["--keep=channels", "--symmetrize", "--size=12"])
def test_a_converted_model_keeps_what_it_knows(call, tmp_path, option):
    images = {"rows": 9, "columns": 9, "channels": 1, "fit": "pad", "interpolation": "nearest"}
    known = {"classes": ["cat", "dog"], "images": images, "target": "labels"}
    classifier(tmp_path / "plain.keras", **known)
    code, _, err = call("convert", "plain.keras", "--group", "p4", option, "-o", "new.keras")
    assert code == 0, err
    kept = metadata.read(tmp_path / "new.keras")
    size = {"rows": 12, "columns": 12} if "size" in option else {}
    assert {name: kept[name] for name in known} == {**known, "images": {**images, **size}}


def test_outputs_without_names_keep_none(call, tmp_path):
    classifier(tmp_path / "plain.keras", classes=["cat", "dog", "cow"])
    code, _, err = call("convert", "plain.keras", "--group", "p4")
    assert code == 0, err
    assert "classes" not in metadata.read(tmp_path / "plain-p4.keras")


@pytest.mark.parametrize(
    "command",
    [
        ("convert", "--group", "p4", "-o"),
        ("convert", "--group", "p4", "--symmetrize", "-o"),
        ("export", "--format", "keras", "--output"),
        ("export", "--format", "plain_keras", "--output"),
    ],
)
def test_a_model_is_not_replaced_by_what_is_made_of_it(call, tmp_path, command):
    classifier(tmp_path / "plain.keras")
    before = (tmp_path / "plain.keras").read_bytes()
    (tmp_path / "link.keras").symlink_to("plain.keras")
    for path in ("plain.keras", tmp_path / "plain.keras", "link.keras"):
        code, _, err = call(command[0], "plain.keras", *command[1:], path)
        assert code == 2
        assert "is read here, and would be overwritten. Choose another file." in err
    assert (tmp_path / "plain.keras").read_bytes() == before


class OwnModel(keras.Model):
    """A model with a `call` of its own, whose inputs are not known."""

    def build(self, shape):
        self.built = True

    def call(self, images):
        return images


@pytest.mark.filterwarnings("ignore:You are saving a model that has not yet been built")
def test_a_size_of_a_model_without_known_inputs_is_explained(call, tmp_path, monkeypatch):
    keras.Sequential([keras.layers.Flatten()]).save(tmp_path / "open.keras")
    code, _, err = call("convert", "open.keras", "--group", "p4", "--size", 12)
    assert code == 2
    assert "is not built, so that its layers have no shapes" in err
    monkeypatch.setattr("keras_gcnn.export.load", lambda path: OwnModel())
    code, _, err = call("convert", "open.keras", "--group", "p4", "--size", 12)
    assert code == 2
    assert "its class OwnModel has a `call` of its own" in err


def test_every_format_can_be_exported():
    assert list(typing.get_args(cli.models.ExportFormat)) == list(FORMATS)


def test_every_command_has_its_help(call):
    commands = ("train", "tune", "evaluate", "export", "convert", "recipes")
    for command in ((), *((name,) for name in commands)):
        code, out, _ = call(*command, "--help")
        assert code == 0
        assert "Usage" in out
