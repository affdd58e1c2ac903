"""Records steps with the profiler of each backend, as operations with times that do not overlap."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

CONVOLUTION, GRADIENTS, PRODUCTS = "convolution", "gradients of convolutions", "matrix products"
ELEMENTWISE, MOVEMENT = "other elementwise, sums", "data movement"
OPTIMIZER, OTHER = "optimizer", "other"
# An operation has one word, a fusion many; the first pattern that matches any of them decides.
WORDS = {
    r"conv(?!ert)": CONVOLUTION,
    r"matmul|^(add|b|badd)?mm$|^dot|einsum|linear": PRODUCTS,
    r"gather|scatter|segment|(?<!impl_)index|embedding": MOVEMENT,
    r"add|sub|mul|div|sqrt|square|pow|exp|log|neg|elu|max|min|mean|sum|reduce|norm|moments|bias"
    r"|^select$|compare|where|entropy|nll": ELEMENTWISE,
    r"copy|transpose|concat|cat$|slice|split|pack|pad|tile|repeat|broadcast|fill|zero|reverse"
    r"|clone|contiguous|convert|^call$": MOVEMENT,
}
# The scopes in which elementwise operations count by themselves.
SCOPES = {
    "normalisation": r"norm|moments",
    "activations": r"elu|activation",
}
TYPES = (
    CONVOLUTION,
    GRADIENTS,
    PRODUCTS,
    *SCOPES,
    ELEMENTWISE,
    MOVEMENT,
    OPTIMIZER,
    OTHER,
)


class Operation(NamedTuple):
    """A part of a step.

    Attributes:
        name: as it is shown.
        scope: names around it, of layers or of functions.
        words: names of the elementary operations in it.
        time: milliseconds, without those of operations inside it.
    """

    name: str
    scope: str
    words: list[str]
    time: float


Steps = Callable[[], None]
Read = Callable[[Any], tuple[str, str, list[str]] | None]  # name, scope and words of an event


def type_of(operation: Operation) -> str:
    """The one of `TYPES` that an operation belongs to."""
    scope, words = operation.scope.lower(), [word.lower() for word in operation.words]
    if re.search(r"\badam/|_foreach_", scope):
        return OPTIMIZER
    matches = (
        name for pattern, name in WORDS.items() if any(re.search(pattern, word) for word in words)
    )
    first = next(matches, OTHER)
    if first == PRODUCTS and "conv" in scope:
        first = CONVOLUTION  # 1x1 convolutions, and gradients
    if first == CONVOLUTION and re.search(r"gradient|backward|transpose\(jvp|^$", scope):
        return GRADIENTS  # XLA drops the scope of the gradient of a kernel
    if first == ELEMENTWISE:
        inside = (name for name, pattern in SCOPES.items() if re.search(pattern, scope))
        return next(inside, ELEMENTWISE)
    return first


def with_torch(model, steps: Steps) -> Iterator[Operation]:
    """Operations recorded by `torch.profiler`, which subtracts the time of nested operations.

    The profiler does not see layers, so their calls are marked; a gradient has the same sequence
    number as the operation it belongs to.
    """
    from torch.profiler import ProfilerActivity, profile, record_function

    def marked(name: str, call: Callable) -> Callable:
        def within(*arguments, **options):
            with record_function(name):
                return call(*arguments, **options)

        return within

    for layer in model.layers:
        layer.call = marked(layer.name, layer.call)
    # Without shapes: their records would lie between tensors, whose memory would then go back to
    # the system more often and return as new pages, which takes time.
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        steps()
    for layer in model.layers:
        del layer.call
    events = [(event, list(_with_ancestors(event))) for event in profiler.events()]
    layers = {layer.name for layer in model.layers}
    numbered = {}
    for event, around in events:
        if names := [outer.name for outer in around if outer.name in layers]:
            numbered[event.sequence_nr] = names[0]
    for event, around in events:
        names = [outer.name for outer in around]
        where = [name for name in names if name in layers]
        if not where:
            numbers = (outer.sequence_nr for outer in around if outer.sequence_nr >= 0)
            where = [f"gradient of {numbered[number]}" for number in numbers if number in numbered]
        words = [name.removeprefix("aten::") for name in names if name.startswith("aten::")]
        name = " in ".join(dict.fromkeys([event.name, *where[:1]]))
        yield Operation(name, " ".join([*names, *where]), words, event.self_cpu_time_total / 1e3)


def _with_ancestors(event) -> Iterator[Any]:
    while event is not None:
        yield event
        event = event.cpu_parent


def with_tensorflow(model, steps: Steps) -> Iterator[Operation]:
    """Operations recorded by `tf.profiler`, which names them `layer/operation:Type`."""
    from tensorflow import profiler

    def read(event) -> tuple[str, str, list[str]] | None:
        match = re.fullmatch(r"([^:\s]+):(\w+)", event.name)
        if match is None:
            return None
        return re.sub(r"functional_\d+/", "", event.name), match[1], [match[2]]

    options = profiler.experimental.ProfilerOptions(python_tracer_level=0)
    with tempfile.TemporaryDirectory() as folder:
        with profiler.experimental.Profile(folder, options):
            steps()
        yield from _read_trace(folder, read)


def with_jax(model, steps: Steps) -> Iterator[Operation]:
    """Operations recorded by `jax.profiler`; the compiled modules have the parts of fusions."""
    import jax

    options = jax.profiler.ProfileOptions()
    options.python_tracer_level = 0
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder, profiler_options=options):
            steps()
        compiled = jax.devices()[0].client.live_executables()
        modules = {
            module.name: _instructions(module)
            for executable in compiled
            for module in executable.hlo_modules()
        }

        def read(event) -> tuple[str, str, list[str]] | None:
            module = dict(event.stats).get("hlo_module")
            if module is None:
                return None
            return modules.get(module, {}).get(event.name, (event.name, "", [event.name]))

        yield from _read_trace(folder, read)


RECORDERS = {"torch": with_torch, "tensorflow": with_tensorflow, "jax": with_jax}


def _instructions(module) -> dict[str, tuple[str, str, list[str]]]:
    """For every instruction of a compiled module: name with shape and layer, scope and words."""
    inside: dict[str, list[tuple[str, ...]]] = {}
    for line in module.to_string().splitlines():
        if head := re.match(r"(?:ENTRY )?%?([\w.-]+) \(.*\{$", line):
            body = inside.setdefault(head[1], [])
        elif match := re.match(r"\s+(?:ROOT )?%?(\S+) = (\(.*?\)|\S+) ([a-z][\w-]*)\(", line):
            scope = re.search(r'op_name="(.*?)"', line)
            calls = re.search(r"\bcalls=%?([\w.-]+)", line)
            body.append((*match.groups(), scope[1] if scope else "", calls[1] if calls else ""))

    def words(operation: str, called: str) -> list[str]:
        below = (words(inner, calls) for _, _, inner, _, calls in inside.get(called, ()))
        return [operation, *chain.from_iterable(below)]

    def scopes(outer: str, called: str) -> str:
        below = (scopes(scope, calls) for *_, scope, calls in inside.get(called, ()))
        return outer or " ".join(filter(None, dict.fromkeys(below)))

    instructions = {}
    for name, shape, operation, outer, called in chain.from_iterable(inside.values()):
        scope = scopes(outer, called)
        layer = re.sub(r"jit\(\w+\)/", "", scope.partition(" ")[0])
        shown = f"{name} {shape.partition('{')[0]}" + f" of {layer}" * bool(layer)
        instructions[name] = shown, scope, words(operation, called)
    return instructions


def _read_trace(folder: str, read: Read) -> Iterator[Operation]:
    """The events of all threads, as `read` returns them."""
    from jax.profiler import ProfileData

    (path,) = Path(folder).rglob("*.xplane.pb")
    planes = ProfileData.from_file(str(path)).planes
    return own_times((thread.events for plane in planes for thread in plane.lines), read)


def own_times(threads: Iterable[Iterable[Any]], read: Read) -> Iterator[Operation]:
    """The events of threads as `read` returns them, each with its own time.

    A moment belongs to the innermost operation. While several threads run, it is divided among
    them, since they may have taken turns on one core. So the times add up to at most the step.
    """
    operations, marks = [], []
    for thread, events in enumerate(threads):
        for event in events:
            if event.duration_ns > 0 and (what := read(event)):
                start, end = event.start_ns, event.start_ns + event.duration_ns
                marks += [
                    (start, True, -end, thread, len(operations)),
                    (end, False, 0, thread, len(operations)),
                ]
                operations.append(what)
    times = [0.0] * len(operations)
    running: dict[int, list[int]] = {}
    before = 0.0
    for moment, starts, _, thread, number in sorted(marks):
        innermost = [each[-1] for each in running.values() if each]
        for inner in innermost:
            times[inner] += (moment - before) / len(innermost)
        before = moment
        if starts:
            running.setdefault(thread, []).append(number)
        else:
            running[thread].remove(number)
    for what, nanoseconds in zip(operations, times, strict=True):
        yield Operation(*what, nanoseconds / 1e6)
