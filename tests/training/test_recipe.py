import subprocess
import sys

import pytest

from keras_gcnn.training import Recipe, load_recipe, recipe_names

pytestmark = pytest.mark.backend_free


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
        ("epochs = 4", "epochs = true", r"training\.epochs: .*integer.*given: true"),
        ("epochs = 4", 'epochs = "4"', r'training\.epochs: .*integer.*given: "4"'),
        ("epochs = 4", "epochs = 4.0", r"training\.epochs: .*integer.*given: 4\.0"),
        (
            "epochs = 4",
            'augment = { interpolation = "cubic" }',
            r"training\.augment: .*is for rotate",
        ),
        ("epochs = 4", "learning_rate = inf", r"learning_rate: .*finite.*given: inf"),
        ("epochs = 4", "learning_rate = true", r"learning_rate: .*number.*given: true"),
        ("epochs = 4", "optimizer_arguments = { a = [nan] }", r"optimizer_arguments: .*finite"),
        (
            "epochs = 4",
            "optimizer_arguments = { learning_rate = 0.1 }",
            r"optimizer_arguments: .*training\.learning_rate instead",
        ),
        ('"turning"', '"turning"\nepochs = 5', r"turning has epochs = 5, .*training\.epochs = 4"),
        ("seeds = [3]", "seeds = [3, 4, 3]", r"seeds: .*differ.*given: \[3, 4, 3\]"),
        ("seeds = [3]", "seeds = [4294967296]", r"seeds\.0: .*less than 4294967296.*given"),
        ("seeds = [3]", "seeds = [true]", r"seeds\.0: .*given: true\)$"),
        ("seeds = [3]", 'seeds = "3"', r'seeds: .*list \(given: "3"'),
        ("angle_step = 90", "angle_step = 0.5", r"angle_step: .*greater than or equal to 1.*0\.5"),
        ("validation = 60", "validation = true", r"data\.validation: .*share.*given: true"),
        ("validation = 60", 'validation = "0.1"', r'data\.validation: .*share.*given: "0\.1"'),
        ("validation = 60", "validation = 1.5", r"data\.validation: .*share.*given: 1\.5"),
        ("validation = 60", "validation = 0", r"data\.validation: .*share.*given: 0"),
        ("epochs = 4", 'epochs = "many"', r"training\.epochs: .*integer"),
        ("seeds = [3]", "seeds = []", r"seeds: .*at least 1"),
        ("seeds = [3]", "", None),
        ("subset = 120", "subset = -1", r"data\.subset"),
        ("subset = 120", 'rotate = ["tests"]', r"data\.rotate\.0: .*'train'"),
        ("[data]", "data = 3\n[test]", r"data: .*given: 3"),
        ('builder = "lenet"', 'net = "lenet"', r"models\.0\.builder: Field required\n"),
        ('builder = "lenet"', 'builder = "lenet"\nwidth = 3', r"allowed are name, builder"),
        ('"turning"', '"plain"', "same name"),
        ('"turning"', '"../turning"', r"models\.1\.name"),
        ('"turning"', '"turning"\nseeds = [1, 1]', r"models\.1\.seeds: .*differ"),
        ("epochs = 4", "epochs = 100_001", r"training\.epochs: .*equal to 100000"),
        ('group = "p4"', 'group = "p5"', r"models\.1\.arguments: Unknown group 'p5'"),
        (
            'group = "p4"',
            'group = "p4", restrict_after = { 1 = "z3" }',
            r"models\.1\.arguments: Unknown group 'z3'",
        ),
        ('"turning"', '"turning"\nepochs = 0', r"models\.1\.epochs: .*greater than 0"),
        ("angle_step = 90", 'turned = "no"', r"evaluation\.turned: .*boolean"),
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


def test_epochs_of_a_network_are_compared_with_the_file_s(recipe_file):
    text = recipe_file.read_text()
    recipe_file.write_text(text.replace('"plain"', '"plain"\nepochs = 4'))
    recipe = load_recipe(recipe_file, training__epochs=1)
    assert [recipe.training_of(model).epochs for model in recipe.models] == [1, 1]
    # What a run wrote with fewer epochs is still a recipe.
    assert Recipe.model_validate(recipe.model_dump(mode="json")) == recipe
    text = text.replace("epochs = 4\n", "").replace('"plain"', '"plain"\nepochs = 40')
    recipe_file.write_text(text)
    with pytest.raises(ValueError, match=r"training\.epochs = 30"):
        load_recipe(recipe_file, training__epochs=1)
    assert load_recipe(recipe_file, training__epochs=50).models[0].epochs == 40


def test_arguments_of_the_optimizer_of_a_network_come_before_the_recipe_s(recipe_file):
    shared = "optimizer_arguments = { beta_1 = 0.5, weight_decay = 0.1 }"
    text = recipe_file.read_text().replace(
        "epochs = 4", f'epochs = 4\noptimizer = "adamw"\n{shared}'
    )
    own = '"plain"\noptimizer_arguments = { weight_decay = 0.3 }'
    recipe_file.write_text(text.replace('"plain"', own))
    recipe = load_recipe(recipe_file)
    plain, turning = (recipe.training_of(model).optimizer_arguments for model in recipe.models)
    assert plain == {"beta_1": 0.5, "weight_decay": 0.3}
    assert turning == {"beta_1": 0.5, "weight_decay": 0.1}
    recipe_file.write_text(text.replace('"plain"', own.replace("weight_decay", "learning_rate")))
    with pytest.raises(ValueError, match=r"optimizer_arguments.*training\.learning_rate"):
        load_recipe(recipe_file)


def test_integers_are_numbers_and_lists_are_accepted(recipe_file):
    text = recipe_file.read_text().replace("epochs = 4", "learning_rate = 1")
    recipe_file.write_text(text.replace("subset = 120", 'rotate = ["train", "test"]'))
    recipe = load_recipe(recipe_file)
    assert recipe.training.learning_rate == 1.0
    assert recipe.data.rotate == ("train", "test")


def test_values_are_overridden_only_in_tables(recipe_file):
    recipe_file.write_text('data = 3\ntitle = "no table"')
    with pytest.raises(ValueError, match=r"data: .*given: 3"):
        load_recipe(recipe_file, data__name="mnist")


@pytest.mark.parametrize("recipe", [None, 3])
def test_what_is_neither_name_nor_path_is_rejected(recipe):
    with pytest.raises(TypeError, match=f"recipe={recipe} has to be the name"):
        load_recipe(recipe)


def test_a_name_may_be_too_long_for_a_file():
    with pytest.raises(ValueError, match="There is no recipe") as caught:
        load_recipe("x" * 5000)
    assert "x" * 500 not in str(caught.value)  # only its beginning is shown


def test_a_name_that_is_nearly_right_is_guessed():
    with pytest.raises(ValueError, match="Did you mean 'digits'"):
        load_recipe("digit")


def test_reading_a_recipe_does_not_import_keras():
    # Otherwise the command could not choose a backend by what the recipe says.
    code = (
        "import sys; sys.argv = ['keras-gcnn']\n"
        "from keras_gcnn.training.recipes.schema import load_recipe\n"
        "load_recipe('digits')\n"
        "assert 'keras' not in sys.modules, 'imported'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
