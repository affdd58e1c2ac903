"""The suite of benchmarks, at its smallest setting, and the arithmetic of its tables."""

import itertools
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import keras
import pytest

pytestmark = pytest.mark.backend_free
ROOT = Path(__file__).parents[1]


def test_a_ratio_is_the_median_of_those_of_neighbouring_calls():
    from benchmarks.common import harness

    # The machine was ten times as slow in the fourth turn, for both.
    timed = {"a": {"calls": [2, 2, 4, 20, 3]}, "b": {"calls": [2, 1, 1, 10, 1]}}
    assert harness.ratio(timed, "a", "b") == (1.5, 2, 3.5)


def test_actions_are_called_in_turn_and_the_first_calls_stand_apart():
    from benchmarks.common import harness

    called = []
    actions = {name: lambda name=name: called.append(name) for name in "abc"}
    timed = harness.alternate(actions, steps=2, warm_up=1)
    assert called == list("abcbcacab")
    assert {len(found["calls"]) for found in timed.values()} == {2}


def test_a_row_tells_whether_the_target_is_met():
    from benchmarks.common import report

    timed = {
        "ours": {"first": 2.0, "calls": [0.011, 0.012, 0.013]},
        "stock": {"first": 1.0, "calls": [0.010, 0.010, 0.010]},
    }
    row = report.times("step", timed, "ours", "stock", target=1.25)
    assert row == {
        "what": "step, ms",
        "reference": 10.0,
        "measured": 12.0,
        "ratio": 1.2,
        "quartiles": "1.10-1.30",
        "target": 1.25,
        "met": "yes",
        "first calls, s": "1.0 / 2.0",
    }
    assert report.times("step", timed, "ours", "stock", target=1.15)["met"] == "no"
    alone = report.comparison("import, s", None, 0.31, target=0.3)
    assert (alone["reference"], alone["ratio"], alone["met"]) == ("", "", "no")


def test_peak_memory_is_the_smaller_of_two_runs():
    from benchmarks.suite import settings

    peaks = itertools.cycle([20.0, 10.0, 30.0, 40.0])

    def run(function, names, *_):
        if function is settings.peak_memory:
            return next(peaks)
        return {name: {"first": 1.0, "calls": [1.0, 1.0]} for name in names}

    rows = settings.compare(SimpleNamespace(backend="torch", run=run))
    found = [(row["reference"], row["measured"]) for row in rows if "memory" in row["what"]]
    assert found == [(10.0, 30.0), (10.0, 10.0), (10.0, 30.0)]


def test_every_network_of_the_zoo_is_built():
    from benchmarks.suite import start
    from keras_gcnn import zoo

    def run(function, *_):
        return {start.imports: [1.0, 1.0], start.build: 1.0}.get(function) or function()

    _, *rows = start.compare(SimpleNamespace(run=run))
    built = [row["what"].removesuffix(", s") for row in rows]
    assert {"steerable_cnn('p4m')", "so2cnn()"} < set(built)
    assert len(built) == len([*zoo.BUILDERS, *zoo.AUTOENCODERS, *zoo.SEGMENTERS])


@pytest.mark.thorough
def test_the_suite_writes_its_table(tmp_path):
    backend = keras.backend.backend()
    command = [sys.executable, "-m", "benchmarks.run", "vmf", "--smallest", "--backend", backend]
    command += ["--device", "cpu"]
    subprocess.run([*command, "--folder", str(tmp_path)], check=True, capture_output=True, cwd=ROOT)
    rows = json.loads((tmp_path / "measured.json").read_text())["rows"]
    assert {row["backend"] for row in rows} == {backend}
    assert all(row["ratio"] > 0 for row in rows)
    page = (tmp_path / "measured.md").read_text()
    assert page.count(f"| vmf | {backend} | cpu |") == len(rows)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_the_networks_are_of_equal_channels(data_format):
    from benchmarks.common import networks

    before = keras.config.image_data_format()
    keras.config.set_image_data_format(data_format)
    try:
        models = [networks.stock([4, 8], 3), networks.on_group("p4", [4, 8], 3)]
        models += [networks.stock(networks.field_channels([1]), 3), networks.steerable([1], 3)]
    finally:
        keras.config.set_image_data_format(before)
    shapes = [
        [one.output.shape for one in model.layers if isinstance(one, keras.layers.Activation)]
        for model in models[:2]
    ]
    assert shapes[0] == shapes[1]
    assert {model.output_shape for model in models} == {(None, networks.CLASSES)}


