"""What may be searched over: the hyperparameters of every builder."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from keras_gcnn import groups as known_groups
from keras_gcnn import zoo
from keras_gcnn.groups.point_group import LARGEST_FREQUENCY, find_group, point_group
from keras_gcnn.training.recipes.tables import check_group
from keras_gcnn.tuning.hyperparameter import ABOVE_ZERO, SHARE, Hyperparameter, Limit
from keras_gcnn.zoo.posteriors import POSTERIORS
from keras_gcnn.zoo.spec import CONVOLUTIONS, HEADS
from keras_gcnn.zoo.symmetries import FIELDS, is_steerable

NEVER = "never"  # KerasTuner's choices all have one type, so None cannot be one
_KERNEL_SIZES = ("7 5 5", "3 3 3", "5 5 5", "7 7 5", "9 7 5")
# To choose from by default.
_PIXEL_GROUPS = ("z2", "p4", "p4m")
_GROUPS = {
    "wide_resnet": _PIXEL_GROUPS,
    "steerable_cnn": ("so2", "c8", "d8"),
    **dict.fromkeys(zoo.AUTOENCODERS, ("so2", "z2")),
}
_ALL_GROUPS = tuple(_GROUPS)  # builders that take steerable groups too

_TAPER = Hyperparameter(
    "taper",
    "last width against the first, relative to the builder's ratio",
    1.0,
    bounds=(0.5, 2.0),
    log=True,
    limit=ABOVE_ZERO,
)
_DROPOUT = Hyperparameter(
    "dropout", "share of fields dropped in training", 0.1, bounds=(0.0, 0.5), limit=SHARE
)
_FREQUENCY = Hyperparameter(
    "max_frequency",
    "highest frequency of the fields",
    4,
    bounds=(1, 6),
    limit=Limit(f"from 0 to {LARGEST_FREQUENCY}", lambda number: 0 <= number <= LARGEST_FREQUENCY),
)
_SIZES = Hyperparameter(
    "kernel_sizes", "rows of the kernels, layer by layer", _KERNEL_SIZES[0], _KERNEL_SIZES
)
_LATENT = (
    Hyperparameter("posterior", "distribution of latent vectors", "vmf", values=tuple(POSTERIORS)),
    Hyperparameter(
        "latent_dim", "coordinates of a latent vector", 6, bounds=(2, 16), limit=ABOVE_ZERO
    ),
    Hyperparameter("beta", "weight of the divergence", 0.1, bounds=(0.01, 4.0), log=True),
)
_OPTIMIZER = (
    Hyperparameter("optimizer", "of Keras", "adamw", values=("adamw", "sgd")),
    Hyperparameter(
        "learning_rate",
        "of adamw",
        2e-3,
        bounds=(3e-4, 3e-2),
        log=True,
        limit=ABOVE_ZERO,
        parent="optimizer",
        parent_values=("adamw",),
    ),
    Hyperparameter(
        "sgd_learning_rate",
        "of sgd, with Nesterov's momentum of 0.9",
        5e-2,
        bounds=(3e-3, 0.3),
        log=True,
        limit=ABOVE_ZERO,
        parent="optimizer",
        parent_values=("sgd",),
    ),
    Hyperparameter(
        "weight_decay",
        "decoupled, times the learning rate a step",
        1e-2,
        bounds=(1e-4, 1.0),
        log=True,
    ),
)


def space_of(
    builder: str, groups: Sequence[str] | None = None, given: Mapping[str, Any] | None = None
) -> tuple[Hyperparameter, ...]:
    """Returns the hyperparameters of a builder of the zoo.

    Args:
        builder: name of a builder.
        groups: to choose from; None for z2, p4 and p4m, with `steerable_cnn` for so2, c8 and d8,
            and with an autoencoder for so2 and z2.
        given: what to search instead of the defaults, by name: a value to fix it, a list to choose
            from, or a dict with `min` and `max`.

    Raises:
        ValueError: for an unknown builder, group or name, or values that are not possible.
    """
    return _narrowed(_default_space(builder, groups), given, builder)


def converted_space(
    model: str,
    groups: Sequence[str] | None,
    given: Mapping[str, Any] | None,
    *,
    keep: bool,
) -> tuple[Hyperparameter, ...]:
    """Returns the hyperparameters of the conversions of a plain model.

    Args:
        model: name of the model, for messages.
        groups: to choose from; None for z2, p4 and p4m.
        given: as in `space_of`.
        keep: whether what the conversion keeps is searched, as it is without a budget.

    Raises:
        ValueError: as in `space_of`.
    """
    names = _check_groups(_PIXEL_GROUPS if groups is None else groups, model)
    space = [_group(names)]
    if keep:
        space.append(
            Hyperparameter(
                "keep",
                "what the conversion keeps: channels and cost, or parameters",
                "channels",
                values=("channels", "parameters"),
                parent="group",
                parent_values=_nontrivial(names),
                more=("fields",),
            )
        )
    return _narrowed([*space, *_OPTIMIZER], given, model)


def _narrowed(
    entries: Sequence[Hyperparameter], given: Mapping[str, Any] | None, owner: str
) -> tuple[Hyperparameter, ...]:
    """Returns hyperparameters with what a user gives to search instead."""
    if not isinstance(given, Mapping | None):
        raise ValueError(f"space={given!r} has to be a dict by names of hyperparameters.")
    space = {entry.name: entry for entry in entries}
    for name, value in (given or {}).items():
        if name not in space:
            close = difflib.get_close_matches(str(name), space, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise ValueError(
                f"space: {owner} has no hyperparameter {name!r}.{hint} It has {', '.join(space)}."
            )
        space[name] = space[name].narrowed(value)
    return _simplify(tuple(space.values()))


def _simplify(space: tuple[Hyperparameter, ...]) -> tuple[Hyperparameter, ...]:
    """Drops hyperparameters whose condition never holds, and conditions that always hold."""
    kept: dict[str, Hyperparameter] = {}
    for entry in space:
        if entry.parent is not None:
            possible = kept[entry.parent].values
            fulfilling = tuple(value for value in possible if value in entry.parent_values)
            if not fulfilling:
                continue
            entry = replace(entry, parent_values=fulfilling)
            if len(fulfilling) == len(possible):
                entry = replace(entry, parent=None, parent_values=())
        kept[entry.name] = entry
    return tuple(kept.values())


def _default_space(builder: str, groups: Sequence[str] | None) -> list[Hyperparameter]:
    space: list[Hyperparameter]
    if builder == "so2cnn":
        if groups not in (None, ["so2"], ("so2",)):
            raise ValueError(f"groups={groups!r}: so2cnn has no group but so2. Leave groups out.")
        space = [_FREQUENCY, _SIZES, _DROPOUT]
    elif builder in (*zoo.BUILDERS, *zoo.AUTOENCODERS):
        default = _GROUPS.get(builder, _PIXEL_GROUPS)
        names = _check_groups(default if groups is None else groups, builder)
        if builder in zoo.AUTOENCODERS:
            space = [_group(names), *_fields(names)[:1], *_LATENT]
        elif builder in _ALL_GROUPS:
            space = [_group(names), *_fields(names), _restriction(builder, names), _DROPOUT]
            space += [_SIZES] if builder == "steerable_cnn" else []
        else:
            space = _discrete(builder, names)
    else:
        problem = "is no builder of keras_gcnn.zoo"
        if builder in zoo.SEGMENTERS:
            problem = "makes networks with a map of logits, for which there is no search"
        raise ValueError(
            f"builder={builder!r} {problem}. Choose one of "
            f"{', '.join((*zoo.BUILDERS, *zoo.AUTOENCODERS))}."
        )
    return [*space, _TAPER, *_OPTIMIZER]


def _check_groups(groups: Sequence[str], builder: str) -> tuple[str, ...]:
    names = [groups] if isinstance(groups, str) else groups
    if not isinstance(names, list | tuple) or not names:
        raise ValueError(f"groups={groups!r} has to be a list of groups, e.g. ['z2', 'p4'].")
    if len(set(names)) < len(names):
        raise ValueError(f"groups={groups!r} names a group twice.")
    for name in names:
        if builder in _ALL_GROUPS:
            check_group(name)
        else:
            known_groups.get(name)
    return tuple(names)


def _group(names: tuple[str, ...]) -> Hyperparameter:
    return Hyperparameter("group", "the group of the convolutions", names[0], values=names)


def _nontrivial(names: tuple[str, ...]) -> tuple[str, ...]:
    """Returns the names of groups that have more than one element."""
    return tuple(name for name in names if find_group(name).order > 1)


def _fields(names: tuple[str, ...]) -> list[Hyperparameter]:
    """Returns the hyperparameters of fields, which steerable groups have."""
    steerable = {name: point_group(name) for name in names if is_steerable(name)}
    infinite = [name for name, group in steerable.items() if group.turns is None]
    mirrored = [name for name, group in steerable.items() if group.mirrors]
    fields = Hyperparameter("fields", "functions on the group or of the angle", FIELDS[0], FIELDS)
    return [
        replace(_FREQUENCY, parent="group", parent_values=tuple(infinite)),
        replace(fields, parent="group", parent_values=tuple(mirrored)),
    ]


def _restriction(builder: str, names: tuple[str, ...]) -> Hyperparameter:
    return Hyperparameter(
        "restrict_after",
        "the stage after which the network is an ordinary one",
        NEVER,
        values=(NEVER, *_stages(builder)),
        parent="group",
        parent_values=_nontrivial(names),
    )


@cache
def _stages(builder: str) -> tuple[str, ...]:
    """Returns the names of a builder's stages, after each of which equivariance can stop."""
    return getattr(zoo, builder)("z2").stages


def _discrete(builder: str, names: tuple[str, ...]) -> list[Hyperparameter]:
    """Returns the hyperparameters of a builder of group convolutions."""
    # With all positions kept LeNet's dense layer is so large that few budgets can be met.
    more = ("flatten",) if builder == "lenet" else ()
    heads = tuple(head for head in HEADS if head not in more)
    nontrivial = _nontrivial(names)
    space = [
        _group(names),
        Hyperparameter(
            "convolution",
            "full or separable group convolutions",
            "full",
            values=CONVOLUTIONS,
            parent="group",
            parent_values=nontrivial,
        ),
        _restriction(builder, names),
        Hyperparameter("head", "how maps become a vector", heads[0], heads, more=more),
    ]
    return [*space, _DROPOUT] if builder == "cohen_cnn" else space
