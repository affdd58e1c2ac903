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
from tests.helpers.orbits import (
    COMPONENTS,
    ELEMENTS,
    KINDS,
    REDUCE,
    Own,
    moved,
    numpy,
    rows_of,
    turn,
)


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


@pytest.mark.thorough("jax", "tensorflow")
@pytest.mark.parametrize("reduce", [keras.ops.median, keras.ops.min])
def test_functions_of_keras_are_found_again(reduce, tmp_path, rng):
    plain = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten()])
    model = keras_gcnn.symmetrize(plain, "p4", reduce=reduce)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    images = rng.normal(size=(2, 4, 4, 1)).astype("float32")
    np.testing.assert_array_equal(numpy(loaded(images)), numpy(model(images)))


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
    message = "which need squares. Crop or pad"
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


def test_metrics_are_those_with_which_it_was_compiled_itself(rng):
    """A compiled model inside must not report its own metrics, which nothing updates."""
    plain = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten()])
    plain.add(keras.layers.Dense(3, activation="softmax"))
    images, labels = rng.normal(size=(20, 4, 4, 1)).astype("float32"), rng.integers(0, 3, 20)
    settings = {"loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]}
    plain.compile("sgd", **settings)
    plain.evaluate(images, labels, verbose=0)
    model = keras_gcnn.symmetrize(plain, "p4")
    model.compile("sgd", **settings)
    loss, accuracy = model.evaluate(images, labels, verbose=0)
    answers = model.predict(images, verbose=0)
    assert accuracy == pytest.approx(np.mean(answers.argmax(axis=-1) == labels))
    assert loss == pytest.approx(-np.log(answers[np.arange(20), labels]).mean(), rel=1e-4)


@pytest.mark.parametrize("dtype", ["int32", "uint8", "bool"])
def test_the_largest_of_integers(dtype):
    """Each place of the answer is the largest of the places to which it rotates."""
    image = keras.Input((2, 2, 1))
    plain = keras.Model(image, keras.ops.cast(image, dtype))
    model = keras_gcnn.symmetrize(plain, "p4", reduce="max")
    corners = np.array([[3, 0], [1, 0]])
    found = numpy(model(corners[None, ..., None].astype("float32")))
    # The model itself is equivariant, so that the images rotate back to themselves.
    np.testing.assert_array_equal(found, corners[None, ..., None].astype(dtype))


def test_as_a_layer_of_a_model(rng):
    """A backbone under a head, in which each quarter turn of a half-precision map is the same."""
    image = keras.Input((8, 8, 1))
    backbone = keras.layers.Conv2D(8, 3, strides=2, padding="same", dtype="mixed_bfloat16")
    maps = layers.Symmetrized(backbone, "p4", name="stage")(image)
    assert maps.dtype == "bfloat16"
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
