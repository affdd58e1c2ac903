import numpy as np
import pytest

from keras_gcnn.data.random_streams import STREAMS, generator, pick

pytestmark = pytest.mark.backend_free


def test_every_stream_and_every_seed_has_numbers_of_its_own():
    drawn = {
        (seed, stream): tuple(generator(seed, stream).random(4))
        for seed in (0, 1, 1998)
        for stream in STREAMS
    }
    assert len(set(drawn.values())) == 3 * len(STREAMS)
    assert drawn[0, "subset"] == tuple(generator(0, "subset").random(4))


@pytest.mark.parametrize("stratify", [False, True])
def test_pick_is_exact_and_grows_by_adding(stratify):
    labels = np.repeat(np.arange(4), [10, 20, 30, 47])
    before = np.zeros(len(labels), bool)
    for count in range(len(labels) + 1):
        now = pick(count, labels, generator(3, "subset"), stratify)
        assert now.sum() == count
        assert not (before & ~now).any()
        if stratify:
            expected = count * np.bincount(labels) / len(labels)
            assert np.all(abs(np.bincount(labels[now], minlength=4) - expected) <= 1)
        before = now
