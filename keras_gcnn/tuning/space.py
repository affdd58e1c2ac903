"""What may be searched over: the hyperparameters of every builder, named, bounded, explained."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from keras_gcnn import groups as known_groups
from keras_gcnn import zoo
from keras_gcnn.zoo.posteriors import POSTERIORS
from keras_gcnn.zoo.spec import CONVOLUTIONS, HEADS

if TYPE_CHECKING:
    import keras_tuner

NEVER = "never"  # KerasTuner's choices are all of one type, so None is none of them
_STAGES = {
    "lenet": ("1", "2"),
    "cohen_cnn": ("1", "2", "3", "4", "5", "6"),
    "allcnn": ("1", "2", "3"),
    **dict.fromkeys(("resnet", "resnet20", "resnet26", "resnet44"), ("1", "2", "3")),
}
_STEERABLE = "so2"


@dataclass(frozen=True)
class Hyperparameter:
    """One hyperparameter: a choice among values, or a number between bounds.

    Attributes:
        name: of the hyperparameter.
        meaning: what it is, in a line.
        default: the value to begin with.
        values: to choose from; empty for a number between bounds.
        bounds: the smallest and the largest value; integers for an integer.
        log: whether numbers are drawn evenly in their logarithm.
        parent: name of another hyperparameter without whose `parent_values` it means nothing.
        parent_values: see `parent`.
        more: further values that a user may ask for.
    """

    name: str
    meaning: str
    default: Any
    values: tuple = ()
    bounds: tuple[float, float] | None = None
    log: bool = False
    parent: str | None = None
    parent_values: tuple = ()
    more: tuple = ()

    def declare(self, hp: keras_tuner.HyperParameters) -> Any:
        """Registers it, and returns its value; None where its parent has another value."""
        scope = nullcontext()
        if self.parent is not None:
            scope = hp.conditional_scope(self.parent, list(self.parent_values))
        with scope:
            if self.bounds is not None:
                number = hp.Int if isinstance(self.default, int) else hp.Float
                sampling = "log" if self.log else "linear"
                return number(self.name, *self.bounds, sampling=sampling, default=self.default)
            if len(self.values) == 1:
                return hp.Fixed(self.name, self.values[0])
            return hp.Choice(self.name, list(self.values), default=self.default)

    def narrowed(self, given: Any) -> Hyperparameter:
        """The same with what a user says: a value, a list of values, or a dict of bounds.

        Raises:
            ValueError: if it is something else, or out of question.
        """
        if isinstance(given, Mapping):
            return self._within(given)
        listed = given if isinstance(given, list | tuple) else [given]
        values = tuple(self._checked(value) for value in listed)
        if not values or len(set(values)) < len(values):
            raise self._error(given, "needs one value or more, each once")
        default = self.default if self.default in values else values[0]
        return replace(self, values=values, bounds=None, default=default)

    def _within(self, given: Mapping[str, Any]) -> Hyperparameter:
        if self.bounds is None:
            raise self._error(given, "is a choice and has no bounds")
        if given.keys() != {"min", "max"}:
            raise self._error(given, "needs the keys min and max, and no others")
        low, high = (self._checked(given[key]) for key in ("min", "max"))
        if not low < high or (self.log and low <= 0):
            raise self._error(given, f"needs {'0 < ' if self.log else ''}min < max")
        return replace(self, bounds=(low, high), default=min(max(self.default, low), high))

    def _checked(self, value: Any) -> Any:
        """One value of a user's."""
        if self.bounds is None:
            allowed = (*self.values, *self.more)
            if isinstance(value, str) and value in allowed:
                return value
            raise self._error(value, f"may be {', '.join(map(repr, allowed))}")
        whole = isinstance(self.default, int)
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
            raise self._error(value, f"is {'an integer' if whole else 'a number'}")
        if not math.isfinite(value) or value < 0:
            raise self._error(value, "has to be finite and not negative")
        return int(value) if whole else float(value)

    def _error(self, given: Any, fault: str) -> ValueError:
        form = "" if self.bounds is None else ", or { min = ..., max = ... }"
        return ValueError(
            f"space: {self.name} = {given!r}: {self.name} ({self.meaning}) {fault}. Give a value "
            f"or a list of values{form}."
        )


