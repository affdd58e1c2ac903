"""Convolutions between fields, whose kernels commute with rotations by any angle."""

from __future__ import annotations

import itertools
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_gcnn import groups
from keras_gcnn.backend.constants import constant
from keras_gcnn.backend.ops import product
from keras_gcnn.groups.fields import Fields, common_group
from keras_gcnn.groups.grid_basis import band_limit_for
from keras_gcnn.groups.harmonics import angular_parts
from keras_gcnn.groups.point_group import LARGEST_FREQUENCY, Irrep
from keras_gcnn.groups.steerable_basis import BlockBasis, block_basis
from keras_gcnn.layers.common.window import WindowConvolution
from keras_gcnn.layers.steerable.base import (
    INSTEAD_OF,
    FieldsLike,
    check_channels,
    mix_channels,
    scalar_channels,
)
from keras_gcnn.layers.steerable.initial_weights import scaled_normal, weight_spreads
from keras_gcnn.types import Constraint, Initializer, Regularizer, Shape, Size2D, Tensor

Spreads = dict[tuple[Irrep, Irrep], float]


def _of_one_group(fields_in: Fields, fields_out: Fields) -> tuple[Fields, Fields]:
    """Returns the fields as those of one group: ordinary channels are fields of every group."""
    group = common_group(fields_out, fields_in)
    return fields_in.under(group), fields_out.under(group)


