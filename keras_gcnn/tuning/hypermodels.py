"""`hypermodel`: networks for every tuner of KerasTuner, all trials at the same cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, overload

import keras

from keras_gcnn.tuning.converted_hypermodel import ConvertedHyperModel
from keras_gcnn.tuning.zoo_hypermodel import ZooHyperModel
from keras_gcnn.zoo.budget import find_budget


@overload
def hypermodel(
    builder: str,
    parameters: int | None = None,
    groups: Sequence[str] | None = None,
    *,
    multiply_adds: int | None = None,
    space: Mapping[str, Any] | None = None,
    **arguments: Any,
) -> ZooHyperModel: ...


@overload
def hypermodel(
    builder: Callable[..., keras.Model],
    parameters: int | None = None,
    groups: Sequence[str] | None = None,
    *,
    multiply_adds: int | None = None,
    space: Mapping[str, Any] | None = None,
    **arguments: Any,
) -> ConvertedHyperModel: ...


def hypermodel(
    builder: str | Callable[..., keras.Model],
    parameters: int | None = None,
    groups: Sequence[str] | None = None,
    *,
    multiply_adds: int | None = None,
    space: Mapping[str, Any] | None = None,
    **arguments: Any,
) -> ZooHyperModel | ConvertedHyperModel:
    """Makes a hypermodel over a builder of the zoo, or over your own plain model.

    It works with every tuner of KerasTuner. Every trial has the same number of trainable
    parameters, or of multiply-adds, at most 2 % below the budget and never above it, so that groups
    are compared fairly. At equal parameters a network on a group takes about `|G|` times the
    multiply-adds of a plain one.

    A function that returns a plain model is searched over the groups to which
    `keras_gcnn.convert` takes it and, without a budget, over what the conversion keeps (`keep`).
    The function may take the `keras_tuner.HyperParameters`, to declare hyperparameters of its own.

    The hyperparameters of the zoo are, as far as the builder has them, `group`, `convolution` (full
    or separable), `restrict_after` (where equivariance stops), `head`, `taper` (the shape of the
    widths), `dropout`, `max_frequency`, `fields` and `kernel_sizes` of steerable networks,
    `posterior`, `latent_dim` and `beta` of autoencoders, and `optimizer`, `learning_rate`,
    `sgd_learning_rate` and `weight_decay`; `hypermodel(...).space` lists bounds and meanings.

    Args:
        builder: name of a builder of `keras_gcnn.zoo`, or a function that returns a functional or
            sequential model of Keras's layers.
        parameters: int, number of trainable parameters of every trial; or leave it out for
            `multiply_adds`. A builder of the zoo needs one of the two.
        groups: names of groups to choose from; None for z2, p4 and p4m, with `steerable_cnn` for
            so2, c8 and d8, and with an autoencoder for so2 and z2.
        multiply_adds: int, number of multiply-adds for one image in every trial; see
            `keras_gcnn.analysis.cost`.
        space: what to search instead, by name of the hyperparameter: a value to fix it, a list of
            values, or a dict with `min` and `max`.
        **arguments: of the builder, the same for all trials, e.g. `input_shape` and `classes`; with
            a function those of `keras_gcnn.convert`, e.g. `downsampling="exact"`.

    Returns:
        A `keras_tuner.HyperModel`. It compiles its models: classifiers by integer labels, with
        cross-entropy and the metric `accuracy`. A function may return a compiled model, which it
        has to for other tasks; then its loss and metrics are used, and only its optimizer is
        replaced by the one that is searched.

    Raises:
        TypeError: if `builder` is neither a string nor a function.
        ValueError: for an unknown builder, group, hyperparameter or argument, values that are not
            possible, or not exactly one budget. A budget that cannot be met raises when a model is
            built.

    Example:

    >>> import keras_tuner
    >>> from keras_gcnn import tuning
    >>> model = tuning.hypermodel("lenet", parameters=50_000, groups=("z2", "p4"))
    >>> hp = keras_tuner.HyperParameters()
    >>> hp.Fixed("group", "p4")
    'p4'
    >>> 49_000 <= model.build(hp).count_params() <= 50_000
    True
    """
    budget = find_budget(parameters, multiply_adds)
    limits = {} if budget is None else dict([budget])
    if not isinstance(builder, str):
        if isinstance(builder, keras.Model) or not callable(builder):
            raise TypeError(
                f"builder={builder!r} has to be the name of a builder of keras_gcnn.zoo, or a "
                "function that returns a plain model, anew in every trial."
            )
        return ConvertedHyperModel(builder, limits, groups, space, arguments)
    if not limits:
        raise ValueError(
            "A search needs a budget, at which the networks are compared: parameters=50_000, or "
            "multiply_adds=5_000_000."
        )
    return ZooHyperModel(builder, limits, groups, space, arguments)
