"""Bounds the memory that the configuration of a model asks for, before it is allocated."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import keras

# Allowed beyond twice the weights in the file, e.g. for a model that was saved without some.
_ALWAYS_ALLOWED = 2**18
LARGEST_IMAGE = 2**27  # numbers: half a gigabyte in float32
_LARGEST_TABLES = 2**31  # bytes of all tables of steerable layers, by an upper bound
_LARGEST_OPTION = {"pool_size": 2**14, "samples": 2**12, "sigma": 2**10, "size": 2**10}
_BYTES = 8  # bytes of a number in float64
_BYTES_OF_A_WEIGHT = 2**12  # of the objects for each pair of blocks of fields, beside their numbers


def check_sizes(config: Mapping[str, Any], held: int) -> None:
    """Refuses a configuration by the sizes that it states.

    Args:
        config: configuration of the model in a `.keras` file.
        held: int, number of weights in the file.

    Raises:
        ValueError: if weights, images or tables would be too large.
    """
    tables: dict[str, float] = {}
    for number, part in enumerate(_configs(config)):
        _check_numbers(part, _most(held))
        tables |= _shared_tables(part)
        tables[f"layer {number}"] = _bytes_of_own_tables(part)
    if (table_bytes := sum(tables.values())) > _LARGEST_TABLES:
        raise ValueError(
            f"its steerable layers ask for tables of up to {table_bytes} bytes; "
            f"{_LARGEST_TABLES} are allowed. If you trust its source, build the network "
            "and load its weights"
        )


def check_weights(config: Mapping[str, Any], held: int) -> None:
    """Builds the model without values, and refuses it if it has more weights than its file.

    Args:
        config: configuration of the model, whose classes have been found harmless.
        held: int, number of weights in the file.

    Raises:
        TooManyWeightsError: if there are too many weights.
        Exception: the error of a model that cannot be built.
    """
    # In a thread of its own, since Keras keeps its scopes without values for each thread.
    with ThreadPoolExecutor(1) as pool:
        weight_count = pool.submit(_count_weights, config, keras.config.dtype_policy()).result()
    if weight_count > _most(held):
        raise TooManyWeightsError(
            f"its configuration asks for {weight_count} weights, and it holds {held}, so they do "
            "not belong to the same model"
        )


class TooManyWeightsError(ValueError):
    """The configuration of a model asks for more weights than its file holds."""


def _most(held: int) -> int:
    return _ALWAYS_ALLOWED + 2 * held


def _count_weights(config: Mapping[str, Any], policy: keras.DTypePolicy) -> int:
    """Counts the weights of a model without allocating them."""
    keras.config.set_dtype_policy(policy)  # each thread has its own
    with keras.StatelessScope(initialize_variables=False):
        model = keras.saving.deserialize_keras_object(_without_state(config), safe_mode=True)
        return sum(math.prod(weight.shape) for weight in model.weights)


def _without_state(config: Any) -> Any:
    """Returns the configuration without optimizers and RNN states, which need values."""
    if isinstance(config, Mapping):
        replaced = {"compile_config": None, "stateful": False}
        return {
            key: replaced[key] if key in replaced else _without_state(value)
            for key, value in config.items()
        }
    return [_without_state(value) for value in config] if isinstance(config, list) else config


def _configs(config: Any) -> Iterator[Mapping[str, Any]]:
    """Yields all dicts in a configuration."""
    waiting = [config]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Mapping):
            yield value
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)


def _check_numbers(config: Mapping[str, Any], most: int) -> None:
    name = config.get("name")
    for key in ("batch_shape", "target_shape"):
        if (image := math.prod(_numbers(config.get(key)))) > LARGEST_IMAGE:
            raise ValueError(
                f"{name!r} has an image of {image} numbers; {LARGEST_IMAGE} are allowed"
            )
    for key in ("kernel_size", "filters", "units"):
        # Each of these numbers is a lower bound of the weights.
        if (weights := math.prod(_numbers(config.get(key)))) > most:
            raise ValueError(
                f"{name!r} with {key}={config[key]!r} has more than {weights - 1} weights, and the "
                f"file holds fewer than {most}"
            )
    for key, largest in _LARGEST_OPTION.items():
        if max(_numbers(config.get(key)), default=0) > largest:
            raise ValueError(f"{name!r} with {key}={config[key]!r}; {largest} is allowed")


def _shared_tables(config: Mapping[str, Any]) -> dict[str, float]:
    """Returns upper bounds of the bytes of tables that steerable layers share.

    The keys are the options on which the tables depend.
    """
    # Matrices that select or sum channels.
    tables: dict[str, float] = {
        str(sizes): _BYTES * sum(count * size for count, size in sizes) ** 2
        for sizes in _sizes_of_fields(config)
    }
    kernel, dilation = _largest(config, "kernel_size", 0), _largest(config, "dilation_rate", 1)
    if "fields_out" in config:
        tables[f"{kernel}, {dilation}"] = _wave_bytes(kernel, dilation)
    return tables


def _bytes_of_own_tables(config: Mapping[str, Any]) -> float:
    """Returns an upper bound of the bytes of the tables that a steerable layer has for itself."""
    sizes, samples = _sizes_of_fields(config), 2 * _largest(config, "samples", 0)
    values = sum(samples * size for one in sizes for _, size in one)
    if len(sizes) < 2:
        return _BYTES * values
    kernel = _largest(config, "kernel_size", 0)
    # About as many functions of the position as there are positions; an entry of a kernel is a sum
    # of a few of each of them, with an index and a factor.
    waves = 2 * kernel**2
    entries = math.prod(sum(size for _, size in one) for one in sizes)
    blocks = math.prod(map(len, sizes))
    return waves * (kernel**2 + 4 * entries) * 2 * _BYTES + blocks * _BYTES_OF_A_WEIGHT


def _wave_bytes(kernel: float, dilation: float) -> float:
    """Bytes of the plane waves that radial profiles are chosen by."""
    return kernel**2 * 32 * (5 * kernel * dilation + 64) * 4 * _BYTES


def _sizes_of_fields(config: Mapping[str, Any]) -> list[list[tuple[int, int]]]:
    """Returns `_field_sizes` of all fields that a configuration states."""
    fields = [config.get(key) for key in ("fields", "fields_in", "fields_out")]
    return [_field_sizes(entry) for entry in fields if isinstance(entry, Mapping)]


def _largest(config: Mapping[str, Any], key: str, default: float) -> float:
    """Returns the largest number in an option."""
    return max(_numbers(config.get(key)), default=default)


def _field_sizes(fields: Mapping[str, Any]) -> list[tuple[int, int]]:
    """Returns, for each kind of field, their number and a bound of the channels of one."""
    blocks = fields.get("blocks")
    if isinstance(blocks, list):
        parts = [part for part in blocks if isinstance(part, list) and len(part) == 2]
        # What is no whole number of fields, or no list of irreps, is refused when it is read.
        return [
            (count, 2 * len(irreps))
            for count, irreps in parts
            if isinstance(count, int) and isinstance(irreps, list)
        ]
    numbers = sorted({0, *(n for n in fields.values() if isinstance(n, int) and n > 0)})
    return [
        (count - below, 2 * sum(n >= count for n in _numbers([*fields.values()])))
        for below, count in itertools.pairwise(numbers)
    ]


def _numbers(value: Any) -> list[int | float]:
    """Returns the numbers in an option, which may be one number or a list."""
    entries = value if isinstance(value, list) else [value]
    return [n for n in entries if isinstance(n, int | float) and not isinstance(n, bool)]
