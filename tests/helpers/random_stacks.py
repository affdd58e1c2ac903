"""Random stacks of layers, drawn from a seed.

A stack knows the group under which its outputs turn, by what it was drawn from; what the layers
say of themselves is not asked.
"""

import dataclasses

import keras
import numpy as np

from keras_gcnn import layers
from keras_gcnn.layers import Fields
from tests.helpers.layers import random_initializer
from tests.helpers.reference import move_images, move_maps, order
from tests.helpers.steerable import turn

SUBGROUPS = {
    "p4m": ("p4", "pmm", "pm", "p2"),
    "p4": ("p2",),
    "pmm": ("pm", "p2"),
    "pm": (),
    "p2": (),
}
SQUARE_ONLY = ("p4", "p4m", "so2")
PADDINGS = ("valid", "same", "circular", "reflect")
ACTIVATIONS = ("relu", "tanh", "elu")
FIELDS = ({0: 2, 1: 1}, {0: 1, 1: 1, 2: 1})
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
        group: name of the group of the outputs; `"so2"` for fields.
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
        """Name of the group whose elements are tried: of all rotations the quarter turns."""
        return "p4" if self.group == "so2" else self.group

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
        return turn(outputs, self.output, g)


def draw(seed):
    """The stack of a seed."""
    rng = np.random.default_rng(seed)
    dtype = str(rng.choice(["float64", "float64", "float32", "mixed_bfloat16"]))
    data_format = "channels_first" if rng.random() < 0.25 else "channels_last"
    group = str(rng.choice([*SUBGROUPS, "so2"], p=[0.25, 0.25, 0.1, 0.1, 0.1, 0.2]))
    rows = int(rng.integers(7, 13))
    columns = rows if group in SQUARE_ONLY else int(rng.choice([rows, 9]))
    drawing = _FieldStack(rng, group) if group == "so2" else _GroupStack(rng, group)
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
                    *(self.restrict, self.interrupt),
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

    def restrict(self, common):
        if SUBGROUPS[self.group]:
            subgroup = self.choose(SUBGROUPS[self.group])
            self.add(layers.Restriction, self.group, subgroup, **common)
            self.group = subgroup


class _FieldStack(_Drawing):
    def draw(self, common):
        self.fields = {0: 2}
        self.convolve(common)
        for _ in range(self.rng.integers(0, 3)):
            step = self.choose(
                [
                    self.convolve,
                    self.enlarge,
                    self.blur,
                    self.normalize,
                    self.activate,
                    self.mask,
                    self.pool,
                ]
            )
            step(common)
        self.output = self.fields
        end = self.rng.integers(4)
        if end == 0:
            self.add(layers.InvariantMap, Fields(self.fields), 2, activation="relu", **common)
            self.output = "plane"
        elif end == 1:
            self.add(layers.NormPooling, Fields(self.fields), **common)
            self.add(layers.GGlobalPooling, "mean", "z2", **common)
            self.output = "vectors"

    def change(self, layer_class, common, paddings=PADDINGS):
        fields = self.choose(FIELDS)
        size = int(self.choose([3, 4, 5]))
        both = Fields(self.fields), Fields(fields)
        window = self.window(True, paddings=paddings)
        self.add(layer_class, *both, size, band_limit=0.5, **window, **common)
        self.fields = fields

    def convolve(self, common):
        self.change(layers.SteerableConv2D, common)

    def enlarge(self, common):
        self.change(layers.SteerableConv2DTranspose, common, PADDINGS[:2])

    def blur(self, common):
        strides = int(self.choose([1, 2, 3]))
        self.add(layers.SteerableAveragePooling2D, Fields(self.fields), strides, **common)

    def normalize(self, common):
        axis = 1 if common["data_format"] == "channels_first" else -1
        self.add(
            layers.SteerableBatchNormalization, Fields(self.fields), axis, dtype=common["dtype"]
        )

    def activate(self, common):
        layer_class = self.choose(
            [layers.FourierActivation, layers.NormActivation, layers.GatedActivation]
        )
        self.add(layer_class, Fields(self.fields), self.choose(ACTIVATIONS), **common)

    def mask(self, common):
        self.add(layers.DiscMask, Fields(self.fields), **common)

    def pool(self, common):
        self.add(layers.GAveragePooling2D, strides=2, **common)
