"""Builds a network of steerable layers from an architecture and the user's options."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import keras

from keras_gcnn.arguments import check_count, check_flag
from keras_gcnn.groups.point_group import PointGroup
from keras_gcnn.layers import Fields
from keras_gcnn.layers.common.stock_in_graphs import Rescaling
from keras_gcnn.layers.steerable.samples import checked_samples
from keras_gcnn.zoo.budget import choose_widths
from keras_gcnn.zoo.spec import Options, check_shape
from keras_gcnn.zoo.steerable_graph_builder import FieldMaps, SteerableGraphBuilder
from keras_gcnn.zoo.symmetries import FieldType, in_stages
from keras_gcnn.zoo.weight_files import load_weights

Body = Callable[[SteerableGraphBuilder, FieldMaps, Sequence[Fields]], FieldMaps]
Top = Callable[[SteerableGraphBuilder, FieldMaps], FieldMaps]


@dataclass(frozen=True)
class SteerableArchitecture:
    """A steerable network whose widths and size are still open.

    Attributes:
        name: default name of the model.
        group: the group of the first stage.
        subgroups: from the name of a stage to the group that remains after it.
        fields: what the fields are.
        stages: names of the stages, in order.
        stage_of: for every width, the stage that contains its convolutions.
        widths: channels of an ordinary network, one number per width.
        body: adds all layers from the image to the features, given the fields for every width.
        top: adds the invariant channels and their mean over positions.
        band_limit: see `SteerableConv2D`.
        samples: see `FourierActivation`; None for the default.
        scale, offset: the body receives `scale * pixel + offset`.
        smallest: the smallest number of rows and columns of an image.
        counts_fields: whether the widths are numbers of fields instead.
    """

    name: str
    group: PointGroup
    subgroups: Mapping[str, PointGroup]
    fields: FieldType
    stages: tuple[str, ...]
    stage_of: tuple[str, ...]
    widths: Sequence[int]
    body: Body
    top: Top
    band_limit: float | str
    samples: int | None
    scale: float
    offset: float
    smallest: int
    counts_fields: bool = False

    @property
    def groups(self) -> list[PointGroup]:
        """The group of the fields of every width."""
        groups = in_stages(self.group, self.stages, self.subgroups)
        by_stage = dict(zip(self.stages, groups, strict=True))
        return [by_stage[stage] for stage in self.stage_of]

    @property
    def ratio(self) -> list[float]:
        """The fields per width that keep the number of weights about equal for every group.

        A convolution between regular fields of n channels has n times the weights of an ordinary
        one of as many fields.
        """
        if self.counts_fields:
            return list(self.widths)
        sizes = map(self.fields.size, self.groups)
        return [width / size**0.5 for width, size in zip(self.widths, sizes, strict=True)]


def build_steerable(architecture: SteerableArchitecture, options: Options) -> keras.Model:
    """Builds a steerable network of the zoo; the groups are those of the architecture.

    Raises:
        ValueError: for an image that is too small, samples that do not fit the fields, a budget
            that cannot be met to 2 %, or a file of another network.
    """
    classes = check_count("classes", options.classes)
    include_top = check_flag("include_top", options.include_top)
    data_format = options.data_format or keras.config.image_data_format()
    rows, columns, channels = check_shape(options.input_shape, data_format, architecture.smallest)
    group, fields = architecture.group, architecture.fields
    checked_samples(fields.make(1, group), architecture.samples)

    def assemble(
        widths: tuple[int, ...], image: keras.KerasTensor | None = None
    ) -> tuple[SteerableGraphBuilder, FieldMaps]:
        net = SteerableGraphBuilder(
            data_format, architecture.band_limit, architecture.samples, architecture.subgroups
        )
        x = FieldMaps(Fields.trivial(channels, group), (rows, columns), image)
        outputs = list(map(fields.make, widths, architecture.groups))
        x = architecture.body(net, x, outputs)
        if include_top:
            x = architecture.top(net, x)
            x = net.logits(x, classes, options.classifier_activation)
        return net, x

    widths = choose_widths(
        lambda widths: assemble(widths)[0],
        architecture.ratio,
        options.widths,
        parameters=options.parameters,
        multiply_adds=options.multiply_adds,
    )
    first = data_format == "channels_first"
    inputs = keras.Input(
        (channels, rows, columns) if first else (rows, columns, channels), name="image"
    )
    image = Rescaling(architecture.scale, architecture.offset, name="normalization")(inputs)
    net, outputs = assemble(widths, image)
    model = keras.Model(inputs, outputs.tensor, name=options.name or architecture.name)
    model.widths, model.stages = widths, architecture.stages
    model.multiply_adds = net.multiply_adds
    return load_weights(model, options.weights)
