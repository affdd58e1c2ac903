"""The suite of benchmarks and the comparisons with others: what is written where, and when."""

import json
from functools import partial
from types import SimpleNamespace

import pytest
import typer
from typer.testing import CliRunner

pytestmark = pytest.mark.backend_free
MARKED = "before\n<!-- measured -->\nold\n<!-- end of measured -->\nafter\n"


def called(main, *arguments):
    """Exit code and output of a command."""
    application = typer.Typer()
    application.command()(main)
    done = CliRunner().invoke(application, arguments)
    return done.exit_code, done.output


def failing():
    """Fails in a process of its own."""
    from benchmarks.common import harness
    from benchmarks.common.environments import Environment

    Environment().run(harness.median, {}, "nowhere")


@pytest.fixture
def suite(tmp_path, monkeypatch):
    """The suite in an empty folder, its benchmarks of one row each.

    `run` calls it; `fails` is a set of benchmarks that fail on JAX; `found` has the page in `docs`
    that each benchmark read when it was last called.
    """
    from benchmarks import run

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
    """The comparisons with other libraries in an empty folder, of few rows each; `so2` fails.

    `run` calls them; `found` has the page in `docs` that each read; the rows have the real texts.
    """
    from benchmarks import run_peers

    found = {}

    def compare(text, name, where, *_):
        page = tmp_path / "docs" / "measured_peers.md"
        found[name] = page.read_text() if page.exists() else ""
        yield {"backend": "torch", **run_peers.report.comparison(text.format(name), 2.0, 1.0)}
        if name == "so2":
            failing()

    library = SimpleNamespace(name="torch", run=lambda *_: [0.01])
    errors = partial(run_peers.compare_angles, library)
    monkeypatch.setattr(run_peers, "peer", lambda *_: library)
    monkeypatch.setattr(run_peers, "compare_angles", lambda where, threads: errors(threads))
    for kind, text in (("networks", "{} step against escnn, ms"), ("spheres", "against {}, ms")):
        monkeypatch.setattr(run_peers, f"compare_{kind}", partial(compare, text))
    monkeypatch.setattr(run_peers, "slopes", lambda where, threads: ["A slope."])
    monkeypatch.setattr(run_peers, "spans", lambda threads: ["A span."])
    monkeypatch.setattr(run_peers.report, "describe", lambda backends: "a machine")
    monkeypatch.chdir(tmp_path)
    return SimpleNamespace(run=partial(called, run_peers.main), found=found)


def test_rows_are_written_after_every_benchmark(suite, tmp_path):
    code, output = suite.run()
    assert (code, output.count("| row of ")) == (0, 41)  # a variant has half of the benchmarks
    assert "Writes into docs." in output
    assert suite.found["layers"] == ""
    assert suite.found["start"].count("| row of ") == 38
    assert "Not measured yet: pipeline, start." in suite.found["pipeline"]
    page = (tmp_path / "docs" / "measured.md").read_text()
    assert page.count("| row of ") == 41
    assert "Not measured yet" not in page
    assert len(json.loads((tmp_path / "docs" / "measured.json").read_text())["rows"]) == 41


def test_a_benchmark_that_fails_is_told_and_the_others_go_on(suite, tmp_path):
    suite.fails.add("steerable")
    pages = [tmp_path / "README.md", tmp_path / "exported.md"]
    for page in pages:
        page.write_text(MARKED)
    code, output = suite.run("--summary", "README.md", "--exported", "exported.md")
    reason = "steerable failed on jax, cpu: KeyError: 'nowhere'."
    assert code == 1
    assert f"{reason}\nREADME.md is left as it was." in output
    page = (tmp_path / "docs" / "measured.md").read_text()
    assert page.count("| row of ") == 40
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
    code, _ = suite.run("export", "--backend", "jax", "--again", "--exported", "page.md")
    assert (code, list(suite.found)) == (0, ["export"])
    after = json.loads(path.read_text())["rows"]
    assert len(after) == len(before)
    assert {str(row) for row in after} == {str(row) for row in before}
    assert (tmp_path / "page.md").read_text().count("row of export") == 3
    from benchmarks import run

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
@pytest.mark.parametrize("option", ["--summary", "--exported"])
def test_a_page_without_marks_is_told_before_anything_is_measured(
    suite, tmp_path, option, content, told
):
    if content:
        (tmp_path / "page.md").write_text(content)
    code, output = suite.run(option, "page.md")
    assert (code, suite.found) == (1, {})
    assert told in output


@pytest.mark.parametrize(
    "part",
    [["--smallest"], ["vmf", "layers"], ["--backend", "jax"], ["--data-format", "channels_first"]],
)
def test_a_page_is_refused_where_not_all_of_its_rows_are_measured(suite, tmp_path, part):
    (tmp_path / "page.md").write_text(MARKED)
    code, output = suite.run(*part, "--summary", "page.md")
    assert (code, suite.found) == (1, {})
    assert "page.md takes all rows of layers, steerable, small_equivariant" in output


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
    from benchmarks.common import command

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
    assert "Not measured yet: so2, c8, d8, tfp, power_spherical, angles." in peers.found["so2"]
    page = (tmp_path / "docs" / "measured_peers.md").read_text()
    assert page.count("| torch | ") == 10
    assert f"\n{skipped}\n" in page
    assert "\nA slope.\n" in page
    assert "\nA span.\n" in page
    assert "Not measured yet" not in page
    assert len(json.loads((tmp_path / "docs" / "measured_peers.json").read_text())["rows"]) == 10


@pytest.mark.parametrize("noted", [True, False])
def test_comparisons_are_measured_again(peers, tmp_path, noted):
    """Also on the files of earlier versions, whose rows have the comparison in the text alone."""
    peers.run()
    path = tmp_path / "docs" / "measured_peers.json"
    page = path.with_suffix(".md")
    before, lines = json.loads(path.read_text()), sorted(page.read_text().splitlines())
    if not noted:
        unnamed = [{k: v for k, v in row.items() if k != "comparison"} for row in before["rows"]]
        path.write_text(json.dumps({"measured with": before["measured with"], "rows": unnamed}))
    for name in ("c8", "angles", "tfp"):
        assert peers.run(name, "--again")[0] == 0
        after = json.loads(path.read_text())["rows"]
        assert sorted(map(str, after)) == sorted(map(str, before["rows"])), name
    if noted:
        assert sorted(page.read_text().splitlines()) == lines


@pytest.mark.parametrize("part", [["c4"], ["--backend", "torch"]])
def test_a_part_of_the_peers_is_written_only_where_it_is_said(peers, tmp_path, part):
    code, output = peers.run(*part)
    assert code == 0
    assert "only printed" in output
    assert not list(tmp_path.iterdir())
    assert peers.run(*part, "--folder", "docs")[0] == 0
    assert "| c4 step against escnn, ms |" in (tmp_path / "docs" / "measured_peers.md").read_text()
