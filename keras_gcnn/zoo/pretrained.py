"""Published weights: small trained networks that travel inside the package."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import keras

from keras_gcnn import former_names, groups
from keras_gcnn.zoo.restrictions import by_stage

# What tells trained networks of one builder on one data set apart.
_SELECTS = ("group", "convolution", "restrict_after", "depth", "variant")
# What may differ from the network that was trained.
_FREE = ("weights", "include_top", "classifier_activation", "data_format", "name", "dropout")
# And that is no matter without the top; channels are checked when weights are set.
_OF_THE_TOP = ("classes", "head", "input_shape")


@dataclass(frozen=True)
class Published:
    """One trained network.

    Attributes:
        builder: name of its builder.
        weights: name of the weights, that of the data set.
        arguments: what the builder is called with, all sizes included.
        file: of the weights, beside the card.
    """

    builder: str
    weights: str
    arguments: Mapping[str, Any]
    file: str

    @property
    def label(self) -> str:
        """The group and what else selects it, as one would write it."""
        parts = [self.arguments["group"]] if "group" in self.arguments else []
        for key in ("depth", "variant"):
            if self.arguments.get(key) is not None:
                parts.append(f"{key}={self.arguments[key]!r}")
        if self.arguments.get("convolution", "full") != "full":
            parts.append(f"convolution={self.arguments['convolution']!r}")
        if self.arguments.get("restrict_after"):
            parts.append(f"restrict_after={self.arguments['restrict_after']!r}")
        return ", ".join(parts)


def _folder():
    return files("keras_gcnn") / "zoo" / "trained"


@cache
def entries() -> tuple[Published, ...]:
    """All published networks, from their cards."""
    if not _folder().is_dir():
        return ()
    cards = sorted(
        (one for one in _folder().iterdir() if one.name.endswith(".json")),
        key=lambda one: one.name,
    )
    found = []
    for card in cards:
        content = json.loads(card.read_text(encoding="utf-8"))
        content["arguments"], _ = former_names.update(content["builder"], content["arguments"])
        found.append(Published(**{key: content[key] for key in Published.__dataclass_fields__}))
    return tuple(found)


def available(builders: tuple[str, ...]) -> dict[str, dict[str, tuple[str, ...]]]:
    """See `keras_gcnn.zoo.available`."""
    found: dict[str, dict[str, tuple[str, ...]]] = {builder: {} for builder in builders}
    for one in entries():
        name = one.builder
        depth = one.arguments.get("depth")
        for builder in {name, f"{name}{depth}"} & set(builders):
            labels = found[builder].get(one.weights, ())
            found[builder][one.weights] = (*labels, one.label)
    return found


def is_name(weights: object) -> bool:
    """Whether `weights` is meant as the name of published weights, not as a path."""
    return isinstance(weights, str) and not Path(weights).suffix and os.sep not in weights


def load(
    function: Callable[..., keras.Model], given: Mapping[str, Any], defaults: Mapping[str, Any]
) -> keras.Model:
    """Builds a network as it was published and loads its weights.

    Args:
        function: the builder, without names for weights.
        given: the arguments of the call.
        defaults: of all arguments.

    Raises:
        ValueError: if there are no such weights, or an argument differs from the network's.
    """
    entry = _find(function.__name__, given, defaults)
    arguments = dict(entry.arguments)
    form = {key: given[key] for key in ("data_format", "name") if given.get(key) is not None}
    if (form.get("data_format") or keras.config.image_data_format()) == "channels_first":
        *sizes, channels = arguments["input_shape"]
        arguments["input_shape"] = (channels, *sizes)
    whole = given.get("include_top", True)
    free = _FREE if whole else (*_FREE, *_OF_THE_TOP)
    for key, value in given.items():
        if key in free or key in _SELECTS or value is None:
            continue
        published = arguments.get(key, defaults[key])
        if key == "parameters" or _plain(value) != _plain(published):
            raise ValueError(
                f"{key}={value!r} does not fit weights={entry.weights!r}, which come with "
                f"{key}={published!r}. Leave {key} out; for another task take a backbone with "
                "include_top=False."
            )
    shape = arguments["input_shape"] if whole else given.get("input_shape")
    form["input_shape"] = arguments["input_shape"] if shape is None else shape
    form["classifier_activation"] = given.get("classifier_activation")
    network = function(**{**arguments, **form}, include_top=whole)
    try:
        with as_file(_folder() / entry.file) as path:
            network.load_weights(path)
    except ValueError as error:
        raise ValueError(
            f"input_shape={tuple(form['input_shape'])} does not fit weights={entry.weights!r}, "
            f"which are for images of shape {tuple(arguments['input_shape'])}: rows and columns "
            "may differ, channels may not."
        ) from error
    return network


def _find(builder: str, given: Mapping[str, Any], defaults: Mapping[str, Any]) -> Published:
    weights = given["weights"]
    if "group" in defaults:
        groups.get(given.get("group", defaults["group"]))  # refuses unknown ones with the choices
    own = [one for one in entries() if one.builder == builder]
    named = [one for one in own if one.weights == weights]
    if not named:
        names = ", ".join(repr(name) for name in dict.fromkeys(one.weights for one in own))
        file = "the path of a .weights.h5 or .keras file, or None"
        raise ValueError(
            # With its depth, by which the shorthands are called.
            f"weights={weights!r} are not published for {builder}{given.get('depth', '')}"
            + (f". Choose one of {names}, or give {file}." if own else f"; none are. Give {file}.")
        )
    for one in named:
        if _selection({**defaults, **one.arguments}) == _selection({**defaults, **given}):
            return one
    choices = "; ".join(one.label for one in named)
    raise ValueError(
        f"weights={weights!r} of {builder} are not published for these arguments. "
        f"Choose one of: {choices}."
    )


def _selection(arguments: Mapping[str, Any]) -> list[Any]:
    """What tells the networks of one builder and data set apart, in one form."""
    if "group" in arguments:
        # Restricting to the group that is there anyway is nothing.
        group = _plain(groups.get(arguments["group"]))
        stages = by_stage(arguments.get("restrict_after")).items()
        left = {stage: one for stage, one in stages if _plain(one) != group}
        arguments = {**arguments, "restrict_after": left}
    return [_plain(arguments.get(key)) for key in _SELECTS]


def _plain(value: Any) -> Any:
    """A value in the one form in which it can be compared."""
    if isinstance(value, groups.Group):
        return value.name
    if isinstance(value, str):
        return value.lower()
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value.tolist() if hasattr(value, "tolist") else value  # NumPy's numbers and arrays
