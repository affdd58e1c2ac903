"""Random stacks of layers, drawn from a seed.

A stack knows the group under which its outputs turn, by what it was drawn from; what the layers
say of themselves is not asked.
"""

import dataclasses

import keras
import numpy as np

from keras_gcnn import layers
from keras_gcnn.layers import Fields
from tests.helpers import point_groups as formula
from tests.helpers.layers import random_initializer
from tests.helpers.reference import WITH_FIELDS, move_images, move_maps, order

SUBGROUPS = {
    "p4m": ("p4", "pmm", "flip", "p2"),
    "p4": ("p2",),
    "pmm": ("pm", "flip", "p2"),
    "pm": (),
    "flip": (),
    "p2": (),
}
# Groups of fields: as the formulas have them, what of them moves pixels to pixels, and subgroups.
POINT_GROUPS = {
    "so2": ((None, False), "p4", ("c8", "c6")),
    "o2": ((None, True), "p4m", ("so2", "d8")),
    "c8": ((8, False), "p4", ("c4",)),
    "d8": ((8, True), "p4m", ("c8", "d4")),
    "d6": ((6, True), "pmm", ("c6", "d3")),
    "c4": ((4, False), "p4", ()),
    "d4": ((4, True), "p4m", ("c4",)),
    "c6": ((6, False), "p2", ()),
    "d3": ((3, True), "pm", ()),
}
SQUARE_ONLY = ("p4", "p4m")
PADDINGS = ("valid", "same", "circular", "reflect")
ACTIVATIONS = ("relu", "tanh", "elu")
HIGHEST = 2  # frequency of fields
# JAX would compile the random numbers of every shape of a weight.
_KERNEL = {"kernel_initializer": random_initializer(0)}
_PARTS = {f"{part}_initializer": random_initializer(0) for part in ("pointwise", "depthwise")}


@dataclasses.dataclass
class Stack:
    """A drawn network and how its inputs and outputs turn.

    Attributes:
        build: makes the layers and calls them on a symbolic image; returns the functional model.
        shape: rows, columns and channels of the images.
        dtype: of the images.
        group: name of the group of the outputs, or of their fields.
        output: `"maps"`, `"plane"`, `"vectors"`, or the fields.
        training: whether to call the network in training.
        data_format: of the network.
    """

    build: object
    shape: tuple
    dtype: str
    group: str
    output: object
    training: bool
    data_format: str

    @property
    def turns(self):
        """Name of the group whose elements are tried: those that move pixels to pixels."""
        return POINT_GROUPS[self.group][1] if self.group in POINT_GROUPS else self.group

    @property
    def order(self):
        return order(self.turns)

    def move_images(self, images, g):
        return move_images(images, self.turns, g)

    def move_outputs(self, outputs, g):
        if self.output == "vectors":
            return outputs
        if self.output == "plane":
            return self.move_images(outputs, g)
        if self.output == "maps":
            return move_maps(outputs, self.group, g)
        group = POINT_GROUPS[self.group][0]
        blocks = self.output.blocks
        irreps = [i for block in blocks for i in block.irreps * block.field_count]
        matrix = formula.matrix(group, irreps, formula.on_pixels(group)[g])
        return self.move_images(outputs, g) @ matrix.T


def draw(seed):
    """The stack of a seed."""
    rng = np.random.default_rng(seed)
    dtype = str(rng.choice(["float64", "float64", "float32", "mixed_bfloat16"]))
    data_format = "channels_first" if rng.random() < 0.25 else "channels_last"
    group = str(rng.choice([*SUBGROUPS, "fields"], p=[0.25, 0.2, 0.1, 0.05, 0.05, 0.1, 0.25]))
    if group == "fields":
        group = str(rng.choice([*POINT_GROUPS]))
    rows = int(rng.integers(7, 13))
    turns = POINT_GROUPS[group][1] if group in POINT_GROUPS else group
    columns = rows if turns in SQUARE_ONLY else int(rng.choice([rows, 9]))
    drawing = (_FieldStack if group in POINT_GROUPS else _GroupStack)(rng, group)
    drawing.draw({"dtype": dtype, "data_format": data_format})
    first = data_format == "channels_first"
    inputs = "float32" if dtype == "mixed_bfloat16" else dtype

    def build():
        image = keras.Input((2, rows, columns) if first else (rows, columns, 2), dtype=inputs)
        outputs = image
        for make in drawing.makers:
            outputs = make()(outputs)
        return keras.Model(image, outputs)

    return Stack(
        build,
        (rows, columns, 2),
        inputs,
        drawing.group,
        drawing.output,
        bool(rng.random() < 0.3),
        data_format,
    )


