"""Profiles of training steps, at their smallest, and what kinds operations are of."""

import subprocess
import sys
from pathlib import Path

import keras
import pytest

pytestmark = pytest.mark.backend_free
ROOT = Path(__file__).parents[1]


@pytest.mark.thorough
def test_a_profile_tells_convolutions_apart_and_counts_nothing_twice(tmp_path):
    backend = keras.backend.backend()
    command = [sys.executable, "-m", "benchmarks.studies.profile_steps", "--backend", backend]
    command += ["--network", "p4", "--smallest", "--folder", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
    page = (tmp_path / "profiles.md").read_text()
    cells = [line.strip("| ").split(" | ") for line in page.splitlines()]
    rows = {row[1]: row[2] for row in cells if row[0] == "p4" and len(row) == 3}
    spent = {name: float(cell.split()[0]) for name, cell in rows.items()}
    assert spent["convolution"] > 0
    assert spent["gradients of convolutions"] > 0
    assert 0 < spent["all operations"] <= spent["step, under the profiler"]
    assert page.count(f"| p4 | {backend} | `") == 8


@pytest.mark.parametrize(
    ("scope", "words", "expected"),
    [
        ("jit(step)/jvp(g_conv2d)/conv_general_dilated", ["fusion", "convolution"], "convolution"),
        ("", ["fusion", "parameter", "convolution"], "gradients of convolutions"),
        ("jit(step)/transpose(jvp(dense))/dot_general", ["dot", "add"], "matrix products"),
        ("jit(step)/transpose(jvp(conv2d))/dot_general", ["dot"], "gradients of convolutions"),
        ("jit(step)/adam/add", ["fusion", "multiply", "add"], "optimizer"),
        ("jit(step)/convert", ["convert"], "data movement"),
        ("gradient_tape/conv2d/Conv2DBackpropFilter", ["Conv2DBackpropFilter"], None),
        ("g_batch_normalization_1/moments/variance", ["Mean"], "normalisation"),
        ("fourier_activation/Elu", ["Elu"], "activations"),
        ("g_conv2d/UnsortedSegmentSum", ["UnsortedSegmentSum"], "data movement"),
        ("aten::copy_ aten::convolution_backward", ["copy_", "convolution_backward"], None),
        ("aten::mul aten::_foreach_mul", ["mul", "_foreach_mul"], "optimizer"),
        ("aten::addmm", ["addmm"], "matrix products"),
        (
            "aten::native_batch_norm aten::_batch_norm_impl_index",
            ["native_batch_norm", "_batch_norm_impl_index"],
            "normalisation",
        ),
        ("aten::empty", ["empty"], "other"),
    ],
)
def test_an_operation_is_of_the_kind_that_its_names_tell(scope, words, expected):
    from benchmarks.studies import profilers

    operation = profilers.Operation("name", scope, words, 1.0)
    assert profilers.type_of(operation) == (expected or profilers.GRADIENTS)


def test_every_moment_is_of_the_innermost_operation_and_divided_among_threads():
    from benchmarks.studies import profilers

    class Event:
        def __init__(self, name, start, duration):
            self.name, self.start_ns, self.duration_ns = name, start, duration

    first = [Event("inner", 2, 3), Event("outer", 0, 10), Event("after", 10, 5)]
    first += [Event("deepest", 3, 1), Event("unread", 0, 20), Event("second", 6, 4)]
    other = [Event("beside", 12, 5)]
    own = profilers.own_times(
        [first, other], lambda one: None if one.name == "unread" else (one.name, "", [])
    )
    found = {one.name: round(one.time * 1e6, 3) for one in own}
    expected = {"outer": 3, "inner": 2, "deepest": 1, "second": 4, "after": 3.5, "beside": 3.5}
    assert found == expected


def test_a_backend_that_is_not_there_is_skipped(monkeypatch, capsys):
    from benchmarks.studies import profile_steps

    monkeypatch.setattr(profile_steps, "find_spec", lambda name: None if name == "jax" else name)
    assert profile_steps.installed(["tensorflow", "jax", "torch"]) == ["torch"]
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "tensorflow skipped: install jax, which reads the traces"
    assert told[1] == "jax skipped: install jax"
    with pytest.raises(SystemExit, match="nothing is written"):
        profile_steps.installed(["jax"])
