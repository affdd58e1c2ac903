"""Decorators of the builders: default shapes, published weights, documentation, former names."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable
from textwrap import indent
from typing import Any, ParamSpec, TypeVar

import keras

from keras_gcnn import former_names
from keras_gcnn.layers.common.reporting import frames_to_caller
from keras_gcnn.zoo import docs, pretrained
from keras_gcnn.zoo.build import build
from keras_gcnn.zoo.spec import Architecture, Options

P = ParamSpec("P")
Model = TypeVar("Model", bound=keras.Model)


def with_default_shape(function: Callable[P, Model]) -> Callable[P, Model]:
    """Lets the default of `input_shape`, channels last, follow the data format of a call.

    The data format is the argument of the call or, if that is None, Keras's configuration.
    """
    rows, columns, channels = inspect.signature(function).parameters["input_shape"].default
    call: Callable[..., Model] = function

    @functools.wraps(function)
    def shaped(*args: P.args, **kwargs: P.kwargs) -> Model:
        given = _bind(function, args, kwargs)
        if "input_shape" not in given:
            data_format = given.get("data_format") or keras.config.image_data_format()
            if data_format == "channels_first":
                given["input_shape"] = (channels, rows, columns)
        return call(**given)

    return shaped


def with_published_weights(function: Callable[P, keras.Model]) -> Callable[P, keras.Model]:
    """Lets `weights` be the name of published weights, and adds `with_default_shape`."""
    parameters = inspect.signature(function).parameters
    defaults = {name: parameter.default for name, parameter in parameters.items()}
    shaped: Callable[..., keras.Model] = with_default_shape(function)

    @functools.wraps(function)
    def builder(*args: P.args, **kwargs: P.kwargs) -> keras.Model:
        given = _bind(function, args, kwargs)
        if pretrained.is_name(given.get("weights")):
            return pretrained.load(function, given, defaults)
        return shaped(**given)

    return builder


def group_builder(describe: Callable[P, Architecture]) -> Callable[P, keras.Model]:
    """Turns a function that describes a network on a group into a builder of the zoo.

    The function has all arguments of the builder, but needs to use only those that change the
    architecture: the arguments that are fields of `Options` go to `build`. In its docstring,
    `{arguments}` and `{returns}` stand for the texts of `docs`.
    """
    signature = inspect.signature(describe)

    @functools.wraps(describe)
    def from_architecture(*args: P.args, **kwargs: P.kwargs) -> keras.Model:
        architecture = describe(*args, **kwargs)
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        shared = bound.arguments.keys() & Options.__dataclass_fields__.keys()
        options = Options(**{name: bound.arguments[name] for name in shared})
        return build(architecture, options)

    builder = with_published_weights(from_architecture)
    builder.__doc__ = (
        (describe.__doc__ or "")
        .replace("{arguments}", indent(docs.ARGUMENTS, " " * 8).lstrip())
        .replace("{returns}", indent(docs.RETURNS, " " * 4).lstrip())
    )
    builder.__annotations__ = {**describe.__annotations__, "return": "keras.Model"}
    model_signature = signature.replace(return_annotation="keras.Model")
    builder.__signature__ = model_signature  # type: ignore[attr-defined]
    return builder


def _bind(function: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Returns the arguments of a call under their present names.

    Warns about names of version 0.1, and raises Python's own `TypeError` if the call does not fit.
    """
    kwargs, renamed = former_names.update(function.__name__, kwargs)
    try:
        given = inspect.signature(function).bind(*args, **kwargs).arguments
    except TypeError:
        function(*args, **kwargs)  # raises an error that names the function
        raise
    given, renamed_by_position = former_names.update(function.__name__, given)
    for sentence in (*renamed, *renamed_by_position):
        warnings.warn(
            f"keras_gcnn.zoo.{function.__name__}: {sentence}",
            DeprecationWarning,
            stacklevel=frames_to_caller(),
        )
    return given
