"""Restriction of feature maps on a group to one of its subgroups."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_gcnn import groups
from keras_gcnn.layers.common.base import GroupLayer, as_numbers, split_fibre
from keras_gcnn.types import GroupLike, Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_gcnn")
class Restriction(GroupLayer):
    """Reads feature maps on a group as feature maps on a subgroup H.

    A field on G becomes `|G| / |H|` fields on H, and layers on H can follow: the network goes on
    with less equivariance. The values stay the same, but their order changes, since the fibre
    splits over the right cosets of H: from P4M to P4 the mirrored half is read as `[4, 7, 6, 5]`,
    because a mirror image turns the other way. A restriction to Z2 keeps the order.

    Args:
        group: str or `keras_gcnn.groups.Group`, the group of the input.
        subgroup: str or `Group`, the group of the output.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's configuration.
        **kwargs: arguments of `keras.Layer`.

    Input shape:
        `(batch, ..., c * |G|)`, or `(batch, c * |G|, ...)` for channels first.

    Output shape:
        Same as the input; channel `(c * |G|/|H| + j) * |H| + i` is orientation `h_i x_j` of c.

    Raises:
        ValueError: if `subgroup` is no subgroup of `group`.

    Example:

    >>> from keras_gcnn.layers import Restriction
    >>> Restriction("p4m", "p4").order
    (0, 1, 2, 3, 4, 7, 6, 5)

    References:
        Weiler & Cesa 2019, "General E(2)-Equivariant Steerable CNNs", section 2.7.
    """

    def __init__(self, group: GroupLike = "p4", subgroup: GroupLike = "z2", **kwargs: Any) -> None:
        super().__init__(group, **kwargs)
        self.subgroup = groups.get(subgroup)
        if not self.group.contains(self.subgroup):
            names = ", ".join(other.name for other in groups.subgroups(self.group))
            raise ValueError(
                f"{self.subgroup.name} is no subgroup of {self.group.name}. "
                f"The subgroups of {self.group.name} are {names}."
            )
        # Python integers: torch.compile would treat an array as part of the computation.
        self.order = tuple(self.group.restriction(self.subgroup).tolist())
        self.supports_masking = True  # positions stay where they are

    @property
    def map_out(self) -> groups.Group:
        """The group of the output map."""
        return self.subgroup

    def build(self, input_shape: Shape) -> None:
        self.field_count(input_shape)
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        inputs = as_numbers(inputs, self.compute_dtype)
        if self.order == tuple(range(self.group.order)):
            return inputs
        # No gather along the channels: PyTorch cannot export one from a 4-D tensor.
        split, axis = split_fibre(inputs, self.group, self.channel_axis)
        orientations = ops.unstack(split, self.group.order, axis=axis)
        reordered = ops.stack([orientations[g] for g in self.order], axis=axis)
        return ops.reshape(reordered, (-1, *ops.shape(inputs)[1:]))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return tuple(input_shape)

    def get_config(self) -> dict:
        return {**super().get_config(), "subgroup": self.subgroup.name}
