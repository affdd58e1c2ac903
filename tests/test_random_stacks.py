"""A network that is built without a warning is exactly equivariant, whatever it is made of."""

import collections
import warnings

import keras
import numpy as np
import pytest

from keras_gcnn.backend.stateless import without_trace
from keras_gcnn.layers import EquivarianceWarning
from tests.helpers.compiling import without_optimizing
from tests.helpers.layers import from_format, randomize, relative_error, to_format
from tests.helpers.levels import thoroughly
from tests.helpers.random_stacks import draw

SEEDS = 120
PARTS = 4  # so that several processes share the seeds
BATCH = 4
TOLERANCES = {"float64": 1e-10, "float32": 1e-5, "bfloat16": 0.02}


def keep_scale(model):
    """Divides every kernel by the square root of its fan-in.

    Otherwise maps grow from layer to layer, and a last `tanh` of values around 100 turns the
    rounding errors of bfloat16 into other signs.
    """
    for weight in model.weights:
        if len(weight.shape) > 1:
            weight.assign(weight / np.sqrt(np.prod(weight.shape[:-1])))


def error_when_turned(stack, model, rng):
    """Largest relative error over two batches in which every image turns by its own element."""
    randomize(model, rng)
    keep_scale(model)
    call = without_trace(model)

    def run(images):
        with without_optimizing():
            outputs = call(to_format(images, stack.data_format), training=stack.training)
        outputs = keras.ops.convert_to_numpy(keras.ops.cast(outputs, "float64"))
        return from_format(outputs, stack.data_format)

    images = rng.normal(size=(BATCH, *stack.shape)).astype(stack.dtype)
    expected = run(images)
    worst = 0.0
    for _ in range(2):
        elements = rng.integers(stack.order, size=BATCH)
        pairs = list(enumerate(elements))
        turned = np.concatenate([stack.move_images(images[[i]], g) for i, g in pairs])
        moved = [stack.move_outputs(expected[[i]], g) for i, g in pairs]
        if len({one.shape for one in moved}) > 1:
            return np.inf  # a turn exchanges the different numbers of rows and columns
        worst = max(worst, relative_error(run(turned), np.concatenate(moved)))
    return worst


def outcome(seed):
    """What the layers of a drawn network say, and whether the network is exact."""
    stack = draw(seed)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model = stack.build()
        except ValueError:
            return "refused", None
        error = error_when_turned(stack, model, np.random.default_rng(seed))
    warned = any(issubclass(one.category, EquivarianceWarning) for one in caught)
    exact = error <= TOLERANCES[model.layers[-1].compute_dtype]
    return ("warned" if warned else "silent"), ("exact" if exact else f"off by {error:.2g}")


@pytest.mark.parametrize("part", [0, *thoroughly(*range(1, PARTS))])
def test_silent_means_exact(part):
    outcomes = {seed: outcome(seed) for seed in range(part, SEEDS, PARTS)}
    wrong = {
        seed: error
        for seed, (word, error) in outcomes.items()
        if word == "silent" and error != "exact"
    }
    assert not wrong
    # The draw covers both: enough that is right, and enough that is broken and warned of.
    counts = collections.Counter(word for word, _ in outcomes.values())
    assert counts["silent"] >= SEEDS / PARTS / 3
    assert counts["warned"] >= SEEDS / PARTS / 6
    assert counts["refused"] <= SEEDS / PARTS / 6
