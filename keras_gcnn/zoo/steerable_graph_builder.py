"""Builds steerable networks layer by layer, as `graph_builder` does for groups."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import keras
import numpy as np

from keras_gcnn.groups.grid_basis import GRID
from keras_gcnn.groups.point_group import Irrep, PointGroup
from keras_gcnn.groups.steerable_basis import irrep_basis
from keras_gcnn.layers import (
    DiscMask,
    Fields,
    FourierActivation,
    GGlobalPooling,
    InvariantMap,
    SteerableAveragePooling2D,
    SteerableBatchNormalization,
    SteerableConv2D,
    SteerableDropout,
    SteerableRestriction,
)
from keras_gcnn.layers.steerable.samples import checked_samples, sampling_products
from keras_gcnn.zoo.graph_builder import EPSILON, MOMENTUM
from keras_gcnn.zoo.layer_by_layer import LayerByLayer

POOLED = 2  # number of convolutions, the first ones, after which the maps are halved
SCALE = 3.0  # the background stays zero; the standard deviation of digits becomes about one
# The best settings for their cost.
BAND_LIMIT = 0.005
BLUR = 1.0  # pixels, of the image
POOLING = 1.2  # pixels, before maps are halved
WINDOW = 7  # rows and columns of the window of the last maps that yields an invariant channel


@dataclass(frozen=True)
class FieldMaps:
    """Feature maps between two layers.

    Attributes:
        fields: the fields of the maps.
        sizes: rows and columns; one each for a vector.
        tensor: the maps themselves, or None while a network is only counted.
    """

    fields: Fields
    sizes: tuple[int, int]
    tensor: keras.KerasTensor | None = None


@lru_cache(maxsize=1024)
def _basis_counts(
    group: PointGroup,
    irreps_in: tuple[Irrep, ...],
    irreps_out: tuple[Irrep, ...],
    kernel_size: int,
    band_limit: float | str,
) -> np.ndarray:
    """Returns how many kernels there are from one irrep to another, by both."""
    return np.array(
        [
            [irrep_basis(group, m, n, kernel_size, 1, band_limit).count for n in irreps_out]
            for m in irreps_in
        ]
    )


class SteerableGraphBuilder(LayerByLayer[FieldMaps]):
    """Adds steerable layers; see `LayerByLayer`.

    Args:
        data_format: `"channels_last"` or `"channels_first"`.
        band_limit: see `SteerableConv2D`. Groups that move pixels to pixels have all kernels.
        samples: angles for the activation under SO(2) and O(2), or None for the default; see
            `FourierActivation`.
        subgroups: from the name of a stage to the group that remains after it.
    """

    def __init__(
        self,
        data_format: str,
        band_limit: float | str,
        samples: int | None = None,
        subgroups: Mapping[str, PointGroup] | None = None,
    ):
        super().__init__(data_format)
        self.band_limit = band_limit
        self.samples = samples
        self.subgroups = subgroups or {}

    def convolution(
        self, x: FieldMaps, fields: Fields, kernel_size: int, name: str, padding: str = "same"
    ) -> FieldMaps:
        """Adds a convolution, without bias since normalisation follows."""
        band_limit = GRID if fields.group.is_on_pixels else self.band_limit
        irreps_in, irreps_out = x.fields.irreps, fields.irreps
        counts = _basis_counts(
            fields.group, tuple(irreps_in), tuple(irreps_out), kernel_size, band_limit
        )
        weights = int(np.array([*irreps_in.values()]) @ counts @ np.array([*irreps_out.values()]))
        cut = kernel_size - 1 if padding == "valid" else 0
        sizes = (x.sizes[0] - cut, x.sizes[1] - cut)
        return self.add_layer(
            x,
            lambda: SteerableConv2D(
                x.fields,
                fields,
                kernel_size,
                padding=padding,
                use_bias=False,
                band_limit=band_limit,
                data_format=self.data_format,
                name=name,
            ),
            weights,
            math.prod(sizes) * kernel_size**2 * x.fields.channels * fields.channels,
            fields=fields,
            sizes=sizes,
        )

    def normalization(self, x: FieldMaps, name: str) -> FieldMaps:
        """Adds batch normalisation."""
        return self.add_layer(
            x,
            lambda: SteerableBatchNormalization(
                x.fields, self.channel_axis, momentum=MOMENTUM, epsilon=EPSILON, name=name
            ),
            x.fields.count + x.fields.scalars,
        )

    def activation(self, x: FieldMaps, name: str) -> FieldMaps:
        """Adds the ELU of the fields as functions on their group."""
        given = self.samples if x.fields.group.turns is None else None
        samples = checked_samples(x.fields, given)
        return self.add_layer(
            x,
            lambda: FourierActivation(
                x.fields, "elu", samples=samples, data_format=self.data_format, name=name
            ),
            # Two matrices: from the fields to samples, and back.
            multiply_adds=math.prod(x.sizes) * 2 * sampling_products(x.fields, samples),
        )

    def dropout(self, x: FieldMaps, rate: float, name: str) -> FieldMaps:
        """Adds dropout of whole fields, unless the rate is zero."""
        if not rate:
            return x
        return self.add_layer(
            x,
            lambda: SteerableDropout(rate, x.fields, data_format=self.data_format, name=name),
        )

    def mask(self, x: FieldMaps, name: str) -> FieldMaps:
        """Adds the mask of the disc that stays inside the image when the image is rotated."""
        return self.add_layer(
            x, lambda: DiscMask(x.fields, data_format=self.data_format, name=name)
        )

    def blur(self, x: FieldMaps, sigma: float, name: str) -> FieldMaps:
        """Adds a Gaussian blur, unless its standard deviation is zero."""
        return self._pool(x, 1, sigma, name) if sigma else x

    def average(self, x: FieldMaps, sigma: float | None, name: str) -> FieldMaps:
        """Halves the maps by a Gaussian blur; None for the default of the layer."""
        return self._pool(x, 2, sigma, name)

    def _pool(self, x: FieldMaps, strides: int, sigma: float | None, name: str) -> FieldMaps:
        (rows, columns), (new_rows, new_columns) = (
            x.sizes,
            (-(-size // strides) for size in x.sizes),
        )
        # A matrix over the rows, then one over the columns.
        each = new_rows * rows * columns + new_columns * columns * new_rows
        return self.add_layer(
            x,
            lambda: SteerableAveragePooling2D(
                x.fields, strides, sigma=sigma, data_format=self.data_format, name=name
            ),
            multiply_adds=each * x.fields.channels,
            sizes=(new_rows, new_columns),
        )

    def stages(
        self,
        x: FieldMaps,
        fields: Sequence[Fields],
        kernel_sizes: Sequence[int],
        *,
        blur: float = 0.0,
        pooling: float | None = None,
        pooled: int = POOLED,
        dropout: float = 0.0,
    ) -> FieldMaps:
        """Adds mask and blur of the image, then convolution, normalisation and ELU per stage.

        A stage ends in a restriction if `subgroups` has its number.

        Args:
            x: the image.
            fields: fields after each convolution.
            kernel_sizes: kernel size of each convolution.
            blur: standard deviation of the blur of the image, in pixels.
            pooling: standard deviation of the blur before the maps are halved, in pixels, or None
                for the default of the layer.
            pooled: number of stages, the first ones, that end by halving the maps.
            dropout: rate after every activation.
        """
        x = self.mask(x, "mask")
        x = self.blur(x, blur, "blur")
        for stage, (outputs, size) in enumerate(zip(fields, kernel_sizes, strict=True), start=1):
            x = self.convolution(x, outputs, size, f"conv{stage}")
            x = self.normalization(x, f"norm{stage}")
            x = self.activation(x, f"activation{stage}")
            x = self.dropout(x, dropout, f"dropout{stage}")
            if stage <= pooled:
                x = self.average(x, pooling, f"pool{stage}")
            x = self.end_stage(x, str(stage))
        return x

    def end_stage(self, x: FieldMaps, stage: str) -> FieldMaps:
        """Adds the restriction to the subgroup that follows a stage, if there is one."""
        subgroup = self.subgroups.get(stage)
        if subgroup is None or subgroup == x.fields.group:
            return x
        return self.add_layer(
            x,
            lambda: SteerableRestriction(
                x.fields, subgroup, data_format=self.data_format, name=f"restrict{stage}"
            ),
            multiply_adds=math.prod(x.sizes) * x.fields.channels**2,
            fields=x.fields.restrict(subgroup),
        )

    def invariants(self, x: FieldMaps, filters: int, kernel_size: int, name: str) -> FieldMaps:
        """Adds invariant channels: of frequency 0 at a position, or of all fields in a window."""
        if kernel_size > 1:
            outputs = Fields.trivial(filters, x.fields.group)
            return self.convolution(x, outputs, kernel_size, name, "valid")
        return self.add_layer(
            x,
            lambda: InvariantMap(
                x.fields, filters, use_bias=False, data_format=self.data_format, name=name
            ),
            x.fields.scalars * filters,
            math.prod(x.sizes) * x.fields.channels * filters,
            fields=Fields.trivial(filters),
        )

    def vector(self, x: FieldMaps) -> FieldMaps:
        """Adds the ELU of the invariant channels and, as `head`, their mean over positions."""
        return self.mean(
            self.add_layer(x, lambda: keras.layers.ELU(name="invariants_activation")), "head"
        )

    def mean(self, x: FieldMaps, name: str) -> FieldMaps:
        """Adds the mean over positions."""
        # The stock layer computes float64 in float32 on JAX and PyTorch.
        return self.add_layer(
            x,
            lambda: GGlobalPooling("mean", "z2", data_format=self.data_format, name=name),
            sizes=(1, 1),
        )

    def logits(self, x: FieldMaps, classes: int, activation: str | None) -> FieldMaps:
        """Adds the dense layer `logits`, in full precision under a mixed policy."""
        precision = keras.config.dtype_policy().variable_dtype
        return self.add_layer(
            x,
            lambda: keras.layers.Dense(
                classes, activation=activation, dtype=precision, name="logits"
            ),
            (x.fields.channels + 1) * classes,
            x.fields.channels * classes,
        )
