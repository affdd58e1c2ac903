import subprocess
import sys

import pytest

from keras_gcnn.training import load_recipe, recipe_names


def test_the_library_brings_recipes_that_are_valid():
    assert "digits" in recipe_names()
    for name in recipe_names():
        assert load_recipe(name).models


def test_a_path_is_accepted_and_values_can_be_overridden(recipe_file):
    recipe = load_recipe(recipe_file, data__name="mnist", training__epochs=None, backend="jax")
    assert (recipe.data.name, recipe.training.epochs, recipe.backend) == ("mnist", 4, "jax")
    assert recipe.data.subset == 120


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("epochs = 4", "epoch = 4", r"training\.epoch: unknown key; allowed are epochs, patience"),
        ("epochs = 4", "epochs = 0", r"training\.epochs: .*greater than 0.*given: 0"),
        ("epochs = 4", 'epochs = "many"', r"training\.epochs: .*integer"),
        ("seeds = [3]", "seeds = []", r"seeds: .*at least 1"),
        ("seeds = [3]", "", None),
        ("subset = 120", "subset = -1", r"data\.subset"),
        ("subset = 120", 'rotate = ["tests"]', r"data\.rotate\.0: .*'train'"),
        ('builder = "lenet"', 'net = "lenet"', r"models\.0\.builder: Field required"),
        ('builder = "lenet"', 'builder = "lenet"\nwidth = 3', r"allowed are name, builder"),
        ('"turning"', '"plain"', "same name"),
        ('"turning"', '"../turning"', r"models\.1\.name"),
        ("[data]", "[dataset]", r"dataset: unknown key; allowed are title"),
        ("seeds = [3]", "seeds = [", "no TOML"),
    ],
)
def test_a_mistake_is_named_by_its_key(recipe_file, old, new, message):
    text = recipe_file.read_text()
    assert old in text
    recipe_file.write_text(text.replace(old, new))
    if message is None:
        assert load_recipe(recipe_file).seeds == (0,)
        return
    with pytest.raises(ValueError, match=message):
        load_recipe(recipe_file)


def test_a_name_that_is_nearly_right_is_guessed():
    with pytest.raises(ValueError, match="Did you mean 'digits'"):
        load_recipe("digit")


def test_reading_a_recipe_does_not_import_keras():
    # Otherwise the command could not choose a backend by what the recipe says.
    code = (
        "import sys; sys.argv = ['keras-gcnn']\n"
        "from keras_gcnn.training.recipe import load_recipe\n"
        "load_recipe('digits')\n"
        "assert 'keras' not in sys.modules, 'imported'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
