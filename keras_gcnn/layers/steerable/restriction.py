"""Fields of a group read under a subgroup, and as maps on a group of the pixel grid."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from keras_gcnn import groups
from keras_gcnn.backend.constants import outside_graphs
from keras_gcnn.groups.field_restriction import group_basis, group_fields, restrict_fields
from keras_gcnn.groups.fields import Fields
from keras_gcnn.groups.group import Group
from keras_gcnn.groups.point_group import PointGroup, pixel_point_group, point_group
from keras_gcnn.layers.common.base import GroupLayer, as_numbers
from keras_gcnn.layers.common.map_type import Channels
from keras_gcnn.layers.steerable.base import FieldsLike, SteerableLayer, mix_channels, mix_fields
from keras_gcnn.types import GroupLike, Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_gcnn")
class SteerableRestriction(SteerableLayer):
    """Reads fields of a group as fields of a subgroup.

    Layers on the subgroup can follow: the network goes on with less equivariance. Fields that are
    functions on the group become functions on the subgroup, one for every coset, if the groups
    differ in their mirrors only, or the group is finite and the fields have all of its irreps;
    other fields stay one field each, whose irreps split. No value is lost: the layer multiplies
    fibres by an orthogonal matrix, `layer.matrix`.

    Args:
        fields: `Fields` of the input.
        subgroup: `"so2"`, `"c8"`, `"d4"`, ...: a subgroup of the group of `fields`.
        **kwargs: arguments of `keras.Layer`, and `data_format`.

    Input shape:
        `(batch, rows, columns, fields.channels)`, or channels first.

    Output shape:
        Same as the input; its fields are `layer.fields_out`.

    Raises:
        ValueError: if it is no subgroup, or the channels do not match the fields.

    Example:

    >>> from keras_gcnn.layers import Fields, SteerableRestriction
    >>> SteerableRestriction(Fields.regular(4, group="d8"), "c8").fields_out
    Fields.regular(8, group='c8')

    References:
        Weiler & Cesa 2019, "General E(2)-Equivariant Steerable CNNs", section 2.7.
    """

    def __init__(self, fields: FieldsLike, subgroup: str | PointGroup, **kwargs: Any) -> None:
        super().__init__(fields, **kwargs)
        self.subgroup = point_group(subgroup, "subgroup")
        self._fields_out = self.fields.restrict(self.subgroup)

    @property
    def fields_out(self) -> Fields:
        """The fields of the output."""
        return self._fields_out

    @property
    def matrix(self) -> np.ndarray:
        """The orthogonal matrix by which fibres are multiplied, `fibre @ matrix`."""
        return _restriction_matrix(self.fields, self.subgroup)

    def call(self, inputs: Tensor) -> Tensor:
        return mix_channels(as_numbers(inputs, self.compute_dtype), self.matrix, self.channel_axis)

    def get_config(self) -> dict:
        return {**super().get_config(), "subgroup": self.subgroup.name}


@outside_graphs
def _restriction_matrix(fields: Fields, subgroup: PointGroup) -> np.ndarray:
    return restrict_fields(fields, subgroup)[1]


@keras.saving.register_keras_serializable(package="keras_gcnn")
class ToFields(GroupLayer):
    """Reads a map on a group of the pixel grid as fields, without a loss.

    The orientations of a field on P4M are the values of a regular field of D4 at the elements of
    the group, and those on P4 of C4. Steerable layers can follow the layers of the group.

    Args:
        group: str or `keras_gcnn.groups.Group`, the group of the input.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's configuration.
        **kwargs: arguments of `keras.Layer`.

    Input shape:
        `(batch, ..., c * |G|)`, or `(batch, c * |G|, ...)` for channels first.

    Output shape:
        Same as the input; its fields are `Fields.regular(c, group="d4")` for P4M.

    Raises:
        ValueError: if the group is `"flip"` or one of your own, or the channels are no multiple of
            `|G|`.

    Example:

    >>> import numpy as np
    >>> from keras_gcnn.layers import ToFields
    >>> layer = ToFields("p4m")
    >>> maps = layer(np.zeros((1, 8, 8, 24)))
    >>> layer.fields_out
    Fields.regular(3, group='d4')
    """

    _fields_out: Fields | None = None

    def __init__(self, group: GroupLike = "p4", **kwargs: Any) -> None:
        super().__init__(group, **kwargs)
        if pixel_point_group(self.group) is None:
            raise ValueError(
                f"ToFields received {self.group!r}, for which there are no Fields. Choose one of "
                "z2, p2, p4, pm, pmm and p4m."
            )
        self.supports_masking = True

    @property
    def fields_out(self) -> Fields | None:
        """The fields of the output, once the number of channels is known."""
        return self._fields_out

    @property
    def map_out(self) -> Channels | None:
        """The fields of the output."""
        return self._fields_out

    def build(self, input_shape: Shape) -> None:
        self._fields_out = group_fields(self.field_count(input_shape), self.group)
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        inputs = as_numbers(inputs, self.compute_dtype)
        return mix_fields(inputs, _basis_of(self.group), self.channel_axis)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self.field_count(input_shape)
        return tuple(input_shape)


@keras.saving.register_keras_serializable(package="keras_gcnn")
class ToGroupMaps(SteerableLayer):
    """Reads regular fields as a map on a group of the pixel grid, without a loss.

    It inverts `ToFields`; layers such as `GConv2D` can follow.

    Args:
        fields: `Fields.regular(c, group=...)` of C1, C2, C4, D1, D2 or D4.
        **kwargs: arguments of `keras.Layer`, and `data_format`.

    Input shape:
        `(batch, ..., fields.channels)`, or channels first.

    Output shape:
        Same as the input, with channels `c * |G| + orientation`; the group is `layer.group`.

    Raises:
        ValueError: if these are no regular fields of such a group, or the channels do not match.

    Example:

    >>> from keras_gcnn.layers import Fields, ToGroupMaps
    >>> ToGroupMaps(Fields.regular(3, group="d4")).group.name
    'p4m'
    """

    def __init__(self, fields: FieldsLike, **kwargs: Any) -> None:
        super().__init__(fields, **kwargs)
        self.group = self.fields.group.pixel_group
        count = self.fields.channels // self.group.order
        if count == 0 or self.fields != group_fields(count, self.group):
            raise ValueError(
                f"ToGroupMaps received {self.fields!r}, which are no functions on a group of the "
                "pixel grid. Give it Fields.regular(n, group=...) of c1, c2, c4, d1, d2 or d4; "
                "SteerableRestriction makes them of regular fields of larger groups."
            )

    @property
    def fields_out(self) -> None:
        """None: the output is a map on a group."""
        return None

    @property
    def map_out(self) -> Channels:
        """The group of the output map."""
        return self.group

    @property
    def symmetry(self) -> groups.Group:
        """The group of the output map."""
        return self.group

    def call(self, inputs: Tensor) -> Tensor:
        inputs = as_numbers(inputs, self.compute_dtype)
        return mix_fields(inputs, _basis_of(self.group).T, self.channel_axis)


@outside_graphs
def _basis_of(group: Group) -> np.ndarray:
    return group_basis(group)
