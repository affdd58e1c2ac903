"""The other end of `places`: calls a function of a file in a process and an environment of its own.

The one argument is JSON: `file` and `function`, its `arguments`, Keras's `data_format` or null, and
`serve`: whether the function returns an action that is called when asked for, and then timed.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import harness


def function_of(file: str, name: str) -> Callable[..., Any]:
    """A function of a file that is imported by its path."""
    path = Path(file)
    sys.path.insert(0, str(path.parent))  # its neighbours
    module = importlib.util.module_from_spec(
        found := importlib.util.spec_from_file_location(f"measured_{path.stem}", path)
    )
    sys.modules[module.__name__] = module  # dataclasses look there
    found.loader.exec_module(module)
    return getattr(module, name)


def serve(action: Callable[[], object], answers) -> None:
    """Tells the seconds of the first call; then reads numbers of calls, and tells those of each."""
    print(json.dumps(harness.seconds_of(action)), file=answers, flush=True)
    for line in sys.stdin:
        action()  # threads fell asleep and caches are another's since the last turn
        seconds = [harness.seconds_of(action) for _ in range(int(line))]
        print(json.dumps(seconds), file=answers, flush=True)


def main(task: dict[str, Any]) -> None:
    """Does one task."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
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
