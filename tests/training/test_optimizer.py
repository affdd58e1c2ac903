"""Optimizers and schedules that a recipe may ask for."""

import pytest

from keras_gcnn import training
from keras_gcnn.training.inputs.datasets import load_dataset
from keras_gcnn.training.loop.fitting import fit
from keras_gcnn.training.runs.networks import build_network

SGD = """optimizer = "sgd"
learning_rate = 0.01
optimizer_arguments = { momentum = 0.9, nesterov = true, weight_decay = 1e-4 }
"""


def train(recipe, folder):
    dataset = load_dataset(recipe.data, 3)
    network = build_network(recipe.models[0], dataset, 3)
    fit(network, dataset, recipe.training_of(recipe.models[0]), folder, seed=3)
    return network.optimizer


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_the_cosine_ends_at_zero_with_the_network_s_own_epochs(load, tmp_path, schedule):
    recipe = load(
        ("epochs = 4", f'epochs = 4\nschedule = "{schedule}"\n{SGD}'),
        ('name = "plain"', 'name = "plain"\nepochs = 2'),
    )
    optimizer = train(recipe, tmp_path)
    assert int(optimizer.iterations) == 6
    rate = 0.01 if schedule == "constant" else 0.0
    assert float(optimizer.learning_rate) == pytest.approx(rate, abs=1e-9)
    if schedule == "cosine":  # and not before
        assert optimizer.get_config()["learning_rate"]["config"]["decay_steps"] == 6
    settings = (optimizer.momentum, optimizer.nesterov, optimizer.weight_decay)
    assert settings == (0.9, True, 1e-4)


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("new", "message"),
    [
        ('schedule = "cosin"', r"training\.schedule: .*'constant' or 'cosine'.*given: \"cosin\""),
        ('optimizer = "sgdd"', r"training\.optimizer = 'sgdd'.*no optimizer of Keras"),
        ('optimizer = "sgd"\noptimizer_arguments = { momenta = 1 }', "momenta"),
        (
            'schedule = "cosine"\noptimizer = "sgd"\noptimizer_arguments = { momentum = 3 }',
            "momentum",
        ),
    ],
)
def test_a_mistake_is_explained(load, tmp_path, new, message):
    with pytest.raises(ValueError, match=message):
        training.train(load(("batch_size = 40", new)), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.backend_free
@pytest.mark.parametrize(("most", "own", "wanted"), [(4, 2, 2), (1, 2, 1), (4, None, 4)])
def test_a_network_has_at_most_the_recipe_s_epochs(recipe_file, most, own, wanted):
    if own:
        text = recipe_file.read_text()
        recipe_file.write_text(text.replace('"plain"', f'"plain"\nepochs = {own}'))
    recipe = training.load_recipe(recipe_file, training__epochs=most)
    plain, turning = (recipe.training_of(model).epochs for model in recipe.models)
    assert (plain, turning) == (wanted, most)
