"""How much memory the configuration of a model asks for, before it is given."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import keras

# Weights beyond twice those that the file holds, e.g. of a model that was saved without some.
_ALWAYS_ALLOWED = 2**18
_LARGEST_IMAGE = 2**27  # numbers: half a gigabyte in float32
_LARGEST_TABLES = 2**31  # bytes of all tables of steerable layers, by an estimate from above
_LARGEST_OPTION = {"pool_size": 2**14, "samples": 2**12, "sigma": 2**10, "size": 2**10}
_BYTES = 8  # of a number in float64


def check_sizes(config: Mapping[str, Any], held: int) -> None:
    """Refuses a configuration by the sizes that can be read off it.

    Args:
        config: of the model, as `.keras` files hold it.
        held: int, how many numbers the file holds.

    Raises:
        ValueError: if weights, images or tables would be too large.
    """
    tables: dict[str, int] = {}
    for one in _configs(config):
        _check_numbers(one, _most(held))
        tables |= _steerable_tables(one)
    if (wanted := sum(tables.values())) > _LARGEST_TABLES:
        raise ValueError(
            f"its steerable layers ask for tables of up to {wanted} bytes; {_LARGEST_TABLES} are "
            "allowed. If you trust its source, build the network and load its weights"
        )


def check_weights(config: Mapping[str, Any], held: int) -> None:
    """Builds the model without values, and refuses it if it has more weights than its file holds.

    Args:
        config: of the model, whose classes are known to be harmless.
        held: int, how many numbers the file holds.

    Raises:
        ValueError: if there are too many weights; and whatever building the model raises.
    """
    # In a thread, since what Keras notes of variables without values is kept for each thread.
    with ThreadPoolExecutor(1) as pool:
        wanted = pool.submit(_count_weights, config, keras.config.dtype_policy()).result()
    if wanted > _most(held):
        raise TooManyWeightsError(
            f"its configuration asks for {wanted} weights, and it holds {held}, so they are not of "
            "the same model"
        )


class TooManyWeightsError(ValueError):
    """A model has more weights than its file holds."""


def _most(held: int) -> int:
    return _ALWAYS_ALLOWED + 2 * held


def _count_weights(config: Mapping[str, Any], policy: keras.DTypePolicy) -> int:
    """Weights of the model of a configuration, of which no value is made."""
    keras.config.set_dtype_policy(policy)  # of this thread
    with keras.StatelessScope(initialize_variables=False):
        model = keras.saving.deserialize_keras_object(_without_state(config), safe_mode=True)
        return sum(math.prod(one.shape) for one in model.weights)


def _without_state(config: Any) -> Any:
    """The configuration without what makes variables from values: optimizers, states of RNNs."""
    if isinstance(config, Mapping):
        replaced = {"compile_config": None, "stateful": False}
        return {
            key: replaced[key] if key in replaced else _without_state(one)
            for key, one in config.items()
        }
    return [_without_state(one) for one in config] if isinstance(config, list) else config


def _configs(config: Any) -> Iterator[Mapping[str, Any]]:
    """All dicts in a configuration."""
    waiting = [config]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Mapping):
            yield one
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)


def _check_numbers(config: Mapping[str, Any], most: int) -> None:
    name = config.get("name")
    for key in ("batch_shape", "target_shape"):
        if (image := math.prod(_numbers(config.get(key)))) > _LARGEST_IMAGE:
            raise ValueError(
                f"{name!r} has an image of {image} numbers; {_LARGEST_IMAGE} are allowed"
            )
    for key in ("kernel_size", "filters", "units"):
        # Each of them is a lower bound of the weights.
        if (weights := math.prod(_numbers(config.get(key)))) > most:
            raise ValueError(
                f"{name!r} with {key}={config[key]!r} has more than {weights - 1} weights, and the "
                f"file holds fewer than {most}"
            )
    for key, largest in _LARGEST_OPTION.items():
        if max(_numbers(config.get(key)), default=0) > largest:
            raise ValueError(f"{name!r} with {key}={config[key]!r}; {largest} is allowed")


def _steerable_tables(config: Mapping[str, Any]) -> dict[str, int]:
    """Bytes that the tables of a steerable layer take at most, by what they depend on."""
    fields = [config.get(key) for key in ("fields", "fields_in", "fields_out")]
    multiplicities = [_multiplicities(one) for one in fields if isinstance(one, Mapping)]
    # Matrices that pick or sum channels.
    found = {str(one): _BYTES * (2 * sum(one)) ** 2 for one in multiplicities}
    kernel = max(_numbers(config.get("kernel_size")), default=0)
    if len(multiplicities) == 2 and kernel:
        dilation = max(_numbers(config.get("dilation_rate")), default=1)
        found[f"{kernel}, {dilation}"] = _wave_bytes(kernel, dilation)
        # Two solutions or four for each profile, of which there is at most one for each radius.
        elements = 4 * math.ceil(kernel / 2)
        pairs = math.prod(map(_squared_sizes, multiplicities))
        found[f"{kernel}, {multiplicities}"] = elements * kernel**2 * pairs * _BYTES
    return found


def _wave_bytes(kernel: float, dilation: float) -> float:
    """Of the plane waves by which radial profiles are chosen: pixels, lengths and directions."""
    return kernel**2 * 32 * (5 * kernel * dilation + 64) * 4 * _BYTES


def _squared_sizes(multiplicities: list[int]) -> int:
    """For each kind of field, its frequencies times its channels, which are two a frequency."""
    kinds = [sum(one >= most for one in multiplicities) for most in set(multiplicities)]
    return sum(2 * frequencies**2 for frequencies in kinds)


def _multiplicities(fields: Mapping[str, Any]) -> list[int]:
    return [one for one in fields.values() if isinstance(one, int) and one > 0]


def _numbers(value: Any) -> list[int | float]:
    """The numbers of an option: of an integer, or of a list of them."""
    found = value if isinstance(value, list) else [value]
    return [one for one in found if isinstance(one, int | float) and not isinstance(one, bool)]
