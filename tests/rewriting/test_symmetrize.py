"""`symmetrize` makes any model equivariant: against loops over turned images, and as a model."""

import keras
import numpy as np
import pytest

import keras_gcnn
from keras_gcnn import analysis, export, layers
from keras_gcnn.backend.stateless import without_trace
from tests.helpers.compiling import without_optimizing
from tests.helpers.covering import parametrize_covering
from tests.helpers.layers import relative_error
from tests.helpers.levels import COMPILING, thoroughly

# The elements of each group in their order: mirrors of the rows after quarter turns.
ELEMENTS = {
    "z2": [(0, 0)],
    "p2": [(0, 0), (0, 2)],
    "pm": [(0, 0), (1, 0)],
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


@parametrize_covering(
    group=list(ELEMENTS),
    data_format=["channels_last", "channels_first"],
    size=[5, 4],
    batch=[1, 5],
    dtype=["float64", "float32"],
)
def test_a_loop_over_turned_images(group, data_format, size, batch, dtype, rng):
    """The outputs are those of the loop, and for moved images they are the moved outputs."""
    rows, elements = rows_of(data_format), ELEMENTS[group]
    components = list(COMPONENTS)[list(ELEMENTS).index(group) % len(COMPONENTS)]
    shape = (size, size, 2) if rows == 1 else (2, size, size)
    images = rng.normal(size=(batch, *shape)).astype(dtype)
    orbit = np.concatenate([turn(images, element, rows) for element in elements])
    plain = Own(size - 1, data_format, dtype=dtype)
    answers = numpy(plain(orbit))
    image = keras.Input(shape, dtype=dtype)
    kinds = {
        reduce: KINDS if reduce == "mean" else {**dict.fromkeys(KINDS, "invariant"), "maps": "maps"}
        for reduce in REDUCE
    }
    options = {"group": group, "components": components}
    outputs = {
        reduce: keras_gcnn.symmetrize(
            plain, reduce=reduce, outputs=kinds[reduce], name=reduce, **options
        )(image)
        for reduce in REDUCE
    }
    model = keras.Model(image, outputs)
    assert model.count_params() == plain.count_params()
    found = numpy(without_trace(model)(orbit))
    for reduce, function in REDUCE.items():
        parts = [
            moved(
                {name: np.split(answers[name], len(elements))[g] for name in KINDS},
                kinds[reduce],
                element,
                rows,
                components,
                back=True,
            )
            for g, element in enumerate(elements)
        ]
        expected = {name: function(np.stack([part[name] for part in parts])) for name in KINDS}
        for g, element in enumerate(elements):
            wanted = moved(expected, kinds[reduce], element, rows, components)
            for name in KINDS:
                output = np.split(found[reduce][name], len(elements))[g]
                assert output.dtype == dtype
                error = relative_error(output, wanted[name])
                assert error < {"float64": 1e-10, "float32": 1e-5}[dtype], (reduce, name, element)


def convolutional(size=9, channels=2, **outputs):
    """Stock layers that break equivariance: a stride that does not fit, a dense layer on pixels."""
    image = keras.Input((size, size, channels), name="image")
    x = keras.layers.Conv2D(4, 3, strides=2, padding="same")(image)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
    maps = keras.layers.Conv2D(2, 2, padding="same")(x)
    scores = maps
    if size is not None:
        scores = keras.layers.Dense(4)(keras.layers.Flatten()(x))
    made = {"maps": maps, "scores": scores}
    return keras.Model(image, {name: made[name] for name in outputs} if outputs else scores)


@pytest.mark.parametrize(
    ("output", "kind", "group"),
    [
        ("maps", "vectors", "p4m"),
        *thoroughly(("scores", None, "p4"), ("maps", None, "pmm"), on=COMPILING),
    ],
)
def test_the_audit_and_the_measures(output, kind, group):
    """In inference, and in training with batch statistics."""
    plain = convolutional(size=5, **{output: True})
    plain = keras.Model(plain.input, plain.output[output])
    model = keras_gcnn.symmetrize(plain, group, outputs=kind)
    measure = {"output_type": kind or "trivial", "tolerance": 1e-5}
    with without_optimizing():
        assert not analysis.audit(plain, group)
        result = analysis.audit(model)
        assert result
        assert result.asked == result.group == group
        for training in (False, True):
            analysis.assert_equivariant(model, group, training=training, **measure)
        with pytest.raises(AssertionError):
            analysis.assert_equivariant(plain, group, **measure)


def test_an_equivariant_model_stays_what_it_is(rng):
    plain = keras_gcnn.zoo.lenet("p4", widths=(2, 3))
    images = rng.normal(size=(2, 28, 28, 1)).astype("float32")
    expected = numpy(without_trace(plain)(images))
    for reduce in ("mean", "max", "logmeanexp"):
        model = keras_gcnn.symmetrize(plain, "p4", reduce=reduce)
        assert relative_error(numpy(without_trace(model)(images)), expected) < 1e-5


def test_training_trains_the_model_inside(rng):
    plain = convolutional(size=5)
    model = keras_gcnn.symmetrize(plain, "p4m")
    assert model.layers[-1].model is plain
    before = numpy(plain.weights)
    model.compile(keras.optimizers.SGD(0.1), "mse")
    images = rng.normal(size=(4, 5, 5, 2)).astype("float32")
    with without_optimizing():
        model.fit(images, rng.normal(size=(4, 4)), batch_size=4, verbose=0)
    changed = [
        np.abs(numpy(weight) - old).max() > 1e-6
        for weight, old in zip(plain.weights, before, strict=True)
        # The bias before a batch normalisation has no effect; the second map is not read.
        if weight is not plain.layers[1].bias
    ]
    assert changed
    assert all(changed)


def test_saved_and_loaded(tmp_path, rng):
    """A model with a `call` of its own, whose class is registered, and a function of one's own."""
    model = keras_gcnn.symmetrize(Own(), reduce=lowest, outputs=None, input_shape=(4, 4, 1))
    images = rng.normal(size=(2, 4, 4, 1)).astype("float32")
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    first, second = (one.layers[-1].get_config() for one in (model, loaded))
    assert {**first, "model": None} == {**second, "model": None}
    found, expected = numpy(without_trace(loaded)(images)), numpy(without_trace(model)(images))
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], atol=1e-6)