def _tables_of(basis: BlockBasis) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns waves, indices and factors as a layer uses them: PyTorch needs writable arrays."""
    count, rows, columns = basis.waves.shape
    waves = basis.waves.reshape(count, rows * columns).T.copy()
    return waves, basis.index.copy(), basis.factor[..., None, None].copy()


@keras.saving.register_keras_serializable(package="keras_gcnn")
class SteerableConv2D(WindowConvolution):
    """Convolution that commutes with a group of rotations, as far as the pixel grid allows.

    The kernel is a trained combination of the kernels that satisfy
    `K(g x) = rho_out(g) K(x) rho_in(g)^-1` for every element g of the group of the fields, computed
    once by `keras_gcnn.groups`. With stride 1 the elements that move pixels to pixels are exact,
    quarter turns and the mirrors among them; other angles have an error from sampling, which the
    default basis keeps small.

    Args:
        fields_in: `Fields` of the input, or the dict of their multiplicities; `Fields.trivial(c)`
            for images with c channels.
        fields_out: `Fields` of the output. In a small window there is no kernel for a frequency far
            from those of the input; its channels are zero until an activation mixes frequencies.
        kernel_size: int, rows and columns, even or odd.
        strides: int or pair of ints.
        padding: `"valid"`, or `"same"`, `"circular"` or `"reflect"`, which give `ceil(n / strides)`
            rows for n: with zeros around the map, with its other end, or with its mirror image,
            as wide as `keras_gcnn.groups.border_widths` says.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's configuration.
        dilation_rate: int, rows and columns.
        use_bias: bool. The bias is one number per channel of irrep 0; others cannot have one.
        band_limit: which kernels the basis contains. A float (default 0.1) is the largest share, as
            amplitude, of a kernel's response to slightly blurred images that may lie at wrong
            angular frequencies; `"escnn"` takes the Gaussian rings and limits of that library;
            `"grid"` takes all kernels, as `GConv2D` does. Only the groups that move pixels to
            pixels have it, C_N and D_N with N of 1, 2 or 4, and it is their default.
        kernel_initializer: None (default) for normal numbers that make the output about as large
            as the input; otherwise an initializer of weights of shape
            `(elements, fields in, fields out)`.
        bias_initializer: as in `keras.layers.Conv2D`, as are the regularizers and constraints.
        equivariance: what to do if not even quarter turns are exact, since window and stride do not
            fit the size of the input: `"warn"`, `"strict"` (raise) or `"ignore"`.
        **kwargs: arguments of `keras.Layer`, such as `name` and `dtype`.

    Input shape:
        `(batch, rows, columns, fields_in.channels)`, or channels first.

    Output shape:
        `(batch, new_rows, new_columns, fields_out.channels)`.

    Raises:
        ValueError: if the kernel is not square, the basis is empty, the fields are of different
            groups, or the channels do not match the fields.

    Example:

    >>> import numpy as np
    >>> from keras_gcnn.layers import Fields, SteerableConv2D
    >>> fields = Fields.regular(8, max_frequency=3)
    >>> layer = SteerableConv2D(Fields.trivial(1), fields, 5, padding="same")
    >>> tuple(layer(np.zeros((1, 28, 28, 1))).shape)
    (1, 28, 28, 56)

    References:
        Weiler & Cesa 2019, "General E(2)-Equivariant Steerable CNNs", section 2.4 and table 8; its
        section 2.7 for the initialisation.
    """

    parts = ("kernel",)
    instead_of = INSTEAD_OF

    def __init__(
        self,
        fields_in: FieldsLike,
        fields_out: FieldsLike,
        kernel_size: int,
        *,
        strides: Size2D = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: int = 1,
        use_bias: bool = True,
        band_limit: float | str | None = None,
        kernel_initializer: Initializer = None,
        bias_initializer: Initializer = "zeros",
        kernel_regularizer: Regularizer = None,
        bias_regularizer: Regularizer = None,
        activity_regularizer: Regularizer = None,
        kernel_constraint: Constraint = None,
        bias_constraint: Constraint = None,
        equivariance: str = "warn",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            kernel_size,
            strides=strides,
            padding=padding,
            data_format=data_format,
            dilation_rate=dilation_rate,
            use_bias=use_bias,
            bias_initializer=bias_initializer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            bias_constraint=bias_constraint,
            equivariance=equivariance,
            **kwargs,
        )
        self._keep("kernel", kernel_initializer, kernel_regularizer, kernel_constraint)
        self.fields_in, self.fields_out = _of_one_group(Fields.of(fields_in), Fields.of(fields_out))
        self.band_limit = band_limit_for(band_limit, self.fields_out.group)
        for name in ("kernel_size", "dilation_rate"):
            pair = getattr(self, name)
            if pair[0] != pair[1]:
                raise ValueError(
                    f"{name}={pair} treats rows and columns differently, which no rotation does. "
                    f"Use {name}={max(pair)}."
                )
        self._bases = {
            (i, o): block_basis(
                block_in.irreps, block_out.irreps, self.fields_out.group, *self._basis_arguments
            )
            for i, block_in in enumerate(self.fields_in.blocks)
            for o, block_out in enumerate(self.fields_out.blocks)
        }
        self._tables = {key: _tables_of(basis) for key, basis in self._bases.items()}
        if not any(map(len, self._bases.values())):
            raise ValueError(self._no_kernel())

    def _no_kernel(self) -> str:
        """Says why no kernel takes the fields of the input to those of the output."""
        takes = f"takes {self.fields_in!r} to {self.fields_out!r}"
        group, irreps = self.fields_in.group, (self.fields_in.irreps, self.fields_out.irreps)
        if not any(
            angular_parts(group, *pair, 2 * LARGEST_FREQUENCY)
            for pair in itertools.product(*irreps)
        ):
            return (
                f"No kernel of any size {takes}: {group} has none between the irreps 0 and '0-'. "
                "Add another irrep, such as 1, to one of them."
            )
        larger = "a larger kernel_size"
        if isinstance(self.band_limit, float):
            larger += " or band_limit (the default is 0.1)"
        return (
            f"No kernel of size {self.kernel_size[0]} with band_limit={self.band_limit!r} {takes}: "
            f"so few pixels cannot show one. Use {larger}, or fields of lower frequencies."
        )

    @property
    def _basis_arguments(self) -> tuple[int, int, float | str]:
        return self.kernel_size[0], self.dilation_rate[0], self.band_limit

    @property
    def symmetry(self) -> groups.Group:
        """The elements of the fields' group that move pixels to pixels."""
        return self.fields_out.group.pixel_group

    @property
    def map_in(self) -> Fields:
        """The fields of the input."""
        return self.fields_in

    @property
    def map_out(self) -> Fields:
        """The fields of the output."""
        return self.fields_out

    @property
    def _exact_pooling(self) -> str:
        return (
            f"SteerableAveragePooling2D(strides={max(self.strides)}), which is exact at every size"
        )

    def _channels(self, input_shape: Shape) -> tuple[int, int]:
        check_channels(self, self.fields_in, input_shape, self.channel_axis)
        return self.fields_in.channels, self.fields_out.channels

    def _build_weights(self, input_shape: Shape) -> None:
        spreads = self._spreads()
        for (i, o), basis in self._bases.items():
            if not len(basis):
                continue
            block_in, block_out = self.fields_in.blocks[i], self.fields_out.blocks[o]
            shape = (len(basis), block_in.field_count, block_out.field_count)
            settings = {}
            if self.kernel_initializer is None:
                settings["initializer"] = scaled_normal(np.array([spreads[p] for p in basis.pairs]))
            name = self._weight_of(i, o)
            setattr(self, name, self._add_part("kernel", shape, name, **settings))
        scalars = self.fields_out.scalars
        self.bias = self._add_part("bias", (scalars,)) if self.use_bias and scalars else None

    @staticmethod
    def _weight_of(i: int, o: int) -> str:
        """Returns the name of the weight from block i of the input to block o of the output."""
        return "kernel" if i == o == 0 else f"kernel_{i}_{o}"

    def _spreads(self) -> Spreads:
        """Returns the standard deviation of the weights from one irrep to another."""
        return weight_spreads(self.fields_in, self.fields_out, *self._basis_arguments)

    def _expanded_kernel(self) -> Tensor:
        columns = [
            ops.concatenate([self._part(i, o) for i in range(len(self.fields_in.blocks))], axis=2)
            for o in range(len(self.fields_out.blocks))
        ]
        return ops.concatenate(columns, axis=3)

    def _part(self, i: int, o: int) -> Tensor:
        """Returns the kernel from one block to another, a combination of its basis."""
        basis = self._bases[i, o]
        block_in, block_out = self.fields_in.blocks[i], self.fields_out.blocks[o]
        if not len(basis):
            return ops.zeros(
                (*self.kernel_size, block_in.channels, block_out.channels), self.compute_dtype
            )
        variable = getattr(self, self._weight_of(i, o))
        # On TensorFlow a look-up in a variable has a sparse gradient, with several slices for one
        # weight, and Adam treats each slice as a gradient. That of a reshaped weight is dense.
        weight = ops.reshape(variable, tuple(variable.shape))
        waves, index, factor = self._tables[i, o]
        # The coefficients of the waves: sums of weights with signs and scales.
        terms = [
            ops.take(weight, constant(places), axis=0) * ops.cast(constant(scales), weight.dtype)
            for places, scales in zip(index, factor, strict=True)
        ]
        coefficients = ops.reshape(sum(terms[1:], terms[0]), (len(basis.waves), -1))
        kernel = product(ops.cast(constant(waves), weight.dtype), coefficients)
        fields = (block_in.field_count, block_out.field_count)
        kernel = ops.reshape(kernel, (*self.kernel_size, *basis.index.shape[2:], *fields))
        # To rows, columns, field in, its channels, field out, its channels.
        kernel = ops.transpose(kernel, (0, 1, 4, 2, 5, 3))
        return ops.reshape(kernel, (*self.kernel_size, block_in.channels, block_out.channels))

    def part_of_basis(self, i: int, o: int) -> tuple[np.ndarray, ...] | None:
        """Returns the weights from block i of the input to block o of the output, and the basis.

        Returns:
            Weights of shape `(elements, fields in, fields out)`, waves of shape `(positions,
            waves)`, and the index and factor of `BlockBasis`; None if there is no kernel.
        """
        if not len(self._bases[i, o]):
            return None
        weight = ops.convert_to_numpy(getattr(self, self._weight_of(i, o)))
        return weight, *self._tables[i, o]

    def _channel_bias(self) -> Tensor:
        return mix_channels(self.bias, scalar_channels(self.fields_out), -1)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "fields_in": self.fields_in.as_json(),
            "fields_out": self.fields_out.as_json(),
            "band_limit": self.band_limit,
        }
