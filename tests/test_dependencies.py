"""What pyproject.toml asks for, and the lowest versions that the suite runs with."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
LOWEST = (ROOT / "constraints-lowest.txt").read_text("utf-8")
BACKENDS = {"jax", "tensorflow", "tensorflow-cpu", "torch"}

pytestmark = pytest.mark.backend_free


def required(extra):
    """What an extra asks for, and what the extras in it do."""
    for requirement in map(Requirement, EXTRAS[extra]):
        if requirement.name == "keras-gcnn":
            for other in requirement.extras:
                yield from required(other)
        else:
            yield requirement


def bounds():
    """The lowest version of each package of the suite, on Linux with x86-64."""
    linux = {"platform_machine": "x86_64", "sys_platform": "linux", "extra": ""}
    for requirement in [*map(Requirement, PROJECT["dependencies"]), *required("test")]:
        if requirement.marker is None or requirement.marker.evaluate(linux):
            (bound,) = requirement.specifier
            assert bound.operator == ">=", requirement
            yield canonicalize_name(requirement.name), Version(bound.version)


def test_the_suite_runs_with_the_lowest_versions():
    """A package with another version is named, with the reason, at the top of the file."""
    pins = dict(line.split("==") for line in LOWEST.splitlines() if not line.startswith("#"))
    higher = {name for name, bound in bounds() if Version(pins[name]) != bound}
    assert higher == set(re.findall(r"^# ([\w-]+): ", LOWEST, re.MULTILINE))


@pytest.mark.parametrize("extra", ["train", "tune", "onnx", "serve"])
def test_the_extras_without_a_backend(extra):
    """docs/start.md installs them beside a backend for GPUs, which another would replace."""
    assert BACKENDS.isdisjoint(requirement.name for requirement in required(extra))


def test_the_types_are_announced():
    assert (ROOT / "keras_gcnn" / "py.typed").exists()
    assert "Typing :: Typed" in PROJECT["classifiers"]
