"""The suite of benchmarks, at its smallest setting, and the arithmetic of its tables."""

import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import keras
import pytest
import typer
from typer.testing import CliRunner

FOLDER = Path(__file__).parents[1] / "benchmarks"


MARKED = "before\n<!-- measured -->\nold\n<!-- end of measured -->\nafter\n"


@pytest.fixture(autouse=True)
def _neighbours(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))


def called(main, *arguments):
    """Exit code and output of a command."""
    application = typer.Typer()
    application.command()(main)
    done = CliRunner().invoke(application, arguments)
    return done.exit_code, done.output


def failing():
    """Fails in a process of its own."""
    import harness
    from places import Place

    Place().run(harness.median, {}, "nowhere")


@pytest.fixture
def suite(tmp_path, monkeypatch):
    """The suite in an empty folder, its benchmarks of one row each.

    `run` calls it; `fails` is a set of benchmarks that fail on JAX; `found` is what each benchmark
    found written in `docs` when it was called last.
    """
    import run

    fails, found = set(), {}

    def benchmark(name):
        def compare(place):
            page = tmp_path / "docs" / "measured.md"
            found[name] = page.read_text() if page.exists() else ""
            if name in fails and place.name == "jax":
                failing()
            yield run.report.comparison(f"row of {name}", 2.0, 1.0, target=1.0)

        return SimpleNamespace(compare=compare, SMALLEST={})

    monkeypatch.setattr(run, "BENCHMARKS", {name: benchmark(name) for name in run.BENCHMARKS})
    monkeypatch.setattr(run.command, "devices", lambda: ["cpu"])
    monkeypatch.setattr(run.report, "describe", lambda backends: "a machine")
    monkeypatch.chdir(tmp_path)
    return SimpleNamespace(run=partial(called, run.main), fails=fails, found=found)


@pytest.fixture
def peers(tmp_path, monkeypatch):
    """The comparisons with other libraries in an empty folder, of one row each; `so2` fails.

    `run` calls them; `found` is what each found written in `docs`.
    """
    import run_peers

    found = {}

    def compare(name, where, *_):
        page = tmp_path / "docs" / "measured_peers.md"
        found[name] = page.read_text() if page.exists() else ""
        yield {"backend": "torch", **run_peers.report.comparison(f"row of {name}", 2.0, 1.0)}
        if name == "so2":
            failing()

    monkeypatch.setattr(run_peers, "compare_nets", compare)
    monkeypatch.setattr(run_peers, "compare_spheres", compare)
    monkeypatch.setattr(run_peers, "slopes", lambda where, threads: ["A slope."])
    monkeypatch.setattr(run_peers.report, "describe", lambda backends: "a machine")
    monkeypatch.chdir(tmp_path)
    return SimpleNamespace(run=partial(called, run_peers.main), found=found)


def test_a_ratio_is_the_median_of_those_of_neighbouring_calls():
    import harness

    # The machine was ten times as slow in the fourth turn, for both.
    timed = {"a": {"calls": [2, 2, 4, 20, 3]}, "b": {"calls": [2, 1, 1, 10, 1]}}
    assert harness.ratio(timed, "a", "b") == (1.5, 2, 3.5)


def test_actions_are_called_in_turn_and_the_first_calls_stand_apart():
    import harness

    called = []
    actions = {name: lambda name=name: called.append(name) for name in "abc"}
    timed = harness.alternate(actions, steps=2, warm_up=1)
    assert called == list("abcbcacab")
    assert {len(found["calls"]) for found in timed.values()} == {2}


def test_a_row_tells_whether_the_target_is_met():
    import report

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


def test_the_suite_writes_its_table(tmp_path):
    backend = keras.backend.backend()
    command = [sys.executable, str(FOLDER / "run.py"), "vmf", "--smallest", "--backend", backend]
    command += ["--device", "cpu"]
    subprocess.run([*command, "--folder", str(tmp_path)], check=True, capture_output=True)
    rows = json.loads((tmp_path / "measured.json").read_text())["rows"]
    assert {row["backend"] for row in rows} == {backend}
    assert all(row["ratio"] > 0 for row in rows)
    page = (tmp_path / "measured.md").read_text()
    assert page.count(f"| vmf | {backend} | cpu |") == len(rows)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_the_networks_are_of_equal_channels(data_format):
    import nets

    before = keras.config.image_data_format()
    keras.config.set_image_data_format(data_format)
    try:
        models = [nets.stock([4, 8], 3), nets.on_group("p4", [4, 8], 3)]
        models += [nets.stock(nets.field_channels([1]), 3), nets.steerable([1], 3)]
    finally:
        keras.config.set_image_data_format(before)
    shapes = [
        [one.output.shape for one in model.layers if isinstance(one, keras.layers.Activation)]
        for model in models[:2]
    ]
    assert shapes[0] == shapes[1]
    assert {model.output_shape for model in models} == {(None, nets.CLASSES)}


