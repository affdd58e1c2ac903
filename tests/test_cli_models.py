"""The commands that make other models and files of a saved model, or a sheet of images."""

import typing

import keras
import numpy as np
import pytest
from PIL import Image

from keras_gcnn import cli, zoo
from keras_gcnn.export import metadata
from keras_gcnn.export.formats import FORMATS

pytestmark = pytest.mark.backend_free


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


@pytest.mark.parametrize("known", [{}, {"target": "labels", "classes": ["a,", "b"]}])
def test_a_table_of_predictions_replaces_no_other_file(call, tmp_path, known):
    classifier(tmp_path / "model.keras", **known)
    Image.fromarray(np.zeros((9, 9), "uint8")).save(tmp_path / "a.png")
    command = ("predict", "model.keras", "a.png", "--csv")
    for _ in range(2):  # it may replace an earlier one
        assert call(*command, "out.csv")[0] == 0
    labels = tmp_path / "labels.csv"
    labels.write_text("file,class\na.png,x\n")
    code, _, err = call(*command, "labels.csv")
    assert code == 2
    assert "labels.csv exists and is no table of predictions. Choose another file" in err
    assert labels.read_text() == "file,class\na.png,x\n"


def test_a_sheet_replaces_no_labels(call, tmp_path):
    table = tmp_path / "labels.png"  # which no name of a table has to be
    table.write_text("file,label\na.png,x\nb.png,y\n")
    for name in ("a.png", "b.png"):
        Image.fromarray(np.zeros((8, 8), "uint8")).save(tmp_path / name)
    for sheet, message in (
        ("labels.png", "is read here, and would be overwritten"),
        ("sheet.csv", "--sheet sheet.csv: the sheet is a PNG file, whose name ends in .png"),
    ):
        code, _, err = call("data", ".", "--table", "labels.png", "--sheet", sheet)
        assert code == 2
        assert message in err
    assert table.read_text().startswith("file,label")
    assert call("data", ".", "--table", "labels.png", "--sheet", "sheet.PNG")[0] == 0


def test_a_plot_that_fails_costs_no_measurement(call, tmp_path, monkeypatch):
    evaluation = "keras_gcnn.training.tasks.evaluation"
    measured = {"errors": {"as they are": 50.0}, "accuracy_by_angle": {"0": 0.5}}
    monkeypatch.setattr(f"{evaluation}.measure", lambda *_: measured)

    def fail(*_):
        raise ValueError("no plot")

    monkeypatch.setattr(f"{evaluation}.plot_accuracy_by_angle", fail)
    zoo.lenet("z2", widths=(1, 1)).save(tmp_path / "model.keras")
    (tmp_path / "folder.png").mkdir()
    command = ("evaluate", "model.keras", "--test-subset", 20, "--picture")
    code, out, err = call(*command, "plot.png")
    assert (code, err) == (2, "Error: no plot\n")
    assert "lenet_z2" in out
    for picture, message in (
        ("plot.xyz", "plot.xyz: the name of a plot has to end in its format. Choose one of "),
        ("plot", "has to end in its format"),
        ("folder.png", "is a folder"),
    ):
        code, out, err = call(*command, picture)
        assert (code, out) == (2, "")
        assert message in err


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
    for half in (("--quantize", "int8"), ("--calibration", tmp_path / "images")):
        assert "--calibration FOLDER belong together" in call("export", path, *half)[2]


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
        *("convert", "plain.keras", "--group", "c8", "--symmetrize"),
        *("--already", "p2", "-o", "kept.keras"),
    )
    assert code == 0, err
    assert "runs on every image in 4 poses" in " ".join(out.split())
    kept = keras.saving.load_model(tmp_path / "kept.keras")
    assert kept.count_params() == plain.count_params()
    for options, message in (
        (("--group", "p5"), "p5"),
        (("--symmetrize", "--parameters", "9"), "--parameters would change nothing"),
        (("--keep", "fields", "--parameters", "9"), "exclude each other"),
        (("--already", "p4"), "--already is for --symmetrize"),
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