@keras.saving.register_keras_serializable(package="tests")
def lowest(tensor, axis):
    return keras.ops.min(tensor, axis=axis)


def test_files_without_this_library(tmp_path, rng):
    """`save` compares the files' outputs with the model's."""
    plain = convolutional(size=5, maps=True, scores=True)
    kinds = {"maps": "vectors", "scores": "invariant"}
    model = keras_gcnn.symmetrize(plain, "p4m", outputs=kinds)
    images = rng.normal(size=(3, 5, 5, 2)).astype("float32")
    expected = numpy(without_trace(model)(images))
    for made in (export.to_plain(model), export.for_inference(model)):
        for name, found in numpy(without_trace(made)(images)).items():
            assert relative_error(found, expected[name]) < 1e-5
    export.save(model, tmp_path / "ours.keras")
    assert isinstance(export.load(tmp_path / "ours.keras").layers[-1], layers.Symmetrized)
    export.save(model, tmp_path / "plain.keras", "plain_keras")
    if keras.backend.backend() != "jax":  # whose converter takes half a minute
        export.save(model, tmp_path / "net.onnx")


def test_open_sizes(tmp_path, rng):
    """Square images of any size; where TensorFlow traces a graph for any, the graph refuses."""
    plain = keras.Sequential(
        [keras.Input((None, None, 1)), keras.layers.Conv2D(2, 3, 2, padding="same")]
    )
    model = keras_gcnn.symmetrize(plain, "p4", reduce="max")
    for made in (model, export.to_plain(model, flatten=True)):
        for size in (4, 7):
            images = rng.normal(size=(2, size, size, 1)).astype("float32")
            parts = [
                np.rot90(numpy(plain(np.rot90(images, k, (1, 2)).copy())), -k, (1, 2))
                for k in range(4)
            ]
            assert relative_error(numpy(made(images)), np.max(parts, axis=0)) < 1e-6
    message = "have to be square. Crop or pad them"
    with pytest.raises(ValueError, match=message):
        model(np.zeros((1, 4, 5, 1), "float32"))
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        traced = tf.function(model, input_signature=[tf.TensorSpec((None, None, None, 1))])
        assert traced(np.zeros((1, 4, 4, 1), "float32")).shape == (1, 2, 2, 2)
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            traced(np.zeros((1, 4, 5, 1), "float32"))
        export.save(model, tmp_path / "net.onnx")


def test_images_with_features_beside_them(rng):
    """Inputs without positions, such as metadata, are the same in every pose."""
    image, features = keras.Input((4, 4, 1)), keras.Input((3,))
    x = keras.layers.Concatenate()([keras.layers.Flatten()(image), features])
    plain = keras.Model([image, features], keras.layers.Dense(2, "tanh")(x))
    model = keras_gcnn.symmetrize(plain, "p4")
    images = rng.normal(size=(2, 4, 4, 1)).astype("float32")
    known = rng.normal(size=(2, 3)).astype("float32")
    turned = [np.rot90(images, k, (1, 2)).copy() for k in range(4)]
    expected = np.mean([numpy(plain([one, known])) for one in turned], axis=0)
    for made in (model, export.to_plain(model)):
        assert relative_error(numpy(made([images, known])), expected) < 1e-5


