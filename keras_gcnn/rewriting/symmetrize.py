"""Makes any model equivariant, with the weights that it has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from keras_gcnn.arguments import is_image_shape
from keras_gcnn.groups.vectors import COMPONENTS
from keras_gcnn.layers import Symmetrized
from keras_gcnn.model_graph import shape_built_for
from keras_gcnn.types import AnyGroupLike, Shape


def symmetrize(
    model: keras.Model,
    group: AnyGroupLike = "p4",
    *,
    already: AnyGroupLike | None = None,
    reduce: str | Callable = "mean",
    outputs: Any = None,
    components: tuple[str, str] = COMPONENTS,
    input_shape: Shape | None = None,
    data_format: str | None = None,
    name: str | None = None,
) -> keras.Model:
    """Makes a model of any layers equivariant: it runs on every rotated and mirrored image.

    The new model rotates and mirrors each image by all elements of the group, runs the given one on
    all of these in one batch, rotates maps and vectors back, and combines the `|G|` results. It is
    exactly equivariant at every size, whatever the layers are and whatever they have learned, so it
    serves for a pretrained model, whose weights stay. It costs `|G|` times the time and the memory
    of the given model, in training and afterwards. A model of group layers of the same cost learns
    more from the same images; this function is for a model that exists.

    The group may have rotations between the quarter turns, such as `"c8"` or `"d16"`. These
    interpolate, each pixel from sixteen others, so that the new model is exact under quarter
    turns and nearly so between. Corners that a rotation needs and the image lacks are filled with
    its nearest pixels at the border.

    A model that is equivariant under a subgroup already, such as one of the zoo, needs to run on
    one image of each coset alone: `symmetrize(zoo.so2cnn(), "c8", already="c4")` runs it on two
    images, the given one and the one turned by 45 degrees, in place of eight.

    An autoencoder of the zoo has the method `symmetrized`, which averages its encoder alone.

    Both models share their weights: training one trains the other. In training the orbit is a part
    of the batch: batch normalisation sees every image in all its poses, and dropout draws for each
    of them separately.

    Args:
        model: functional, sequential or subclassed `keras.Model`. Inputs with four axes are images;
            inputs with two axes are features, which stay.
        group: str or `keras_gcnn.groups.Group`, such as `"p4"` or `"p4m"`, or `"c8"` or `"d8"` with
            any number in place of 8.
        already: a subgroup under which `model` is equivariant already, or None. The
            function does not check this; `keras_gcnn.analysis.assert_equivariant` does.
        reduce: how the results of the elements are combined, number by number.

            - `"mean"`. Of probabilities it is the average of the `|G|` opinions. Of logits it is,
              after the softmax, their normalised geometric mean, which lets a class fall that one
              pose makes unlikely.
            - `"max"`: the highest score in any pose, e.g. for a detector. Maxima of probabilities
              do not add up to one.
            - `"logmeanexp"`: `log(mean(exp(x)))`, which for log-probabilities is the logarithm of
              the averaged probabilities, and for other scores a maximum with soft edges.
            - a function `(tensor, axis) -> tensor` over an axis of `|G|` results that does not
              depend on their order, such as `keras.ops.median`. A file finds a function of your own
              again if it is registered by `keras.saving.register_keras_serializable`.
        outputs: what the outputs are, for all or in their structure (a list or a dict).

            - `"invariant"`: they do not change, e.g. scores of classes.
            - `"maps"`: `(batch, rows, columns, channels)` or `(batch, rows, columns)`, which rotate
              with the image, e.g. a segmentation.
            - `"vectors"`: channels are pairs of components of vectors, which rotate too, on a map
              such as an optical flow `(batch, rows, columns, 2)`, or without positions,
              `(batch, 2)` or `(batch, n, 2)`. Only with `reduce="mean"` or a function.
            - None, the default: `"maps"` for four axes and `"invariant"` for two.
        components: directions in which the two components of a vector count. `("right", "up")`, the
            default, is x and y, as `keras_gcnn.layers.GOrientation` has them; optical flow in
            pixels is often `("right", "down")`, and a row and a column are `("down", "right")`.
        input_shape: shape of one image, without the batch, for a model that has no symbolic inputs:
            a subclass of `keras.Model`, or a sequential model that is not built. Of a model that
            has some, a shape that it takes.
        data_format: `"channels_last"`, `"channels_first"`, or None for that of the model.
        name: name of the new model; default that of the given one and of the group.

    Returns:
        A functional `keras.Model` with one layer, `keras_gcnn.layers.Symmetrized`, whose attribute
        `model` is the given model. It is not compiled. It is trained, saved, audited and exported
        like any other; a model with a `call` of its own cannot be translated to stock layers.

    Raises:
        TypeError: if `model` is no Keras model.
        ValueError: for images that are not square and a group with quarter turns, images of an
            unknown size and a group with rotations between them, an infinite group, `already` that
            is no subgroup, a model whose inputs are not known or are no images, an `input_shape`
            that it does not take, an unknown choice, or an output that does not fit its choice.

    Example:

    >>> import keras, keras_gcnn
    >>> plain = keras.Sequential([keras.Input((9, 9, 1)), keras.layers.Flatten()])
    >>> plain.add(keras.layers.Dense(3))
    >>> model = keras_gcnn.symmetrize(plain, "p4m")
    >>> keras_gcnn.analysis.assert_equivariant(model, "p4m")
    """
    if not isinstance(model, keras.Model):
        raise TypeError(
            f"model is of type {type(model).__name__}. Give a Keras model; keras.saving.load_model "
            "reads one from a file."
        )
    inputs = _inputs(model, input_shape)
    layer = Symmetrized(
        model,
        group,
        already=already,
        reduce=reduce,
        outputs=outputs,
        components=components,
        data_format=data_format,
        name="symmetrized",
    )
    return keras.Model(inputs, layer(inputs), name=name or f"{model.name}_{layer.group.name}")


def _inputs(model: keras.Model, input_shape: Shape | None) -> Any:
    """Returns new symbolic inputs for a model, in the structure in which it takes them."""
    known = getattr(model, "inputs", None)
    if input_shape is None and known:
        fresh = [
            keras.Input(batch_shape=(None, *one.shape[1:]), dtype=one.dtype, name=one.name)
            for one in known
        ]
        # A sequential model, with a single input, has no `input`.
        return keras.tree.pack_sequence_as(getattr(model, "input", known[0]), fresh)
    if input_shape is None:
        input_shape = shape_built_for(model)
    if not is_image_shape(input_shape):
        raise ValueError(
            f"The shape of the inputs of {model.name!r} is not known: input_shape={input_shape!r}. "
            "Give the shape of one image without the batch, e.g. input_shape=(32, 32, 3)."
        )
    if known and input_shape is not None and not _takes(known, input_shape):
        shapes = " and ".join(str(tuple(one.shape[1:])) for one in known)
        raise ValueError(
            f"input_shape={input_shape!r} does not fit {model.name!r}, which takes {shapes}. Leave "
            "input_shape out."
        )
    return keras.Input(input_shape, dtype=model.variable_dtype)  # float32 in half precision


def _takes(inputs: list[keras.KerasTensor], shape: Shape) -> bool:
    """Whether a model with these inputs takes images of one shape and nothing else."""
    if len(inputs) != 1 or len(inputs[0].shape) != 1 + len(shape):
        return False
    return all(
        size is None or size == given
        for size, given in zip(inputs[0].shape[1:], shape, strict=True)
    )
