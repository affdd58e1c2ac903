"""The weight of the divergence in the loss of an autoencoder: a number, or a schedule."""

from __future__ import annotations

from collections.abc import Mapping

import keras

from keras_gcnn.arguments import is_number
from keras_gcnn.types import Beta

Schedule = keras.optimizers.schedules.LearningRateSchedule


def find_beta(beta: Beta) -> float | keras.optimizers.schedules.LearningRateSchedule:
    """Returns a schedule, also from its dict, or a finite number from 0 as a float.

    Raises:
        ValueError: for anything else.
    """
    allowed = (
        "has to be a number from 0, a schedule of keras.optimizers.schedules, or the dict of one, "
        "with class_name and config"
    )
    weight = beta
    if isinstance(beta, Mapping):
        try:
            weight = keras.optimizers.schedules.deserialize(dict(beta))
        except (TypeError, ValueError) as error:
            raise ValueError(f"beta={beta!r} {allowed}: {error}") from error
        if not isinstance(weight, Schedule):  # Keras reads dicts of anything, also of a number
            raise ValueError(f"beta={beta!r} {allowed}.")
    if isinstance(weight, Schedule):
        return weight
    if not is_number(weight) or not 0 <= weight < float("inf"):
        raise ValueError(f"beta={beta!r} {allowed}.")
    return float(weight)
