"""Chains of steerable convolutions that end in invariant channels: `so2cnn`, `steerable_cnn`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass

from keras_gcnn.arguments import all_counts, check_rate
from keras_gcnn.groups.point_group import PointGroup
from keras_gcnn.layers import Fields
from keras_gcnn.zoo import steerable_graph_builder as steerable
from keras_gcnn.zoo.build_steerable import SteerableArchitecture
from keras_gcnn.zoo.steerable_graph_builder import FieldMaps, SteerableGraphBuilder
from keras_gcnn.zoo.symmetries import FieldType


@dataclass(frozen=True)
class Chain:
    """Settings of a chain. The defaults are the best ones for their cost.

    Attributes:
        band_limit: see `SteerableConv2D`.
        blur: standard deviation of the blur of the image, in pixels.
        pooling: standard deviation of the blur before the maps are halved, in pixels, or None for
            the default of the layer.
        invariants: number of invariant channels after the last stage.
        window: rows and columns of the window that yields an invariant channel.
        normalized: whether the invariant channels are normalised.
    """

    band_limit: float | str = steerable.BAND_LIMIT
    blur: float = steerable.BLUR
    pooling: float | None = steerable.POOLING
    invariants: int = 32
    window: int = steerable.WINDOW
    normalized: bool = True

    @property
    def smallest(self) -> int:
        """The smallest number of rows and columns of an image, for the kernels and the window."""
        return max(12, 2**steerable.POOLED * (self.window - 1) + 1)

    def architecture(
        self,
        name: str,
        group: PointGroup,
        fields: FieldType,
        widths: Sequence[int],
        kernel_sizes: Sequence[int],
        *,
        subgroups: Mapping[str, PointGroup] | None = None,
        samples: int | None = None,
        dropout: float = 0.0,
        counts_fields: bool = False,
    ) -> SteerableArchitecture:
        """Returns a chain with a stage for each convolution.

        Args:
            name: name of the model.
            group: the group of the first stage.
            fields: what the fields are.
            widths: see `SteerableArchitecture`.
            kernel_sizes: rows and columns of the kernel of each convolution.
            subgroups: the group that remains after a stage.
            samples: see `FourierActivation`.
            dropout: rate after every activation.
            counts_fields: see `SteerableArchitecture`.
        """
        check_rate("dropout", dropout)
        stages = stage_names(kernel_sizes)

        def body(net: SteerableGraphBuilder, x: FieldMaps, outputs: Sequence[Fields]) -> FieldMaps:
            return net.stages(
                x,
                outputs,
                kernel_sizes,
                blur=self.blur,
                pooling=self.pooling,
                dropout=dropout,
            )

        def top(net: SteerableGraphBuilder, x: FieldMaps) -> FieldMaps:
            x = net.invariants(x, self.invariants, self.window, "invariants")
            if self.normalized:
                x = net.normalization(x, "invariants_norm")
            return net.vector(x)

        return SteerableArchitecture(
            name=name,
            group=group,
            subgroups=subgroups or {},
            fields=fields,
            stages=stages,
            stage_of=stages,
            widths=widths,
            body=body,
            top=top,
            band_limit=self.band_limit,
            samples=samples,
            scale=steerable.SCALE,
            offset=0.0,
            smallest=self.smallest,
            counts_fields=counts_fields,
        )


def stage_names(kernel_sizes: Sequence[int]) -> tuple[str, ...]:
    """Returns the names of the stages, one for each convolution."""
    return tuple(str(number + 1) for number in range(len(kernel_sizes)))


def check_kernel_sizes(
    kernel_sizes: Sequence[int], widths: Sequence[int] | None, default: Sequence[int]
) -> tuple[tuple[int, ...], Sequence[int]]:
    """Returns the kernel size and the default width of every convolution.

    Args:
        kernel_sizes: rows and columns of the kernel of each convolution.
        widths: the user's widths, or None for `default`.
        default: the default widths.

    Raises:
        ValueError: if a kernel size is no odd integer, or there are more or fewer than widths.
    """
    sizes = all_counts(kernel_sizes)
    if not sizes or any(size % 2 == 0 for size in sizes):
        raise ValueError(
            f"kernel_sizes={kernel_sizes!r} has to be odd positive integers, one per "
            "convolution, e.g. (7, 5, 5)."
        )
    given = default if widths is None else widths
    if isinstance(given, Sized) and len(sizes) != len(given):
        raise ValueError(
            f"kernel_sizes={kernel_sizes!r} and widths={given!r} differ in length. Give one of "
            "each for every convolution."
        )
    # With widths of the user only the length of the default matters.
    return sizes, default if widths is None else (1,) * len(sizes)
