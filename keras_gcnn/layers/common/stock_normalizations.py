"""Rules for the normalisations of Keras: which break the equivariance, and what to use instead."""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_gcnn.layers.common.map_type import MapType, Problem
from keras_gcnn.layers.common.stock_rule import Rule, instead
from keras_gcnn.types import Shape


def _normalization(on_group: str, on_fields: str) -> Rule:
    def rule(op: Any, shape: Shape, axis: int, met: MapType) -> Problem | None:
        if met.ordinary:
            return None
        problem = f"normalizes or scales every channel of {met} by itself"
        return problem, instead(met, on_group, on_fields)

    return rule


batch_normalization = _normalization("GBatchNormalization", "SteerableBatchNormalization")
rms_normalization = _normalization("GRMSNormalization", "SteerableLayerNormalization")
_by_position = _normalization("GLayerNormalization", "SteerableLayerNormalization")
_by_image = _normalization("GGroupNormalization", "SteerableGroupNormalization")


def _treats_alike(op: Any, met: MapType) -> bool:
    # Without weights it treats all channels alike, but it subtracts a mean, which fields lack.
    return not (op.center or op.scale or met.steerable)


def layer_normalization(op: Any, shape: Shape, axis: int, met: MapType) -> Problem | None:
    """Returns the problem with a layer normalisation, and the fix; or None."""
    return None if _treats_alike(op, met) else _by_position(op, shape, axis, met)


def group_normalization(op: Any, shape: Shape, axis: int, met: MapType) -> Problem | None:
    """Returns the problem with a group normalisation, and the fix; or None."""
    channels = shape[axis]
    size = channels // op.groups if channels is not None and op.groups > 0 else 1
    of_whole_fields = size == 1 or not size % met.symmetry.order
    alike = of_whole_fields and _treats_alike(op, met)
    return None if alike else _by_image(op, shape, axis, met)


def normalization_by_data(op: Any, shape: Shape, axis: int, met: MapType) -> Problem | None:
    """Returns the problem with a layer `Normalization`, and the fix; or None."""
    # With one mean and one variance it treats all channels alike; fields lack a mean.
    given = op.input_mean is not None
    alike = not op.axis or (given and np.size(op.input_mean) == np.size(op.input_variance) == 1)
    centred = given and not np.any(op.input_mean)
    if alike and (centred or not met.steerable):
        return None
    return batch_normalization(op, shape, axis, met)
