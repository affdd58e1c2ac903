"""Plain networks trained on rotated copies of the images, searched over size and learning rate.

What a user would do without this library, for `benchmarks.studies.time_to_error`. Every pair of a
size and a learning rate trains for a short while; the best one trains again, for long.
"""

from __future__ import annotations

import itertools
import math
import time

PARAMETERS = (25_000, 100_000, 300_000, 1_000_000)
LEARNING_RATES = (3e-3, 1e-2)
BATCH, WEIGHT_DECAY, WARM_UP = 64, 0.1, 0.1
SETTINGS = list(itertools.product(PARAMETERS, LEARNING_RATES))


def train(
    data: str, parameters: int, learning_rate: float, seconds: float, error: float
) -> list[dict[str, float]]:
    """Trains a plain network until it reaches an error, or until the time is over.

    Every image is rotated by a new random angle in every epoch. The learning rate follows the
    clock: it rises for a tenth of the time, and then falls to zero along a cosine.

    Args:
        data: path of the archive of images and labels.
        parameters: weights of the network.
        learning_rate: the highest one.
        seconds: the time for training; testing does not count.
        error: share of test images wrong, at which the training ends.

    Returns:
        After each epoch the `seconds` so far, without those of testing, and the `error`.
    """
    import keras
    import numpy as np

    from keras_gcnn import data as datasets
    from keras_gcnn import zoo
    from keras_gcnn.training.inputs.batches import ShuffledBatches
    from keras_gcnn.training.recipes.tables import AugmentTable

    arrays = dict(np.load(data))
    tested = arrays["test_images"], arrays["test_labels"]
    start, testing = time.perf_counter(), 0.0
    keras.utils.set_random_seed(0)
    network = zoo.cohen_cnn("z2", parameters=parameters)
    optimizer = keras.optimizers.AdamW(learning_rate, weight_decay=WEIGHT_DECAY)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(optimizer, loss, metrics=["accuracy"])
    split = datasets.Split(arrays["images"], arrays["labels"])
    batches = ShuffledBatches(split, BATCH, 0, AugmentTable(rotate="any"))
    points: list[dict[str, float]] = []
    for epoch in itertools.count():
        batches.start_epoch(epoch)
        for index in range(len(batches)):
            passed = (time.perf_counter() - start - testing) / seconds
            if passed >= 1:
                break
            optimizer.learning_rate = learning_rate * _share(passed)
            network.train_on_batch(*batches[index])
        used = time.perf_counter() - start - testing
        _, accuracy = network.evaluate(*tested, batch_size=500, verbose=0)
        points.append({"seconds": used, "error": 1 - accuracy})
        testing = time.perf_counter() - start - used
        if used >= seconds or 1 - accuracy <= error:
            break
    return points


def _share(passed: float) -> float:
    """The learning rate when a share of the time has passed, relative to the highest rate."""
    if passed < WARM_UP:
        return passed / WARM_UP
    return (1 + math.cos(math.pi * (passed - WARM_UP) / (1 - WARM_UP))) / 2
