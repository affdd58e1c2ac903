"""The wheel holds the package whole, with the recipes and searches, and nothing else."""

import subprocess
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

pytestmark = pytest.mark.backend_free
ROOT = Path(__file__).parents[1]
# Folder of the repository, and where an installed package has it.
SHIPPED = {
    "keras_gcnn": "keras_gcnn",
    "zoo/recipes": "keras_gcnn/recipes",
    "tuning/searches": "keras_gcnn/searches",
}


@pytest.fixture(scope="module")
def included():
    files = WheelBuilder(str(ROOT)).recurse_included_files()
    return {Path(file.distribution_path).as_posix() for file in files}


def tracked(folder):
    listed = subprocess.check_output(
        ["git", "-c", "safe.directory=*", "ls-files", folder], cwd=ROOT, text=True
    )
    return {Path(line).relative_to(folder).as_posix() for line in listed.splitlines()}


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="needs a clone")
def test_what_the_wheel_holds(included):
    expected = {f"{place}/{file}" for folder, place in SHIPPED.items() for file in tracked(folder)}
    assert included == expected
    assert {"keras_gcnn/recipes/digits.toml", "keras_gcnn/searches/digits.toml"} <= included
