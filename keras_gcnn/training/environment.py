"""What a result was measured with."""

from __future__ import annotations

import datetime
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any


def processor() -> str:
    """Name of the processor; Python itself does not know it on Linux."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def version_of(*packages: str) -> str | None:
    """Version of the first package that is installed; None if none is."""
    for package in packages:
        try:
            return version(package)
        except PackageNotFoundError:
            continue
    return None


def _accelerators(backend: str) -> list[str]:
    """Names of the devices that are no CPU; Keras lists them without names, and torch's not."""
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
    """Date and time."""
    return datetime.datetime.now().astimezone().isoformat(timespec="seconds")


def describe(devices: int = 1) -> dict[str, str | int | None]:
    """Versions, hardware, date, and how busy the machine is.

    Args:
        devices: int, over how many devices something was distributed.
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
        "python": platform.pythonversion_of(),
        "platform": platform.platform(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "gpus": ", ".join(_accelerators(backend)) or 0,
        **({"devices": devices} if devices > 1 else {}),
        # Over the last minute; what exceeds the training's own share made its times longer.
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    }


_VARYING = ("date", "load")  # from network to network, on one machine with one set of versions


def _range(values: list[Any]) -> str | None:
    """The smallest and the largest value, of which some may be missing."""
    known = sorted(value for value in values if value is not None)
    if not known:
        return None
    return f"{known[0]}" if known[0] == known[-1] else f"{known[0]} to {known[-1]}"


def lines(results: list[dict[str, Any]]) -> list[str]:
    """What results were measured with, as a line of Markdown for each environment.

    Args:
        results: with `"network"`, `"seed"` and `"environment"`, of `describe`.
    """
    groups: dict[tuple, list[dict[str, Any]]] = {}
    for result in results:
        rest = tuple((k, v) for k, v in result["environment"].items() if k not in _VARYING)
        groups.setdefault(rest, []).append(result)
    texts = []
    for rest, members in groups.items():
        date, load = (_range([one["environment"].get(key) for one in members]) for key in _VARYING)
        pairs = (("date", date), *rest, *([("load", load)] if load else []))
        text = ", ".join(f"{key}: {value}" for key, value in pairs)
        if len(groups) > 1:  # the parts of the table come from different machines or versions
            names = ", ".join(f"{one['network']} with seed {one['seed']}" for one in members)
            text = f"{names}: {text}"
        texts.append(f"- {text}.")
    return texts