def test_as_a_layer_of_a_model(rng):
    """A backbone under a head, in which each quarter turn of a half-precision map is the same."""
    image = keras.Input((8, 8, 1))
    backbone = keras.layers.Conv2D(8, 3, strides=2, padding="same", dtype="mixed_bfloat16")
    maps = layers.Symmetrized(backbone, "p4", name="stage")(image)
    model = keras.Model(image, layers.GGlobalPooling("mean", "z2")(maps))
    images = rng.normal(size=(2, 8, 8, 1)).astype("float32")
    stage = keras.Model(image, maps)
    first, second = (
        numpy(keras.ops.cast(stage(np.rot90(images, k, (1, 2)).copy()), "float32")) for k in (0, 1)
    )
    assert relative_error(np.rot90(first, 1, (1, 2)), second) < 1e-6
    plain = export.to_plain(model)
    assert relative_error(numpy(plain(images)), numpy(model(images))) < 0.05


def test_the_cost_is_that_of_all_orientations():
    plain = convolutional(size=5)
    before, after = (analysis.cost(one) for one in (plain, keras_gcnn.symmetrize(plain, "p4m")))
    assert after.parameters == before.parameters
    assert after.multiply_adds == 8 * before.multiply_adds > 0
    assert after.bytes == 8 * before.bytes
    own = analysis.cost(keras_gcnn.symmetrize(Own(name="own"), input_shape=(4, 4, 1)))
    assert own.unknown == ("symmetrized/own",)


def test_models_with_operations_of_equal_names(rng):
    """And with a point in the name of a model, as MobileNetV2 has it."""
    image = keras.Input((4, 4, 1))
    inner = keras.Model(image, keras.ops.flip(image, 1))
    inner = keras.Model(image, keras.layers.Dense(1)(inner.output), name="inner_1.0")
    other = keras.Model.from_config({**inner.get_config(), "name": "other"})
    both = keras.Model(image, keras.layers.Add()([inner(image), other(image)]))
    images = rng.normal(size=(2, 4, 4, 1)).astype("float32")
    flat = export.to_plain(both, flatten=True)
    assert relative_error(numpy(flat(images)), numpy(both(images))) < 1e-6


SMALL = {"size": 4, "channels": 1}


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        (lambda: Own(), {}, "shape of the inputs of 'own.*' is not known"),
        (lambda: Own(), {"input_shape": (4, 0, 1)}, "input_shape=.4, 0, 1. *. *Give the shape"),
        (lambda: Own(), {"input_shape": (4, 5, 1)}, "on p4 rotates images by quarter turns"),
        (lambda: convolutional(**SMALL), {"group": "p5"}, "Unknown group 'p5'"),
        (lambda: convolutional(**SMALL), {"reduce": "median"}, "reduce='median' is not available"),
        (lambda: convolutional(**SMALL), {"reduce": lambda x, axis: x[0]}, "depend on their order"),
        (lambda: convolutional(**SMALL), {"reduce": lambda x, axis: x}, "which it removes"),
        (lambda: convolutional(**SMALL), {"reduce": keras.ops.abs}, "has to be a function .tensor"),
        (lambda: convolutional(**SMALL), {"input_shape": (5, 5, 1)}, "does not fit .*4, 4, 1"),
        (
            lambda: keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]),
            {},
            "takes none: its inputs are features",
        ),
        (lambda: convolutional(**SMALL), {"outputs": "map"}, "outputs='map' is not available"),
        (lambda: convolutional(**SMALL), {"outputs": "maps"}, "which is no map"),
        (lambda: convolutional(**SMALL), {"outputs": ["maps"] * 2}, "has another structure than"),
        (lambda: convolutional(**SMALL), {"components": ("up", "down")}, "components=.*such as"),
        (
            lambda: convolutional(**SMALL),
            {"outputs": "vectors", "reduce": "max"},
            'Use "mean" for',
        ),
        (lambda: of(keras.layers.Reshape((2, 8))), {}, "does not show how it rotates"),
        (lambda: of(keras.layers.Reshape((2, 8, 1))), {}, "which need square maps"),
        (
            lambda: of(keras.layers.Dense(3)),
            {"outputs": "vectors"},
            "have to be pairs of components",
        ),
        (
            lambda: of(keras.layers.Lambda(lambda x: keras.ops.argmax(x, -1))),
            {"outputs": "maps"},
            "their mean would be rounded",
        ),
        (
            lambda: keras.Sequential([keras.Input((4, 4)), keras.layers.Dense(2)]),
            {},
            "images with four axes",
        ),
    ],
)
@pytest.mark.thorough("jax", "tensorflow")
def test_mistakes(model, options, message):
    with pytest.raises(ValueError, match=message):
        keras_gcnn.symmetrize(model(), **options)


def of(layer):
    return keras.Sequential([keras.Input((4, 4, 1)), layer])


def test_mistakes_with_what_is_no_model():
    with pytest.raises(TypeError, match="of type str"):
        keras_gcnn.symmetrize("model.keras")
    with pytest.raises(TypeError, match="Give a Keras model or layer"):
        layers.Symmetrized("model.keras")
    model = keras_gcnn.symmetrize(Own(name="mine"), input_shape=(4, 4, 1))
    with pytest.raises(ValueError, match="'mine' is not a graph of layers"):
        export.to_plain(model)
