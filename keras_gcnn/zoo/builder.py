"""The builders' common arguments: their documentation, and published weights by name."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable
from textwrap import indent
from typing import Any

import keras

from keras_gcnn import former_names
from keras_gcnn.layers.common.base import frames_to_caller
from keras_gcnn.zoo import published

ARGUMENTS = """\
group: str or `keras_gcnn.groups.Group`: `"z2"` (an ordinary network), `"p4"`, `"p4m"`, ...
input_shape: rows, columns, channels (channels first if `data_format` says so). Pixels are
    floats in [0, 1].
classes: int, number of classes.
widths: fields per convolution or stage, see above; after a restriction, fields of the group
    that is left. The default divides the widths of the ordinary network by `sqrt(|G|)`, which
    keeps the number of weights about equal for every group. With `parameters`, proportions.
parameters: int: the network nearest to the ratio of `widths` with at most so many trainable
    parameters and at least 99 % of them; 98 % where no more can be reached.
head: `"invariant"` (pooling over positions and orientations: the logits do not change when
    the image is turned), `"orientations"` (mean over positions; every orientation keeps its
    features) or `"flatten"` (neither is invariant). After a restriction, invariant means
    under the group that is left.
convolution: `"full"`, or `"g"` or `"gc"` for `GSeparableConv2D` wherever a kernel larger than
    1x1 acts on feature maps of a group: more fields for the same number of parameters.
restrict_after: stops the equivariance early: a dict from the name of a stage to the subgroup
    that is left after it, e.g. `{"1": "p4", "2": "z2"}`; a name by itself is the stage after
    which the network is an ordinary one.
include_top: bool; False for a backbone, which returns the feature maps before the head.
classifier_activation: activation of the output; None returns logits.
weights: None for fresh weights; the name of published ones (see
    `keras_gcnn.zoo.available()`), which bring their own widths, head and so on for the given
    group, convolution and restriction; or the path of a file of this network. A model file
    (`.keras`) of another group is refused; a weights file (`.weights.h5`) says nothing about
    the group, and one of another group of the same order loads without a word.
data_format: `"channels_last"`, `"channels_first"`, or None for Keras's configuration.
name: str, name of the model; default from the builder, the group and the convolution."""

_RETURNS = """\
Returns:
    A functional `keras.Model` from images `(batch, rows, columns, channels)` to logits
    `(batch, classes)`, or to feature maps without the top. Its attribute `widths` tells the
    widths, which a budget of parameters has decided; it is not saved with the model.

Raises:
    ValueError: for an unknown group, head, convolution, stage or subgroup, an image that is too
        small, a budget that cannot be met to 2 %, weights that are not published, or a file of
        another network."""


def _bind(function: Callable[..., Any], args: tuple, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Returns the arguments of a call by their present names.

    Warns of names of version 0.1, and raises Python's own `TypeError` if the call does not fit.
    """
    kwargs, renamed = former_names.update(function.__name__, kwargs)
    try:
        given = inspect.signature(function).bind(*args, **kwargs).arguments
    except TypeError:
        function(*args, **kwargs)  # raises an error that names the function
        raise
    given, more = former_names.update(function.__name__, given)
    for sentence in (*renamed, *more):
        warnings.warn(
            f"keras_gcnn.zoo.{function.__name__}: {sentence}",
            DeprecationWarning,
            stacklevel=frames_to_caller(),
        )
    return given


def with_default_shape(function: Callable[..., keras.Model]) -> Callable[..., keras.Model]:
    """Has the default of `input_shape` follow the data format, which may be Keras's own."""
    rows, columns, channels = inspect.signature(function).parameters["input_shape"].default

    @functools.wraps(function)
    def build(*args, **kwargs) -> keras.Model:
        given = _bind(function, args, kwargs)
        if "input_shape" not in given:
            data_format = given.get("data_format") or keras.config.image_data_format()
            if data_format == "channels_first":
                given["input_shape"] = (channels, rows, columns)
        return function(**given)

    return build


def builder(function: Callable[..., keras.Model]) -> Callable[..., keras.Model]:
    """Marks a function as a builder of the zoo.

    In its docstring `{arguments}` becomes the text on the common arguments and `{returns}` that on
    result and errors. `weights` may be the name of published ones.
    """
    signature = inspect.signature(function)
    shaped = with_default_shape(function)

    @functools.wraps(function)
    def build(*args, **kwargs) -> keras.Model:
        given = _bind(function, args, kwargs)
        if not published.is_name(given.get("weights")):
            return shaped(**given)
        defaults = {key: one.default for key, one in signature.parameters.items()}
        return published.load(function, given, defaults)

    build.__doc__ = function.__doc__.replace(
        "{arguments}", indent(ARGUMENTS, " " * 8).lstrip()
    ).replace("{returns}", indent(_RETURNS, " " * 4).lstrip())
    return build