class _Drawing:
    """Draws layers one after the other, and follows what their maps are."""

    def __init__(self, rng, group):
        self.rng, self.group = rng, group
        self.makers = []
        self.output = "plane"

    def add(self, layer_class, *args, **kwargs):
        self.makers.append(lambda: layer_class(*args, **kwargs))

    def choose(self, options):
        return options[self.rng.integers(len(options))]

    def pair(self, options):
        """Equal numbers for rows and columns, now and then different ones."""
        one = int(self.choose(options))
        return (one, int(self.choose(options))) if self.rng.random() < 0.2 else one

    def window(self, square, kernel=True, paddings=PADDINGS):
        """Arguments of a convolution; not both strides and dilation."""
        strides, dilation = (self.pair([1, 1, 1, 2, 3]) if self.rng.random() < 0.5 else 1), 1
        if strides == 1 and self.rng.random() < 0.3:
            dilation = 2 if square else self.pair([1, 2])
        return {
            "strides": strides,
            "dilation_rate": dilation,
            "padding": self.choose(paddings),
            **(_KERNEL if kernel else _PARTS),
        }

    def pool(self, common):
        layer_class = self.choose([layers.GMaxPooling2D, layers.GAveragePooling2D])
        if self.rng.random() < 0.6:
            self.add(layer_class, strides=self.choose([2, 2, 3]), **common)
        else:
            padding = self.choose(["valid", "same"])
            self.add(layer_class, self.pair([1, 2, 3]), self.pair([1, 2]), padding, **common)


class _GroupStack(_Drawing):
    def draw(self, common):
        self.lift(common)
        for _ in range(self.rng.integers(0, 4)):
            step = self.choose(
                [
                    *(self.convolve, self.convolve, self.separable, self.depthwise, self.enlarge),
                    *(self.pool, self.normalize, self.activate, self.pad),
                    *(self.restrict, self.interrupt, self.steer),
                ]
            )
            step(common)
        end = self.rng.integers(4)
        if end == 0:
            self.add(layers.GPooling, self.choose(["max", "mean"]), self.group, **common)
            self.output = "plane"
        elif end == 1:
            self.add(layers.GGlobalPooling, self.choose(["max", "mean"]), self.group, **common)
            self.output = "vectors"

    def kernel(self):
        size = int(self.choose([1, 2, 3, 3]))
        free = self.group not in SQUARE_ONLY and self.rng.random() < 0.3
        return (size, int(self.choose([1, 2, 3]))) if free else size

    def lift(self, common):
        self.add(layers.LiftingConv2D, 2, self.kernel(), self.group, **self.window(False), **common)
        self.output = "maps"

    def convolve(self, common):
        self.add(layers.GConv2D, 2, self.kernel(), self.group, **self.window(False), **common)

    def separable(self, common):
        variant = self.choose(["g", "gc"])
        window = self.window(False, kernel=False)
        self.add(
            layers.GSeparableConv2D,
            2,
            self.kernel(),
            self.group,
            variant=variant,
            **window,
            **common,
        )

    def depthwise(self, common):
        window = self.window(False, kernel=False)
        del window["pointwise_initializer"]
        window["strides"] = int(np.max(window["strides"]))  # equal ones only
        more = {"depth_multiplier": int(self.choose([1, 1, 2]))}
        self.add(layers.GDepthwiseConv2D, self.kernel(), self.group, **more, **window, **common)

    def enlarge(self, common):
        window = self.window(False, paddings=PADDINGS[:2])
        self.add(layers.GConv2DTranspose, 2, self.kernel(), self.group, **window, **common)

    def normalize(self, common):
        axis = 1 if common["data_format"] == "channels_first" else -1
        self.add(layers.GBatchNormalization, self.group, axis, dtype=common["dtype"])

    def activate(self, common):
        self.add(keras.layers.Activation, self.choose(ACTIVATIONS), dtype=common["dtype"])

    def pad(self, common):
        self.add(keras.layers.ZeroPadding2D, int(self.rng.integers(1, 3)), **common)

    def interrupt(self, common):
        """A layer of Keras that may break equivariance, and one of ours that sees it."""
        axis = 1 if common["data_format"] == "channels_first" else -1
        stock, arguments = self.choose(
            [
                (keras.layers.BatchNormalization, {"axis": axis, "dtype": common["dtype"]}),
                (keras.layers.MaxPooling2D, {"pool_size": 2, **common}),
                (keras.layers.AveragePooling2D, {"pool_size": 2, "padding": "same", **common}),
                (keras.layers.ZeroPadding2D, {"padding": ((0, 1), (0, 1)), **common}),
                (keras.layers.UpSampling2D, {"size": 2, **common}),
            ]
        )
        self.add(stock, **arguments)
        self.convolve(common)

    def steer(self, common):
        """A steerable convolution between group convolutions, where the group has fields."""
        self.convolve(common)
        if self.group not in WITH_FIELDS:
            return
        fields = Fields.regular(2, group=self.group)
        self.add(layers.ToFields, self.group, **common)
        self.add(layers.SteerableConv2D, fields, fields, 3, **_KERNEL, **common)
        self.add(layers.ToGroupMaps, fields, **common)

    def restrict(self, common):
        if SUBGROUPS[self.group]:
            subgroup = self.choose(SUBGROUPS[self.group])
            self.add(layers.Restriction, self.group, subgroup, **common)
            self.group = subgroup


