"""Calls a function of a file in a separate process, which `environments` starts.

The one argument is JSON: `file` and `function`, its `arguments`, Keras's `data_format` or null, and
`serve`: whether the function returns an action, which is then called and timed on request.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.common import harness


def function_of(file: str, name: str) -> Callable[..., Any]:
    """A function of a file, which is imported by its path."""
    path = Path(file)
    spec = importlib.util.spec_from_file_location(f"measured_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return getattr(module, name)


def serve(action: Callable[[], object], answers) -> None:
    """Writes the seconds of the first call; then those of as many calls as are asked for."""
    print(json.dumps(harness.seconds_of(action)), file=answers, flush=True)
    for line in sys.stdin:
        action()  # since the last turn, threads fell asleep and others filled the caches
        seconds = [harness.seconds_of(action) for _ in range(int(line))]
        print(json.dumps(seconds), file=answers, flush=True)


def main(task: dict[str, Any]) -> None:
    """Does one task."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libraries print to the standard output too
    if task["data_format"]:
        import keras

        keras.config.set_image_data_format(task["data_format"])
    result = function_of(task["file"], task["function"])(*task["arguments"])
    if task["serve"]:
        serve(result, answers)
    else:
        print(json.dumps(result), file=answers, flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