def test_a_library_that_is_not_there_is_skipped(tmp_path, monkeypatch, capsys):
    import run_peers

    monkeypatch.setattr(run_peers, "ENVIRONMENTS", tmp_path)
    with pytest.raises(SystemExit, match="nothing is written"):
        run_peers.main(["c4"], backend=[keras.backend.backend()], folder=tmp_path / "docs")
    assert "c4 skipped" in capsys.readouterr().out
    assert not (tmp_path / "docs").exists()


def test_of_the_networks_that_err_no_more_the_smallest_is_taken(tmp_path, monkeypatch):
    import less

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
    monkeypatch.setattr(less, "RESULTS", tmp_path)
    assert less.choose() == {"plain": ("Z2CNN", 25_000, 5.5), "small": ("b", 5_000, 5.5)}


def test_what_fails_elsewhere_is_told_with_its_reason():
    import harness
    from places import Failed, Place

    with pytest.raises(Failed, match="KeyError: 'nowhere'") as caught:
        Place().run(harness.median, {}, "nowhere")
    assert caught.value.reason == "KeyError: 'nowhere'"


def test_a_process_that_is_killed_is_told_to_be(tmp_path, monkeypatch):
    from places import Failed, Place, Server

    (tmp_path / "mortal.py").write_text(
        "import os\n\n\ndef die():\n    os.kill(os.getpid(), 9)\n\n\ndef live():\n    return int\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    import mortal

    with pytest.raises(Failed) as caught:
        Place().run(mortal.die)
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
    import command

    monkeypatch.setenv("XLA_FLAGS", "--mine")
    monkeypatch.setattr(command, "devices", lambda: ["cpu", "gpu"])
    where = command.places(["jax", "jax-without-ynnpack", "jax"], [], "channels_last")
    assert [(one.name, one.backend, one.device) for one in where] == [
        ("jax", "jax", "cpu"),
        ("jax-without-ynnpack", "jax", "cpu"),
        ("jax", "jax", "gpu"),
    ]
    assert [one._environment()["XLA_FLAGS"] for one in where] == [
        "--mine",
        "--mine --xla_cpu_experimental_ynn_fusion_type=",
        "--mine",
    ]


@pytest.mark.parametrize("option", ["--folder", "--output"])
def test_where_nothing_can_be_written_is_told_before_anything_is_measured(tmp_path, option):
    (tmp_path / "file").write_text("kept")
    script = {"--folder": "run.py", "--output": "vmf.py"}[option]
    command = [sys.executable, str(FOLDER / script), option, str(tmp_path / "file" / "below")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "cannot be written into" in done.stderr
    assert (tmp_path / "file").read_text() == "kept"


def test_a_summary_replaces_what_is_between_its_marks(tmp_path):
    import report

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


def test_rows_are_written_after_every_benchmark(suite, tmp_path):
    code, output = suite.run()
    assert (code, output.count("| row of ")) == (0, 35)  # a variant has half of the benchmarks
    assert "Writes into docs." in output
    assert suite.found["layers"] == ""
    assert suite.found["start"].count("| row of ") == 32
    assert "Not measured yet: pipeline, start." in suite.found["pipeline"]
    page = (tmp_path / "docs" / "measured.md").read_text()
    assert page.count("| row of ") == 35
    assert "Not measured yet" not in page
    assert len(json.loads((tmp_path / "docs" / "measured.json").read_text())["rows"]) == 35


def test_a_benchmark_that_fails_is_told_and_the_others_go_on(suite, tmp_path):
    suite.fails.add("steerable")
    pages = [tmp_path / "README.md", tmp_path / "serving.md"]
    for page in pages:
        page.write_text(MARKED)
    code, output = suite.run("--readme", "README.md", "--serving", "serving.md")
    reason = "steerable failed on jax, cpu: KeyError: 'nowhere'."
    assert code == 1
    assert f"{reason}\nREADME.md is left as it was." in output
    page = (tmp_path / "docs" / "measured.md").read_text()
    assert page.count("| row of ") == 34
    assert f"\n{reason}\n" in page
    assert pages[0].read_text() == MARKED
    assert pages[1].read_text().count("row of export") == 3


def test_rows_are_measured_again(suite, tmp_path, monkeypatch):
    path = tmp_path / "docs" / "measured.json"
    code, output = suite.run("export", "--again")
    assert (code, suite.found) == (1, {})
    assert "measure all" in output
    suite.run()
    before = json.loads(path.read_text())["rows"]
    suite.found.clear()
    (tmp_path / "page.md").write_text(MARKED)
    code, _ = suite.run("export", "--backend", "jax", "--again", "--serving", "page.md")
    assert (code, list(suite.found)) == (0, ["export"])
    after = json.loads(path.read_text())["rows"]
    assert len(after) == len(before)
    assert {str(row) for row in after} == {str(row) for row in before}
    assert (tmp_path / "page.md").read_text().count("row of export") == 3
    import run

    monkeypatch.setattr(run.report, "describe", lambda backends: "another day")
    code, output = suite.run("export", "--again")
    assert code == 1
    assert "measured with a machine, and this is another day" in output


def test_where_everything_fails_nothing_is_written(suite, tmp_path):
    suite.fails.add("vmf")
    code, output = suite.run("vmf", "--backend", "jax", "--folder", "here")
    assert code == 1
    assert "Nothing was measured" in output
    assert not list((tmp_path / "here").iterdir())


@pytest.mark.parametrize(
    ("content", "told"), [("no marks", "has no <!-- measured -->"), (None, "cannot be read")]
)
@pytest.mark.parametrize("option", ["--readme", "--serving"])
def test_a_page_without_marks_is_told_before_anything_is_measured(
    suite, tmp_path, option, content, told
):
    if content:
        (tmp_path / "page.md").write_text(content)
    code, output = suite.run(option, "page.md")
    assert (code, suite.found) == (1, {})
    assert told in output


@pytest.mark.parametrize(
    "less",
    [["--smallest"], ["vmf", "layers"], ["--backend", "jax"], ["--data-format", "channels_first"]],
)
def test_a_page_is_refused_where_not_all_of_its_rows_are_measured(suite, tmp_path, less):
    (tmp_path / "page.md").write_text(MARKED)
    code, output = suite.run(*less, "--readme", "page.md")
    assert (code, suite.found) == (1, {})
    assert "page.md takes all rows of layers, steerable, less" in output


def test_the_smallest_setting_is_written_into_a_temporary_folder(suite, tmp_path, monkeypatch):
    import tempfile

    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    code, output = suite.run("--smallest")
    (folder,) = (tmp_path / "temporary").iterdir()
    assert code == 0
    assert f"Writes into {folder}." in output
    assert {one.name for one in folder.iterdir()} == {"measured.md", "measured.json"}
    assert not (tmp_path / "docs").exists()


@pytest.mark.parametrize(
    "part",
    [["vmf"], ["--backend", "jax"], ["--device", "cpu"], ["--data-format", "channels_first"]],
)
def test_a_part_of_the_suite_is_written_only_where_it_is_said(suite, tmp_path, monkeypatch, part):
    import command

    monkeypatch.setattr(command, "devices", lambda: ["cpu", "gpu"])
    code, output = suite.run(*part)
    assert code == 0
    assert "only printed" in output
    assert "| row of vmf |" in output
    assert not list(tmp_path.iterdir())
    assert suite.run(*part, "--folder", "docs")[0] == 0
    assert "| row of vmf |" in (tmp_path / "docs" / "measured.md").read_text()


def test_peers_are_written_after_every_comparison_and_one_that_fails_is_skipped(peers, tmp_path):
    code, output = peers.run()
    skipped = "so2 skipped: KeyError: 'nowhere'."
    assert code == 0
    assert skipped in output
    assert "Not measured yet: so2, tfp, power_spherical." in peers.found["so2"]
    page = (tmp_path / "docs" / "measured_peers.md").read_text()
    assert page.count("| row of ") == 4
    assert f"\n{skipped}\n" in page
    assert "Not measured yet" not in page
    assert len(json.loads((tmp_path / "docs" / "measured_peers.json").read_text())["rows"]) == 4


@pytest.mark.parametrize("part", [["c4"], ["--backend", "torch"]])
def test_a_part_of_the_peers_is_written_only_where_it_is_said(peers, tmp_path, part):
    code, output = peers.run(*part)
    assert code == 0
    assert "only printed" in output
    assert not list(tmp_path.iterdir())
    assert peers.run(*part, "--folder", "docs")[0] == 0
    assert "| row of c4 |" in (tmp_path / "docs" / "measured_peers.md").read_text()