class _FieldStack(_Drawing):
    def draw(self, common):
        self.fields = Fields.trivial(2)
        self.convolve(common)
        for _ in range(self.rng.integers(0, 3)):
            step = self.choose(
                [
                    *(self.convolve, self.enlarge, self.blur, self.normalize, self.activate),
                    *(self.mask, self.pool, self.restrict),
                ]
            )
            step(common)
        self.output = self.fields
        end = self.rng.integers(5)
        if end == 0:
            self.add(layers.InvariantMap, self.fields, 2, activation="relu", **common)
            self.output = "plane"
        elif end == 1:
            self.add(layers.NormPooling, self.fields, **common)
            self.add(layers.GGlobalPooling, "mean", "z2", **common)
            self.output = "vectors"
        elif end == 2:
            self.add(layers.SteerablePooling, self.fields, **common)
            self.output = "plane"

    def new_fields(self):
        """Two fields of some irreps, or a function on the group."""
        group, *_ = POINT_GROUPS[self.group]
        if self.rng.random() < 0.3:
            top = HIGHEST if group[0] is None else None
            return Fields.regular(1, top, self.group)
        others = [f"{k}-" if odd else k for k, odd in formula.irreps(group, HIGHEST)[1:]]
        chosen = {name: int(self.rng.integers(0, 3)) for name in others}
        return Fields({**chosen, 0: 2}, self.group)

    def change(self, layer_class, common, paddings=PADDINGS):
        fields = self.new_fields()
        size = int(self.choose([3, 4, 5]))
        window = self.window(True, paddings=paddings)
        self.add(layer_class, self.fields, fields, size, band_limit=0.5, **window, **common)
        self.fields = fields

    def restrict(self, common):
        """Goes on under a subgroup, with a convolution: others may not take the new fields."""
        subgroups = POINT_GROUPS[self.group][2]
        if subgroups:
            subgroup = self.choose(subgroups)
            self.add(layers.SteerableRestriction, self.fields, subgroup, **common)
            self.fields, self.group = self.fields.restrict(subgroup), subgroup
            self.convolve(common)

    def convolve(self, common):
        self.change(layers.SteerableConv2D, common)

    def enlarge(self, common):
        self.change(layers.SteerableConv2DTranspose, common, PADDINGS[:2])

    def blur(self, common):
        strides = int(self.choose([1, 2, 3]))
        self.add(layers.SteerableAveragePooling2D, self.fields, strides, **common)

    def normalize(self, common):
        axis = 1 if common["data_format"] == "channels_first" else -1
        self.add(layers.SteerableBatchNormalization, self.fields, axis, dtype=common["dtype"])

    def activate(self, common):
        layer_class = self.choose(
            [layers.FourierActivation, layers.NormActivation, layers.GatedActivation]
        )
        self.add(layer_class, self.fields, self.choose(ACTIVATIONS), **common)

    def mask(self, common):
        self.add(layers.DiscMask, self.fields, **common)

    def pool(self, common):
        self.add(layers.GAveragePooling2D, strides=2, **common)
