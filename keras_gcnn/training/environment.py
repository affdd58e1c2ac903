"""The environment of a result: versions, hardware, date and load."""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any


def processor() -> str:
    """Returns the name of the processor, which Python itself cannot find on Linux."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def version_of(*packages: str) -> str | None:
    """Returns the version of the first installed package of these names, or None."""
    for package in packages:
        try:
            return version(package)
        except PackageNotFoundError:
            continue
    return None


def _accelerators(backend: str) -> list[str]:
    """Returns the names of the accelerators, which Keras itself does not offer."""
    if backend == "torch":
        import torch

        return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    if backend == "jax":
        import jax

        return [device.device_kind for device in jax.devices() if device.platform != "cpu"]
    import tensorflow as tf

    details = tf.config.experimental.get_device_details
    gpus = tf.config.list_physical_devices("GPU")
    return [details(gpu).get("device_name", gpu.name) for gpu in gpus]


def now() -> str:
    """Returns date and time."""
    return datetime.datetime.now().astimezone().isoformat(timespec="seconds")


def describe(devices: int = 1) -> dict[str, str | int | float | None]:
    """Returns versions, hardware, date, and the load of the machine.

    Args:
        devices: int, over how many devices training was distributed.
    """
    import keras

    import keras_gcnn

    backend = keras.backend.backend()
    return {
        "date": now(),
        "keras_gcnn": keras_gcnn.__version__,
        "keras": keras.__version__,
        "backend": f"{backend} {version_of(backend, f'{backend}-cpu')}",
        "numpy": version_of("numpy"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "gpus": ", ".join(_accelerators(backend)) or 0,
        **({"devices": devices} if devices > 1 else {}),
        # Over the last minute. Load by other work made the times longer.
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    }


_VARYING = ("date", "load")  # differ between networks on one machine with the same versions


def _range(values: list[Any]) -> str | None:
    """Returns the smallest and the largest value as text; None values are left out."""
    known = sorted(value for value in values if value is not None)
    if not known:
        return None
    return f"{known[0]}" if known[0] == known[-1] else f"{known[0]} to {known[-1]}"


def markdown_lines(results: Sequence[dict[str, Any]]) -> list[str]:
    """Returns a line of Markdown for each environment that results were measured in.

    Args:
        results: dicts with `"network"`, `"seed"` and `"environment"`, which `describe` returned.
    """
    groups: dict[tuple, list[dict[str, Any]]] = {}
    for result in results:
        fixed = tuple(
            (key, value) for key, value in result["environment"].items() if key not in _VARYING
        )
        groups.setdefault(fixed, []).append(result)
    texts = []
    for fixed, members in groups.items():
        date, load = (
            _range([result["environment"].get(key) for result in members]) for key in _VARYING
        )
        pairs = (("date", date), *fixed, *([("load", load)] if load else []))
        text = ", ".join(f"{key}: {value}" for key, value in pairs)
        if len(groups) > 1:  # parts of the table come from different machines or versions
            names = ", ".join(f"{run['network']} with seed {run['seed']}" for run in members)
            text = f"{names}: {text}"
        texts.append(f"- {text}.")
    return texts
