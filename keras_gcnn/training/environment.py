"""What a result was measured with."""

from __future__ import annotations

import datetime
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def _processor() -> str:
    """Name of the processor; Python itself does not know it on Linux."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _version(*packages: str) -> str | None:
    for package in packages:
        try:
            return version(package)
        except PackageNotFoundError:
            continue
    return None


def _count_gpus(backend: str) -> int:
    if backend == "torch":  # for which Keras lists no devices
        import torch

        return torch.cuda.device_count()
    import keras

    # Asked for "gpu", Keras fails on JAX where there is none.
    devices = keras.distribution.list_devices()
    return sum(not device.startswith("cpu") for device in devices)


def describe() -> dict[str, str | int | None]:
    """Versions, hardware and date."""
    import keras

    import keras_gcnn

    backend = keras.backend.backend()
    return {
        "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "keras_gcnn": keras_gcnn.__version__,
        "keras": keras.__version__,
        "backend": f"{backend} {_version(backend, f'{backend}-cpu')}",
        "numpy": _version("numpy"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "gpus": _count_gpus(backend),
    }
