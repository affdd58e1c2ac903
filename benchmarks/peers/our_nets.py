"""The networks of `nets`, as they are compared with escnn's."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import harness
import nets


def step(name: str, settings: dict, batch_size: int) -> Callable[[], object]:
    """A training step: cross-entropy and Adam."""
    return partial(_network(name, settings).train_on_batch, *_batch(batch_size))


def inference(name: str, settings: dict, batch_size: int) -> Callable[[], object]:
    """A call of the network in plain layers."""
    from keras_gcnn import export

    plain = export.to_plain(_network(name, settings))
    return partial(plain.predict_on_batch, _batch(batch_size)[0])


def _batch(size: int):
    return harness.batch(size, harness.in_format(nets.SHAPE))


def _network(name: str, settings: dict):
    if name == "c4":
        return nets.on_group("p4", settings["channels"], settings["kernel"])
    # The other's rings and band limits, so that the kernels are of the same basis.
    return nets.steerable(settings["fields"], settings["kernel"], band_limit="escnn")
