"""What `symmetrize` should compute, as loops over turned images, and a model to try it on."""

import keras
import numpy as np

# The elements of each group in their order: mirrors of the rows after quarter turns.
ELEMENTS = {
    "z2": [(0, 0)],
    "p2": [(0, 0), (0, 2)],
    "pm": [(0, 0), (1, 0)],
    "flip": [(0, 0), (1, 2)],
    "p4": [(0, 0), (0, 1), (0, 2), (0, 3)],
    "pmm": [(0, 0), (0, 2), (1, 0), (1, 2)],
    "p4m": [(mirror, turns) for mirror in (0, 1) for turns in range(4)],
}
REDUCE = {
    "mean": lambda x: x.mean(0),
    "max": lambda x: x.max(0),
    "logmeanexp": lambda x: np.log(np.exp(x).mean(0)),
}
# Each turns (right, up) into the components of that name.
COMPONENTS = {
    ("right", "up"): np.eye(2),
    ("right", "down"): np.diag([1, -1]),
    ("down", "right"): np.array([[0, -1], [1, 0]]),
}
KINDS = {"maps": "maps", "flow": "vectors", "scores": "invariant", "wind": "vectors"}


@keras.saving.register_keras_serializable(package="tests")
class Own(keras.Model):
    """A model with a `call` of its own that treats every pixel of its images differently."""

    def __init__(self, size=4, data_format="channels_last", **kwargs):
        super().__init__(**kwargs)
        self.size, self.data_format = size, data_format

    def build(self, input_shape):
        pixels = int(np.prod(input_shape[1:]))
        self.first = self.add_weight((pixels, self.size * self.size * 4))
        self.second = self.add_weight((self.size * self.size * 4, 6))

    def call(self, inputs):
        # `ops.matmul` and `ops.tanh` would compute float64 in float32 on some backends.
        pixels = keras.ops.reshape(inputs, (-1, self.first.shape[0], 1))
        values = keras.ops.sum(pixels * self.first, axis=1)
        values = values / (1 + keras.ops.absolute(values))
        scores = keras.ops.sum(values[..., None] * self.second, axis=1)
        shape = (self.size, self.size, 4)
        if self.data_format == "channels_first":
            shape = (4, self.size, self.size)
        maps = keras.ops.reshape(values, (-1, *shape))
        return {"maps": maps, "flow": -maps, "wind": scores[:, :2], "scores": scores}

    def get_config(self):
        config = super().get_config()
        return {**config, "size": self.size, "data_format": self.data_format}


def numpy(outputs):
    return keras.tree.map_structure(keras.ops.convert_to_numpy, outputs)


def rows_of(data_format):
    return 1 if data_format == "channels_last" else 2


def turn(images, element, rows, back=False):
    mirror, turns = element
    axes = (rows, rows + 1)
    if back and mirror:
        images = np.flip(images, rows)
    images = np.rot90(images, -turns if back else turns, axes)
    return np.flip(images, rows) if mirror and not back else images


def turn_pairs(vectors, element, axis, components, back=False):
    """Rotates and mirrors pairs of components along an axis."""
    mirror, turns = element
    quarter, flip = np.array([[0, -1], [1, 0]]), np.diag([1, -1])
    matrix = np.linalg.matrix_power(flip, mirror) @ np.linalg.matrix_power(quarter, turns)
    basis = COMPONENTS[components]
    matrix = basis @ (matrix.T if back else matrix) @ basis.T
    last = np.moveaxis(vectors, axis, -1)
    moved = np.zeros_like(last)
    for pair in range(0, last.shape[-1], 2):
        moved[..., pair : pair + 2] = last[..., pair : pair + 2] @ matrix.T
    return np.moveaxis(moved, -1, axis)


def moved(outputs, kinds, element, rows, components, back=False):
    """What the outputs of an equivariant model become when the image is moved."""
    result = {}
    for name, output in outputs.items():
        if kinds[name] != "invariant" and output.ndim == 4:
            output = turn(output, element, rows, back)
        if kinds[name] == "vectors":
            axis = (1 if rows == 2 else 3) if output.ndim == 4 else 1
            output = turn_pairs(output, element, axis, components, back)
        result[name] = output
    return result