def space_of(
    builder: str, groups: Sequence[str] | None = None, given: Mapping[str, Any] | None = None
) -> tuple[Hyperparameter, ...]:
    """The hyperparameters of a builder of the zoo.

    Args:
        builder: name of a builder.
        groups: to choose from; None for z2, p4 and p4m, for an autoencoder so2 and z2.
        given: what to search instead of the defaults, by name: a value to fix it, a list to choose
            from, or a dict with `min` and `max`.

    Raises:
        ValueError: for an unknown builder, group or name, or values that cannot be.
    """
    if not isinstance(given, Mapping | None):
        raise ValueError(f"space={given!r} has to be a dict by names of hyperparameters.")
    space = _default_space(builder, groups)
    known = {one.name: one for one in space}
    for name, value in (given or {}).items():
        if name not in known:
            close = difflib.get_close_matches(str(name), known, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise ValueError(
                f"space: {builder} has no hyperparameter {name!r}.{hint} It has {', '.join(known)}."
            )
        known[name] = known[name].narrowed(value)
    return _reachable(tuple(known.values()))


def _reachable(space: tuple[Hyperparameter, ...]) -> tuple[Hyperparameter, ...]:
    """Without those whose parent never has the value, and with no condition that always holds."""
    kept: dict[str, Hyperparameter] = {}
    for one in space:
        if one.parent is not None:
            held = kept[one.parent].values
            met = tuple(value for value in held if value in one.parent_values)
            if not met:
                continue
            one = replace(one, parent_values=met)
            if len(met) == len(held):
                one = replace(one, parent=None, parent_values=())
        kept[one.name] = one
    return tuple(kept.values())


def _default_space(builder: str, groups: Sequence[str] | None) -> list[Hyperparameter]:
    if builder in _STAGES:
        own = _discrete(
            builder, _check_groups(("z2", "p4", "p4m") if groups is None else groups, builder)
        )
    elif builder == "so2cnn":
        if groups not in (None, [_STEERABLE], (_STEERABLE,)):
            raise ValueError(f"groups={groups!r}: so2cnn has no group but so2. Leave groups out.")
        own = [*_steerable(), _dropout()]
    elif builder in zoo.AUTOENCODERS:
        own = _autoencoder(_check_groups((_STEERABLE, "z2") if groups is None else groups, builder))
    else:
        raise ValueError(
            f"builder={builder!r} is no builder of keras_gcnn.zoo. Choose one of "
            f"{', '.join((*zoo.BUILDERS, *zoo.AUTOENCODERS))}."
        )
    taper = Hyperparameter(
        "taper", "last width against the first, relative to the builder's ratio", 1.0,
        bounds=(0.5, 2.0), log=True,
    )  # fmt: skip
    return [*own, taper, *_optimizer()]


def _check_groups(groups: Sequence[str], builder: str) -> tuple[str, ...]:
    names = [groups] if isinstance(groups, str) else groups
    if not isinstance(names, list | tuple) or not names:
        raise ValueError(f"groups={groups!r} has to be a list of groups, e.g. ['z2', 'p4'].")
    if len(set(names)) < len(names):
        raise ValueError(f"groups={groups!r} names a group twice.")
    for name in names:
        if not (name == _STEERABLE and builder in zoo.AUTOENCODERS):
            known_groups.get(name)  # refuses what is none
    return tuple(names)


def _orders_above_one(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in names if name != _STEERABLE and known_groups.get(name).order > 1)


def _group(names: tuple[str, ...]) -> Hyperparameter:
    return Hyperparameter("group", "the group of the convolutions", names[0], values=names)


def _discrete(builder: str, names: tuple[str, ...]) -> list[Hyperparameter]:
    of_group = {"parent": "group", "parent_values": _orders_above_one(names)}
    found = [
        _group(names),
        Hyperparameter(
            "convolution", "full or separable group convolutions", "full",
            values=CONVOLUTIONS, **of_group,
        ),
        Hyperparameter(
            "restrict_after", "the stage after which the network is an ordinary one", NEVER,
            values=(NEVER, *_STAGES[builder]), **of_group,
        ),
        _head(builder),
    ]  # fmt: skip
    return [*found, _dropout()] if builder == "cohen_cnn" else found


def _head(builder: str) -> Hyperparameter:
    # With all positions kept LeNet's dense layer is so large that few budgets can be met.
    more = ("flatten",) if builder == "lenet" else ()
    values = tuple(one for one in HEADS if one not in more)
    return Hyperparameter("head", "how maps become a vector", values[0], values, more=more)


def _dropout() -> Hyperparameter:
    return Hyperparameter("dropout", "share of fields dropped in training", 0.1, bounds=(0.0, 0.5))


def _frequency(**condition: Any) -> Hyperparameter:
    return Hyperparameter(
        "max_frequency", "highest frequency of the fields", 4, bounds=(1, 6), **condition
    )


def _steerable() -> list[Hyperparameter]:
    sizes = ("7 5 5", "3 3 3", "5 5 5", "7 7 5", "9 7 5")
    return [
        _frequency(),
        Hyperparameter("kernel_sizes", "rows of the kernels, layer by layer", sizes[0], sizes),
    ]


def _autoencoder(names: tuple[str, ...]) -> list[Hyperparameter]:
    return [
        _group(names),
        _frequency(parent="group", parent_values=(_STEERABLE,)),
        Hyperparameter(
            "posterior", "distribution of latent vectors", "vmf", values=tuple(POSTERIORS)
        ),
        Hyperparameter("latent_dim", "coordinates of a latent vector", 6, bounds=(2, 16)),
        Hyperparameter("beta", "weight of the divergence", 0.1, bounds=(0.01, 4.0), log=True),
    ]


def _optimizer() -> list[Hyperparameter]:
    return [
        Hyperparameter("optimizer", "of Keras", "adamw", values=("adamw", "sgd")),
        Hyperparameter(
            "learning_rate", "of adamw", 2e-3, bounds=(3e-4, 3e-2), log=True,
            parent="optimizer", parent_values=("adamw",),
        ),
        Hyperparameter(
            "sgd_learning_rate", "of sgd, with Nesterov's momentum of 0.9", 5e-2,
            bounds=(3e-3, 0.3), log=True, parent="optimizer", parent_values=("sgd",),
        ),
        Hyperparameter(
            "weight_decay", "decoupled, times the learning rate a step", 1e-2,
            bounds=(1e-4, 1.0), log=True,
        ),
    ]  # fmt: skip
