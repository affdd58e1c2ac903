"""The recipes that come with the library: what they train can be built, and is what they say."""

import json

import numpy as np
import pytest

from keras_gcnn import data
from keras_gcnn.training import load_recipe, train
from keras_gcnn.training.recipes.schema import recipe_names
from keras_gcnn.training.runs.networks import build_network
from keras_gcnn.training.tasks.registry import make_task
from tests.helpers.levels import thoroughly

pytestmark = pytest.mark.backend_free
# Images and classes of the data sets, so that no test needs their files.
DIGITS = ((28, 28, 1), 10)
SHAPES = {
    "cifar10": ((32, 32, 3), 10),
    "emnist_letters": ((28, 28, 1), 26),
    "patch_camelyon": ((96, 96, 3), 2),
    "colorectal_histology": ((150, 150, 3), 8),
    "eurosat": ((64, 64, 3), 10),
    "images": ((64, 64, 3), 10),  # a folder
}
# What each table compares; P4M of the report's form is a little larger than the others.
PARAMETERS = {
    "any_angle": (13_000, 275_000),
    "colorectal": (34_000, 275_000),
    "digits": (24_500, 25_000),
    "equal_cost": (8_500, 86_000),
    "equal_cost_cifar10": (8_500, 87_000),
    "eurosat": (34_000, 275_000),
    "folder": (34_000, 275_000),
    "pcam": (120_000, 1_100_000),
    "table1": (216_150, 216_206),
    "table2": (105_000, 662_000),
    "table2_allcnn": (1_220_000, 1_375_000),
    "table2_full": (2_620_000, 2_645_000),
    "table2_report": (660_082, 1_372_254),
    "table2_reduced": (147_000, 150_000),
    "table2_steps": (660_082, 1_372_254),
    "table3": (24_680, 25_140),
    "table3_letters": (108_936, 111_822),
    "rotated_mnist": (24_500, 38_500),
    "rotated_mnist_augmented": (24_500, 38_500),
    "rotated_mnist_elastic": (38_000, 38_500),
    "rotated_mnist_d16": (2_989_050, 2_989_050),
    "rotated_mnist_groups": (39_200, 400_000),
    "rotated_mnist_small": (2_900, 5_100),
    "segmentation": (15_000, 122_000),
    "svae": (137_200, 140_000),
    "svae_grid": (120_000, 145_000),
    "svae_straighten": (137_200, 140_000),
    "svae_dimensions": (467_000, 472_000),
    "svae_likelihood": (471_000, 473_000),
    "upright_to_rotated": (38_000, 43_000),
    "upright_to_rotated_all": (38_000, 38_500),
}
OF_FOLDERS = ("any_angle", "folder", "segmentation")


@pytest.fixture(scope="module")
def counted():
    """Numbers of parameters by network."""
    return {}


def count(table, recipe):
    task = make_task(recipe.latent, recipe.evaluation, recipe.data)
    network = build_network(table, made_up(recipe.data.title), seed=0, task=task)
    return sum(int(np.prod(one.shape)) for one in network.trainable_variables)


def made_up(name):
    shape, classes = SHAPES.get(name, DIGITS)
    split = data.Split(np.zeros((2, *shape), "float32"), np.zeros(2, "int64"))
    return data.Dataset(name, split, split, split, tuple(map(str, range(classes))), "made up")


def test_every_recipe_is_tested():
    assert set(recipe_names()) == set(PARAMETERS)


@pytest.mark.parametrize("name", PARAMETERS)
@pytest.mark.filterwarnings("ignore::keras_gcnn.layers.EquivarianceWarning")
def test_its_networks_have_the_size_that_it_compares(name, counted):
    recipe = load_recipe(name)
    named = recipe.data.name in data.names()
    assert recipe.data.folder == "images" if name in OF_FOLDERS else named
    low, high = PARAMETERS[name]
    for table in recipe.models:
        arguments = json.dumps(table.arguments, sort_keys=True)
        network = (table.builder, arguments, *SHAPES.get(recipe.data.title, DIGITS))
        if network not in counted:  # several recipes train the same networks
            counted[network] = count(table, recipe)
        assert low <= counted[network] <= high, table.name


@pytest.mark.parametrize(
    "name",
    [
        *("equal_cost", "equal_cost_cifar10", "pcam", "colorectal", "eurosat"),
        *OF_FOLDERS,
    ],
)
def test_its_networks_cost_the_same(name):
    recipe = load_recipe(name)
    task = make_task(recipe.latent, recipe.evaluation, recipe.data)
    images = made_up(recipe.data.title)
    built = [build_network(table, images, seed=0, task=task) for table in recipe.models]
    counted = [network.multiply_adds for network in built]
    assert min(counted) > 0.98 * max(counted)


@pytest.mark.parametrize(
    ("name", "networks"),
    [
        ("table3", ["P4-early"]),
        *thoroughly(("table1", ["P4"]), ("rotated_mnist", ["P4CNN-gc"])),
        *thoroughly(("rotated_mnist_groups", ["D8"])),
    ],
)
def test_in_small_it_runs_to_its_table(name, networks, tmp_path):
    recipe = load_recipe(
        name,
        seeds=[0],
        data__name="digits",
        data__validation=30,
        data__subset=64,
        data__test_subset=30,
        training__epochs=1,
        training__batch_size=32,
        evaluation__angle_step=180,
    )
    # On whichever backend the tests run.
    recipe = recipe.model_copy(update={"backend": None})
    results = train(recipe, tmp_path, networks=networks)
    assert [one["network"] for one in results] == networks
    assert 0 <= results[0]["errors"]["test"] <= 100
    for picture in ("errors.png", "accuracy_by_angle.png"):
        assert (tmp_path / picture).stat().st_size > 1000
    assert "Not yet trained" in (tmp_path / "results.md").read_text()
