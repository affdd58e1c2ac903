"""Stopping part of the equivariance: from a group to one of its subgroups."""

from __future__ import annotations

import keras
from keras import ops

from keras_gcnn import groups
from keras_gcnn.layers.common.base import GroupLayer, split_fibre


@keras.saving.register_keras_serializable(package="keras_gcnn")
class Restriction(GroupLayer):
    """Reads feature maps on a group as feature maps on a subgroup H.

    A field on G becomes `|G| / |H|` fields on H, and layers on H can follow. The values stay; their
    order changes, since the fibre splits over the right cosets of H: from P4M to P4 the mirrored
    half is read as `[4, 7, 6, 5]`, because a mirror image turns the other way. Towards Z2 the
    order stays as it is.

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

    def __init__(
        self, group: str | groups.Group = "p4", subgroup: str | groups.Group = "z2", **kwargs
    ):
        super().__init__(group, **kwargs)
        self.subgroup = groups.get(subgroup)
        if not self.group.contains(self.subgroup):
            names = ", ".join(other.name for other in groups.subgroups(self.group))
            raise ValueError(
                f"{self.subgroup.name} is no subgroup of {self.group.name}. "
                f"The subgroups of {self.group.name} are {names}."
            )
        # Numbers of Python: torch.compile takes an array for a part of the computation.
        self.order = tuple(self.group.restriction(self.subgroup).tolist())

    @property
    def map_out(self) -> groups.Group:
        """The group whose orientations the channels of the output hold."""
        return self.subgroup

    def build(self, input_shape):
        self.fields(input_shape)
        self.built = True

    def call(self, inputs):
        if self.order == tuple(range(self.group.order)):
            return inputs
        # A gather along the channels would do, but PyTorch cannot export one from a 4-D tensor.
        split, axis = split_fibre(inputs, self.group, self.channel_axis)
        orientations = ops.unstack(split, self.group.order, axis=axis)
        read = ops.stack([orientations[g] for g in self.order], axis=axis)
        return ops.reshape(read, (-1, *ops.shape(inputs)[1:]))

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)

    def get_config(self) -> dict:
        return {**super().get_config(), "subgroup": self.subgroup.name}
