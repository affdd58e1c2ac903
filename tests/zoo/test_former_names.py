"""Names of version 0.1 for arguments of the builders: accepted in files, deprecated in calls."""

import json

import pytest

from keras_gcnn import former_names, zoo
from keras_gcnn.training import load_recipe
from keras_gcnn.training.recipes.changes import find_changes
from keras_gcnn.zoo import pretrained
from tests.zoo.networks import build, count

pytestmark = pytest.mark.backend_free

RECIPE = """
title = "A recipe of version 0.1"
[[models]]
name = "SO2"
builder = "so2cnn"
arguments = { variant = "seed", max_frequency = 2, fields = [2, 2, 2] }
"""


def test_the_published_variant_had_another_name():
    expected = count(zoo.so2cnn("report"))
    for make in (lambda: zoo.so2cnn("seed"), lambda: zoo.so2cnn(variant="seed")):
        with pytest.warns(DeprecationWarning, match=r'zoo\.so2cnn: .*variant="report"') as warned:
            assert count(make()) == expected
        assert [warning.filename for warning in warned] == [__file__]


def test_the_widths_of_the_steerable_network_had_another_name():
    how = {"kernel_sizes": (3, 3), "max_frequency": 1}
    with pytest.warns(DeprecationWarning, match="`fields` is called `widths`"):
        network = zoo.so2cnn(fields=(2, 3), **how)
    assert network.widths == (2, 3)
    for wrong in ({"fields": (2, 3), "widths": (2, 3)}, {"field": (2, 3)}):
        with pytest.raises(
            TypeError, match=r"so2cnn\(\) got an unexpected keyword argument 'field"
        ):
            zoo.so2cnn(**wrong)


@pytest.mark.parametrize("builder", ["resnet20", "vae"])
def test_every_builder_with_variants_warns(builder):
    arguments = {"variant": "seed", "widths": (2, 2, 2)}
    with pytest.warns(DeprecationWarning, match='variant="report"'):
        getattr(zoo, builder)(input_shape=(29, 29, 1), **arguments)


@pytest.mark.filterwarnings("error:keras_gcnn.zoo:DeprecationWarning")
def test_a_recipe_may_use_the_former_names(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE)
    recipe = load_recipe(path)
    assert recipe.models[0].arguments == {
        "variant": "report",
        "max_frequency": 2,
        "widths": [2, 2, 2],
    }
    new = recipe.model_dump(mode="json")
    old = json.loads(json.dumps(new).replace('"report"', '"seed"').replace("widths", "fields"))
    assert find_changes(old, new, [("SO2", 0)]) == []


@pytest.mark.filterwarnings("error:keras_gcnn.zoo:DeprecationWarning")
def test_a_card_may_use_the_former_names(tmp_path, monkeypatch):
    arguments = {"variant": "report", "widths": [2, 2, 2], "input_shape": [29, 29, 1], "classes": 2}
    network = build("resnet", None, depth=8, **arguments)
    network.save_weights(tmp_path / "old.weights.h5")
    card = {"builder": "resnet", "weights": "marks", "file": "old.weights.h5"}
    card["arguments"] = {**arguments, "variant": "seed", "depth": 8}
    (tmp_path / "old.json").write_text(json.dumps(card))
    monkeypatch.setattr(pretrained, "_folder", lambda: tmp_path)
    pretrained.entries.cache_clear()
    found = zoo.resnet(depth=8, variant="report", weights="marks")
    pretrained.entries.cache_clear()
    assert count(found) == count(network)


def test_what_is_no_table_is_left_to_other_checks():
    for table in (None, 3, {"builder": "resnet"}, {"builder": [], "arguments": {"variant": []}}):
        assert former_names.update_table(table) == table