def test_a_library_that_is_not_there_is_skipped(tmp_path, monkeypatch, capsys):
    from benchmarks import run_peers

    monkeypatch.setattr(run_peers, "ENVIRONMENTS", tmp_path)
    with pytest.raises(SystemExit, match="nothing is written"):
        run_peers.main(["c4"], backend=[keras.backend.backend()], folder=tmp_path / "docs")
    assert "c4 skipped" in capsys.readouterr().out
    assert not (tmp_path / "docs").exists()


def test_of_the_networks_that_err_no_more_the_smallest_is_taken(tmp_path, monkeypatch):
    from benchmarks.suite import small_equivariant

    def write(recipe, **networks):
        results = [
            {"network": name, "parameters": size, "errors": {"test": error}}
            for name, (size, *found) in networks.items()
            for error in found
        ]
        (tmp_path / recipe).mkdir()
        (tmp_path / recipe / "results.json").write_text(json.dumps({"results": results}))

    write("rotated_mnist", Z2CNN=(25_000, 5.0, 6.0), P4CNN=(25_000, 2.0))
    write("rotated_mnist_small", a=(9_000, 2.0), b=(5_000, 5.0, 6.0), c=(3_000, 5.4, 5.8))
    monkeypatch.setattr(small_equivariant, "RESULTS", tmp_path)
    assert small_equivariant.choose() == {
        "plain": ("Z2CNN", 25_000, 5.5),
        "small": ("b", 5_000, 5.5),
    }


def test_what_fails_elsewhere_is_told_with_its_reason():
    from benchmarks.common import harness
    from benchmarks.common.environments import Environment, Failed

    with pytest.raises(Failed, match="KeyError: 'nowhere'") as caught:
        Environment().run(harness.median, {}, "nowhere")
    assert caught.value.reason == "KeyError: 'nowhere'"


def test_a_process_that_is_killed_is_told_to_be(tmp_path, monkeypatch):
    from benchmarks.common.environments import Environment, Failed, Server

    (tmp_path / "mortal.py").write_text(
        "import os\n\n\ndef die():\n    os.kill(os.getpid(), 9)\n\n\ndef live():\n    return int\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    import mortal

    with pytest.raises(Failed) as caught:
        Environment().run(mortal.die)
    assert caught.value.reason == "ended by signal 9"
    process = subprocess.Popen(
        [sys.executable, "-c", ""], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    process.wait()
    server = Server(process, 0.0)
    with pytest.raises(Failed, match="ended with 0"):
        server.seconds(2)
    server.close()


def test_a_variant_is_its_backend_with_flags_of_xla_on_the_cpu(monkeypatch):
    from benchmarks.common import command

    monkeypatch.setenv("XLA_FLAGS", "--mine")
    monkeypatch.setattr(command, "devices", lambda: ["cpu", "gpu"])
    where = command.environments(["jax", "jax-without-ynnpack", "jax"], [], "channels_last")
    assert [(one.name, one.backend, one.device) for one in where] == [
        ("jax", "jax", "cpu"),
        ("jax-without-ynnpack", "jax", "cpu"),
        ("jax", "jax", "gpu"),
    ]
    assert [one._variables()["XLA_FLAGS"] for one in where] == [
        "--mine",
        "--mine --xla_cpu_experimental_ynn_fusion_type=",
        "--mine",
    ]


@pytest.mark.parametrize("option", ["--folder", "--output"])
def test_where_nothing_can_be_written_is_told_before_anything_is_measured(tmp_path, option):
    (tmp_path / "file").write_text("kept")
    module = {"--folder": "benchmarks.run", "--output": "benchmarks.suite.vmf"}[option]
    command = [sys.executable, "-m", module, option, str(tmp_path / "file" / "below")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "cannot be written into" in done.stderr
    assert (tmp_path / "file").read_text() == "kept"


def test_a_summary_replaces_what_is_between_its_marks(tmp_path):
    from benchmarks.common import report

    page = tmp_path / "page.md"
    page.write_text("before\n<!-- measured -->\nold\n<!-- end of measured -->\nafter\n")
    rows = [{"what": "step", "ratio": 1.5, "target": ""}]
    report.write_between(page, "measured", ["A note."], rows)
    lines = page.read_text().splitlines()
    assert lines[:2] == ["before", "<!-- measured -->"]
    assert lines[2:7] == ["A note.", "", "| what | ratio |", "|---|---|", "| step | 1.5 |"]
    assert lines[7:] == ["<!-- end of measured -->", "after"]
    with pytest.raises(SystemExit, match="has no <!-- other -->"):
        report.write_between(page, "other", [], rows)
