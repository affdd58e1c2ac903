"""A U-Net that reads images at any angle: steerable convolutions under SO(2)."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from functools import partial

import keras

from keras_gcnn.arguments import check_count, check_flag
from keras_gcnn.layers import Fields, InvariantMap
from keras_gcnn.layers.common.stock_in_graphs import Rescaling
from keras_gcnn.zoo import steerable_graph_builder as steerable
from keras_gcnn.zoo.budget import choose_widths
from keras_gcnn.zoo.decorators import with_published_weights
from keras_gcnn.zoo.spec import check_kernel_size, check_open_size_budget, check_shape
from keras_gcnn.zoo.steerable_graph_builder import FieldMaps, SteerableGraphBuilder
from keras_gcnn.zoo.unet_levels import OFFSET, SCALE, add_border, add_levels, check_depth, crop
from keras_gcnn.zoo.weight_files import load_weights

_FIRST_WIDTH = 4  # regular fields at the size of the image; doubled by level
_UPSAMPLING = 1.0  # pixels: blurs the steps of doubled maps, which halves the error at 45 degrees


class _Levels:
    """The layers of a U-Net of fields; see `unet_levels.Levels`."""

    def __init__(self, net: SteerableGraphBuilder, fields: Sequence[Fields], kernel_size: int):
        self.data_format = net.data_format
        self._net = net
        self._fields = fields
        self._kernel_size = kernel_size

    def convolve(self, x: FieldMaps, level: int, stage: int) -> FieldMaps:
        fields, size = self._fields[level], self._kernel_size
        for part in (1, 2):
            x = self._net.convolution(x, fields, size, f"stage{stage}_conv{part}")
            x = self._net.normalization(x, f"stage{stage}_bn{part}")
            x = self._net.activation(x, f"stage{stage}_activation{part}")
        return x

    def halve(self, x: FieldMaps, name: str) -> FieldMaps:
        return self._net.average(x, steerable.POOLING, name)

    def double(self, x: FieldMaps, level: int, stage: int) -> FieldMaps:
        del level
        rows, columns = x.sizes
        x = self._net.add_layer(
            x,
            lambda: keras.layers.UpSampling2D(
                2, data_format=self.data_format, name=f"stage{stage}_up"
            ),
            sizes=(2 * rows, 2 * columns),
        )
        return self._net.blur(x, _UPSAMPLING, f"stage{stage}_blur")

    def match(self, skip: FieldMaps, x: FieldMaps, stage: int) -> FieldMaps:
        return skip


def _logits(
    net: SteerableGraphBuilder, x: FieldMaps, classes: int, activation: str | None
) -> FieldMaps:
    invariant = x.fields.scalars
    return net.add_layer(
        x,
        partial(
            InvariantMap,
            x.fields,
            classes,
            activation=activation,
            data_format=net.data_format,
            dtype=keras.config.dtype_policy().variable_dtype,
            name="logits",
        ),
        (invariant + 1) * classes,
        math.prod(x.sizes) * x.fields.channels * classes,
        fields=Fields.trivial(classes),
    )


@with_published_weights
def so2unet(
    widths: Sequence[int] | None = None,
    input_shape: tuple[int | None, int | None, int] = (96, 96, 3),
    classes: int = 1,
    parameters: int | None = None,
    *,
    multiply_adds: int | None = None,
    depth: int = 3,
    kernel_size: int = 5,
    max_frequency: int = 2,
    samples: int = 16,
    include_top: bool = True,
    classifier_activation: str | None = None,
    weights: str | os.PathLike | None = None,
    data_format: str | None = None,
    name: str | None = None,
) -> keras.Model:
    """Builds a U-Net whose features rotate with the image by any angle, with a logit per pixel.

    The map of logits rotates with the image: exactly for quarter turns, and at other angles up to
    the error of sampling on the pixel grid and what leaves the image at its corners. Mirror images
    are different images.

    Every stage has two steerable convolutions, each with batch normalisation and the ELU of the
    fields as functions of the angle. With `depth=3`, stages `1`, `2` and `3` end in a blurred
    pooling by two, stage `4` lies at the bottom, and stages `5`, `6` and `7` begin by doubling the
    map, a blur, and the concatenation with the map of stage `3`, `2` or `1`. A 1x1 convolution of
    frequency 0 yields the logits. Layers are named `stage1_conv1`, `stage1_bn1`,
    `stage1_activation1`, `stage1_conv2`, ..., `stage1_pool`, ..., `stage5_up`, `stage5_blur`,
    `stage5_concat`, `stage5_conv1`, ..., `logits`.

    Sizes are treated as in `unet`: those that are no multiples of `2**depth` are padded inside, odd
    ones are refused, and open ones have to be multiples in every call.

    Args:
        widths: `depth + 1` numbers, the regular fields of each level from the size of the image
            down, each with all frequencies up to `max_frequency`; the way up has the same fields as
            the way down. The default is `(4, 8, 16, ...)`. With a budget, only the proportions of
            the widths count.
        input_shape: rows, columns, channels (with `data_format="channels_first"`, the channels come
            first). Pixels are floats in [0, 1]. Rows and columns may be None.
        classes: int, number of logits per pixel; 1 for a binary mask.
        parameters: int, a budget: the builder scales the widths so that the network has at most
            this many trainable parameters and at least 99 % of them, or 98 % if 99 % cannot be
            reached.
        multiply_adds: int, a budget of multiply-adds for one image instead, used to the same share;
            see `keras_gcnn.analysis.cost`. It needs the size of the images.
        depth: int, how often the maps are halved.
        kernel_size: int, rows and columns of all kernels, odd.
        max_frequency: int, highest frequency of the fields.
        samples: int, number of angles at which the activation is computed; a multiple of 4, at
            least `2 max_frequency + 1`.
        include_top: bool; False for a backbone, which returns the fields before the logits, of the
            size of the image.
        classifier_activation: activation of the output, e.g. `"sigmoid"`; None returns logits.
        weights: None for fresh weights, or the path of a file of this network; the file may come
            from a network for images of another size.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's configuration.
        name: str, name of the model.

    Returns:
        A functional `keras.Model` from images `(batch, rows, columns, channels)` to logits
        `(batch, rows, columns, classes)`, or to fields without the top. Its attributes `widths` and
        `multiply_adds` hold the fields per level and the multiply-adds for one image (None for an
        open size); they are not saved with the model.

    Raises:
        ValueError: for an image that is too small or has an odd size that would have to be padded
            (the message names the nearest sizes that fit), a kernel size that is not odd, two
            budgets, one that cannot be met to 2 %, or a file of another network.

    Example:

    >>> from keras_gcnn import zoo
    >>> network = zoo.so2unet(input_shape=(32, 32, 1), widths=(2, 3, 4), depth=2, classes=4)
    >>> network.output_shape
    (None, 32, 32, 4)

    References:
        Ronneberger et al. 2015, "U-Net: Convolutional Networks for Biomedical Image Segmentation";
        Weiler & Cesa 2019, "General E(2)-Equivariant Steerable CNNs", section 3.
    """
    depth = check_depth(depth)
    classes = check_count("classes", classes)
    include_top = check_flag("include_top", include_top)
    kernel_size = check_kernel_size(kernel_size)
    data_format = data_format or keras.config.image_data_format()
    rows, columns, channels = check_shape(input_shape, data_format, 2**depth, open_sizes=True)
    shape = tuple(None if size is None else int(size) for size in input_shape)
    check_open_size_budget(shape, multiply_adds)
    Fields.regular(1, max_frequency)  # refuses an invalid frequency

    def assemble(
        widths: tuple[int, ...], image: keras.KerasTensor | None = None
    ) -> tuple[SteerableGraphBuilder, FieldMaps]:
        net = SteerableGraphBuilder(data_format, steerable.BAND_LIMIT, samples)
        fields = [Fields.regular(width, max_frequency) for width in widths]
        x = FieldMaps(Fields.trivial(channels), (rows, columns), image)
        x, border = add_border(x, depth, (True, True), "quarter turns", data_format)
        x = add_levels(x, depth, _Levels(net, fields, kernel_size))
        x = crop(x, border, data_format)
        if include_top:
            x = _logits(net, x, classes, classifier_activation)
        return net, x

    widths = choose_widths(
        lambda widths: assemble(widths)[0],
        [_FIRST_WIDTH * 2**level for level in range(depth + 1)],
        widths,
        parameters=parameters,
        multiply_adds=multiply_adds,
    )
    inputs = keras.Input(shape, name="image")
    image = Rescaling(SCALE, OFFSET, name="normalization")(inputs)
    net, outputs = assemble(widths, image)
    model = keras.Model(inputs, outputs.tensor, name=name or "so2unet")
    model.widths = widths
    model.multiply_adds = None if None in shape else net.multiply_adds
    return load_weights(model, weights)
