import pytest

RECIPE = """
title = "Two small networks"
seeds = [3]

[data]
name = "digits"
validation = 60
subset = 120
test_subset = 40

[training]
epochs = 4
batch_size = 32

[evaluation]
angle_step = 90

[[models]]
name = "plain"
builder = "lenet"
arguments = { group = "z2", widths = [2, 4] }

[[models]]
name = "turning"
builder = "lenet"
arguments = { group = "p4", widths = [2, 4] }
"""


@pytest.fixture
def recipe_file(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(RECIPE)
    return path
