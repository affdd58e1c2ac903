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
    "arguments",
    [{"dice_weight": -1}, {"smooth": 0}, {"smooth": float("inf")}, {"ignore_class": 1.5}],
)
def test_impossible_numbers_are_refused(arguments):
    with pytest.raises(
        ValueError, match=f"{next(iter(arguments))}=.* has to be an? (number|integer)"
    ):
        DiceCrossEntropy(**arguments)


def test_shapes_that_do_not_belong_together_are_refused(rng):
    masks, logits = rng.integers(0, 3, (4, 5, 6)), rng.normal(size=(4, 5, 6, 3)).astype("float32")
    loss = DiceCrossEntropy()
    assert float(loss(masks[..., None], logits)) == pytest.approx(float(loss(masks, logits)))
    wrong = [(masks[:1], logits), (masks[:, :1], logits), (np.eye(3)[masks], logits)]
    for true, predicted in [*wrong, (masks, np.moveaxis(logits, -1, 1)), (masks, logits[..., 0])]:
        with pytest.raises(ValueError, match="do not fit logits of shape"):
            loss(true, predicted)


@pytest.mark.parametrize("logits_of", [1, 3])
@pytest.mark.parametrize("wrong", [255, -1, 0.5])
def test_values_that_are_no_class_are_not_learned(logits_of, wrong, rng):
    masks = rng.integers(0, 2, (2, 4, 5)).astype("float32")
    masks[1, 2, 3] = wrong
    logits = rng.normal(size=(2, 4, 5, logits_of)).astype("float32")
    found = keras.ops.convert_to_numpy(DiceCrossEntropy(reduction=None)(masks, logits))
    assert np.isnan(found).tolist() == [False, True]


@pytest.mark.parametrize("ignored", [255, -1, 2])
def test_ignored_pixels_do_not_count(ignored, rng):
    masks, logits = rng.integers(0, 2, (3, 4, 6)), rng.normal(size=(3, 4, 6, 3)).astype("float32")
    masks[:, :, 4:] = ignored
    loss = DiceCrossEntropy(0.7, reduction=None, ignore_class=ignored)
    found = keras.ops.convert_to_numpy(loss(masks, logits))
    expected = [
        _expected(*pair, 0.7, 1) for pair in zip(masks[..., :4], logits[:, :, :4], strict=True)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    masks[0] = ignored  # an image without any label
    assert np.isfinite(keras.ops.convert_to_numpy(loss(masks, logits))).all()


def test_weights_are_those_of_images(rng):
    masks, logits = rng.integers(0, 3, (4, 4, 4)), rng.normal(size=(4, 4, 4, 3)).astype("float32")
    each = keras.ops.convert_to_numpy(DiceCrossEntropy(reduction=None)(masks, logits))
    weights = np.array([0.0, 1.0, 2.0, 3.0], "float32")
    for given in (weights, weights[:, None], weights[:, None, None]):
        found = float(DiceCrossEntropy(dtype="float32")(masks, logits, given))
        assert found == pytest.approx(np.mean(weights * each), rel=1e-5)
    with pytest.raises(ValueError, match=r"one for each image.*ignore_class"):
        DiceCrossEntropy()(masks, logits, np.ones((4, 4, 4), "float32"))
