"""Losses agree with their formulas."""

import keras
import numpy as np
import pytest

import keras_gcnn
from keras_gcnn.losses import DiceCrossEntropy


def _expected(mask, logits, weight, smooth):
    """The loss of one image, pixel by pixel and class by class."""
    powers = np.exp(logits)
    probabilities = powers / powers.sum(axis=-1, keepdims=True)
    entropy = -np.mean(
        [np.log(p[c]) for p, c in zip(probabilities.reshape(-1, 3), mask.flat, strict=True)]
    )
    dice = []
    for index in range(3):
        p, t = probabilities[..., index], (mask == index)
        dice.append((2 * (p * t).sum() + smooth) / (p.sum() + t.sum() + smooth))
    return entropy + weight * (1 - np.mean(dice))


def test_it_is_the_formula(rng):
    masks, logits = rng.integers(0, 3, (4, 5, 6)), rng.normal(size=(4, 5, 6, 3))
    masks[0] = 2  # an image without the other classes
    loss = DiceCrossEntropy(0.7, 0.2)
    expected = [_expected(*pair, 0.7, 0.2) for pair in zip(masks, logits, strict=True)]
    found = float(loss(masks.astype("int32"), logits.astype("float32")))
    assert found == pytest.approx(np.mean(expected), rel=1e-5)


def test_one_logit_is_that_of_the_foreground(rng):
    masks, logits = rng.integers(0, 2, (3, 4, 4)), rng.normal(size=(3, 4, 4, 1)).astype("float32")
    probabilities = 1 / (1 + np.exp(-logits[..., 0]))
    right = np.where(masks == 1, probabilities, 1 - probabilities)
    overlap, sums = (masks * probabilities).sum((1, 2)), (masks + probabilities).sum((1, 2))
    expected = -np.log(right).mean((1, 2)) + 1 - (2 * overlap + 1) / (sums + 1)
    loss = DiceCrossEntropy(reduction=None)
    found = keras.ops.convert_to_numpy(loss(masks, logits))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_it_is_saved_with_a_model(tmp_path, rng):
    inputs = keras.Input((4, 4, 1))
    model = keras.Model(inputs, keras.layers.Conv2D(2, 1)(inputs))
    model.compile("sgd", DiceCrossEntropy(0.5))
    images, masks = rng.normal(size=(2, 4, 4, 1)).astype("float32"), np.ones((2, 4, 4), "int32")
    before = model.evaluate(images, masks, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.evaluate(images, masks, verbose=0) == pytest.approx(before, rel=1e-6)
    assert loaded.loss.dice_weight == 0.5
    assert keras_gcnn.losses.DiceCrossEntropy is DiceCrossEntropy


@pytest.mark.parametrize(
    "arguments", [{"dice_weight": -1}, {"smooth": 0}, {"smooth": float("inf")}]
)
def test_impossible_numbers_are_refused(arguments):
    with pytest.raises(ValueError, match=f"{next(iter(arguments))}=.* has to be a number"):
        DiceCrossEntropy(**arguments)


def test_shapes_that_do_not_belong_together_are_refused(rng):
    masks, logits = rng.integers(0, 3, (4, 5, 6)), rng.normal(size=(4, 5, 6, 3)).astype("float32")
    loss = DiceCrossEntropy()
    assert float(loss(masks[..., None], logits)) == pytest.approx(float(loss(masks, logits)))
    wrong = [(masks[:1], logits), (masks[:, :1], logits), (np.eye(3)[masks], logits)]
    for true, predicted in [*wrong, (masks, np.moveaxis(logits, -1, 1)), (masks, logits[..., 0])]:
        with pytest.raises(ValueError, match="do not fit logits of shape"):
            loss(true, predicted)
