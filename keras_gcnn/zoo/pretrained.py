"""Published weights: small trained networks that ship with the package."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import keras

from keras_gcnn import former_names
from keras_gcnn.groups import Group
from keras_gcnn.groups.point_group import PointGroup, find_group
from keras_gcnn.zoo.restrictions import by_stage

# Arguments that select among the trained networks of one builder on one data set.
SELECTS = ("group", "convolution", "restrict_after", "depth", "variant", "fields")
# Arguments that may differ from those of the trained network.
_FREE = ("weights", "include_top", "classifier_activation", "data_format", "name", "dropout")
# Ignored when include_top=False, except for the channels, which are checked with the weights.
_OF_THE_TOP = ("classes", "head", "input_shape")


@dataclass(frozen=True)
class Published:
    """One trained network.

    Attributes:
        builder: name of its builder.
        weights: name of the weights, which is that of the data set.
        arguments: all arguments of the builder, sizes included.
        file: name of the weights file, which lies beside the card.
    """

    builder: str
    weights: str
    arguments: Mapping[str, Any]
    file: str

    @property
    def label(self) -> str:
        """The arguments that select this network, as a user would write them."""
        parts = [self.arguments["group"]] if "group" in self.arguments else []
        for key in ("depth", "variant", "fields"):
            if self.arguments.get(key) is not None:
                parts.append(f"{key}={self.arguments[key]!r}")
        if self.arguments.get("convolution", "full") != "full":
            parts.append(f"convolution={self.arguments['convolution']!r}")
        if self.arguments.get("restrict_after"):
            parts.append(f"restrict_after={self.arguments['restrict_after']!r}")
        return ", ".join(parts)


def _folder() -> Traversable:
    return files("keras_gcnn") / "zoo" / "trained"


@cache
def entries() -> tuple[Published, ...]:
    """Reads the cards of all published networks."""
    if not _folder().is_dir():
        return ()
    cards = sorted(
        (file for file in _folder().iterdir() if file.name.endswith(".json")),
        key=lambda file: file.name,
    )
    networks = []
    for card in cards:
        content = json.loads(card.read_text(encoding="utf-8"))
        content["arguments"], _ = former_names.update(content["builder"], content["arguments"])
        networks.append(Published(**{key: content[key] for key in Published.__dataclass_fields__}))
    return tuple(networks)


def available(builders: tuple[str, ...]) -> dict[str, dict[str, tuple[str, ...]]]:
    """Returns the labels of published networks by builder and weights; see `zoo.available`."""
    labels: dict[str, dict[str, tuple[str, ...]]] = {builder: {} for builder in builders}
    for network in entries():
        name = network.builder
        depth = network.arguments.get("depth")
        for builder in {name, f"{name}{depth}"} & set(builders):
            before = labels[builder].get(network.weights, ())
            labels[builder][network.weights] = (*before, network.label)
    return labels


def is_name(weights: object) -> bool:
    """Whether `weights` is a name of published weights, and not a path or anything else."""
    return isinstance(weights, str) and not Path(weights).suffix and os.sep not in weights


def load(
    function: Callable[..., keras.Model], given: Mapping[str, Any], defaults: Mapping[str, Any]
) -> keras.Model:
    """Builds a published network and loads its weights.

    Args:
        function: the builder, undecorated: its `weights` cannot be a name.
        given: the arguments of the call.
        defaults: the default of every argument.

    Raises:
        ValueError: if there are no such weights, or an argument differs from that of the network.
    """
    entry = _find(function.__name__, given, defaults)
    arguments = dict(entry.arguments)
    kept = ("data_format", "dropout", "name")
    changes = {key: given[key] for key in kept if given.get(key) is not None}
    if (changes.get("data_format") or keras.config.image_data_format()) == "channels_first":
        *sizes, channels = arguments["input_shape"]
        arguments["input_shape"] = (channels, *sizes)
    whole = given.get("include_top", True)
    ignored = _FREE if whole else (*_FREE, *_OF_THE_TOP)
    for key, value in given.items():
        if key in ignored or key in SELECTS or value is None:
            continue
        published = arguments.get(key, defaults[key])
        if key in ("parameters", "multiply_adds") or _plain(value) != _plain(published):
            raise ValueError(
                f"{key}={value!r} does not fit weights={entry.weights!r}, which come with "
                f"{key}={published!r}. Leave {key} out; for another task use a backbone, by "
                "include_top=False."
            )
    shape = arguments["input_shape"] if whole else given.get("input_shape")
    changes["input_shape"] = arguments["input_shape"] if shape is None else shape
    changes["classifier_activation"] = given.get("classifier_activation")
    network = function(**{**arguments, **changes}, include_top=whole)
    try:
        with as_file(_folder() / entry.file) as path:
            network.load_weights(path)
    except ValueError as error:
        raise ValueError(
            f"input_shape={tuple(changes['input_shape'])} does not fit weights={entry.weights!r}, "
            f"which are for images of shape {tuple(arguments['input_shape'])}: rows and columns "
            "may differ, channels may not."
        ) from error
    return network


def _find(builder: str, given: Mapping[str, Any], defaults: Mapping[str, Any]) -> Published:
    """Returns the published network that a call selects, or raises a `ValueError`."""
    weights = given["weights"]
    if "group" in defaults:
        find_group(given.get("group", defaults["group"]))  # refuses unknown ones with the choices
    networks = [network for network in entries() if network.builder == builder]
    matches = [network for network in networks if network.weights == weights]
    if not matches:
        names = ", ".join(dict.fromkeys(repr(network.weights) for network in networks))
        file = "the path of a .weights.h5 or .keras file, or None"
        raise ValueError(
            # With the depth, this is the name of a shorthand such as resnet20.
            f"weights={weights!r} are not published for {builder}{given.get('depth', '')}"
            + (
                f". Choose one of {names}, or give {file}."
                if networks
                else f"; none are. Give {file}."
            )
        )
    for network in matches:
        if _selection({**defaults, **network.arguments}) == _selection({**defaults, **given}):
            return network
    choices = "; ".join(network.label for network in matches)
    raise ValueError(
        f"weights={weights!r} of {builder} are not published for these arguments. "
        f"Choose one of: {choices}."
    )


def _selection(arguments: Mapping[str, Any]) -> list[Any]:
    """Returns the values of the arguments in `SELECTS`, in comparable types."""
    if "group" in arguments:
        # A restriction to the group itself has no effect.
        group = find_group(arguments["group"])
        stages = by_stage(arguments.get("restrict_after")).items()
        subgroups = {stage: find_group(subgroup) for stage, subgroup in stages}
        restrictions = {stage: found for stage, found in subgroups.items() if found != group}
        arguments = {**arguments, "group": group, "restrict_after": restrictions}
    return [_plain(arguments.get(key)) for key in SELECTS]


def _plain(value: Any) -> Any:
    """Returns a value in a type that can be compared with values from JSON."""
    if isinstance(value, Group | PointGroup):
        return value.name
    if isinstance(value, str):
        return value.lower()
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.tolist() if hasattr(value, "tolist") else value  # NumPy's numbers and arrays
