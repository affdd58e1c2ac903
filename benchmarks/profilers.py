"""Records steps with the profiler of each backend, as operations whose times do not overlap."""

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
# An operation has one word, a fusion many: the first pattern that is in any of them decides.
WORDS = {
    r"conv(?!ert)": CONVOLUTION,
    r"matmul|^(add|b|badd)?mm$|^dot|einsum|linear": PRODUCTS,
    r"gather|scatter|segment|(?<!impl_)index|embedding": MOVEMENT,
    r"add|sub|mul|div|sqrt|square|pow|exp|log|neg|elu|max|min|mean|sum|reduce|norm|moments|bias"
    r"|^select$|compare|where|entropy|nll": ELEMENTWISE,
    r"copy|transpose|concat|cat$|slice|split|pack|pad|tile|repeat|broadcast|fill|zero|reverse"
    r"|clone|contiguous|convert|^call$": MOVEMENT,
}
SCOPES = {"normalisation": r"norm|moments", "activations": r"elu|activation"}  # of elementwise ones
KINDS = (
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
        words: what it does.
        time: milliseconds, without those of operations inside it.
    """

    name: str
    scope: str
    words: list[str]
    time: float


Steps = Callable[[], None]
Read = Callable[[Any], tuple[str, str, list[str]] | None]  # of an event, all but its time


def kind(operation: Operation) -> str:
    """Which of `KINDS` an operation is."""
    scope, words = operation.scope.lower(), [word.lower() for word in operation.words]
    if re.search(r"\badam/|_foreach_", scope):
        return OPTIMIZER
    found = (one for pattern, one in WORDS.items() if any(re.search(pattern, w) for w in words))
    first = next(found, OTHER)
    if first == PRODUCTS and "conv" in scope:
        first = CONVOLUTION  # of 1x1, and gradients
    if first == CONVOLUTION and re.search(r"gradient|backward|transpose\(jvp|^$", scope):
        return GRADIENTS  # without a scope is what XLA makes of the gradient of a kernel
    if first == ELEMENTWISE:
        inside = (one for one, pattern in SCOPES.items() if re.search(pattern, scope))
        return next(inside, ELEMENTWISE)
    return first


def with_torch(model, steps: Steps) -> Iterator[Operation]:
    """Of `torch.profiler`, which itself takes off what an operation calls.

    It knows no layers: their calls are marked, and a gradient has the number of what it is of.
    """
    from torch.profiler import ProfilerActivity, profile, record_function

    def marked(name: str, call: Callable) -> Callable:
        def within(*arguments, **options):
            with record_function(name):
                return call(*arguments, **options)

        return within

    for layer in model.layers:
        layer.call = marked(layer.name, layer.call)
    # Without shapes: what it would keep of them lies between tensors, whose memory then goes back
    # to the system more often and comes again as new pages, which takes time.
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        steps()
    for layer in model.layers:
        del layer.call
    events = [(one, list(_with_those_around(one))) for one in profiler.events()]
    layers = {layer.name for layer in model.layers}
    numbered = {}
    for event, around in events:
        if found := [one.name for one in around if one.name in layers]:
            numbered[event.sequence_nr] = found[0]
    for event, around in events:
        names = [one.name for one in around]
        where = [one for one in names if one in layers]
        if not where:
            numbers = (one.sequence_nr for one in around if one.sequence_nr >= 0)
            where = [f"gradient of {numbered[one]}" for one in numbers if one in numbered]
        words = [one.removeprefix("aten::") for one in names if one.startswith("aten::")]
        name = " in ".join(dict.fromkeys([event.name, *where[:1]]))
        yield Operation(name, " ".join([*names, *where]), words, event.self_cpu_time_total / 1e3)


def _with_those_around(event) -> Iterator[Any]:
    while event is not None:
        yield event
        event = event.cpu_parent


def with_tensorflow(model, steps: Steps) -> Iterator[Operation]:
    """Of `tf.profiler`, whose operations are called `layer/operation:Type`."""
    from tensorflow import profiler

    def read(event) -> tuple[str, str, list[str]] | None:
        found = re.fullmatch(r"([^:\s]+):(\w+)", event.name)
        if found is None:
            return None
        return re.sub(r"functional_\d+/", "", event.name), found[1], [found[2]]

    options = profiler.experimental.ProfilerOptions(python_tracer_level=0)
    with tempfile.TemporaryDirectory() as folder:
        with profiler.experimental.Profile(folder, options):
            steps()
        yield from _read_trace(folder, read)


def with_jax(model, steps: Steps) -> Iterator[Operation]:
    """Of `jax.profiler`; what is in a fusion is looked up in the compiled modules."""
    import jax

    options = jax.profiler.ProfileOptions()
    options.python_tracer_level = 0
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder, profiler_options=options):
            steps()
        compiled = jax.devices()[0].client.live_executables()
        modules = {one.name: _instructions(one) for each in compiled for one in each.hlo_modules()}

        def read(event) -> tuple[str, str, list[str]] | None:
            module = dict(event.stats).get("hlo_module")
            if module is None:
                return None
            return modules.get(module, {}).get(event.name, (event.name, "", [event.name]))

        yield from _read_trace(folder, read)


RECORDERS = {"torch": with_torch, "tensorflow": with_tensorflow, "jax": with_jax}


def _instructions(module) -> dict[str, tuple[str, str, list[str]]]:
    """Of every instruction of a compiled module: name with shape and layer, scope and words."""
    inside: dict[str, list[tuple[str, ...]]] = {}
    for line in module.to_string().splitlines():
        if head := re.match(r"(?:ENTRY )?%?([\w.-]+) \(.*\{$", line):
            body = inside.setdefault(head[1], [])
        elif found := re.match(r"\s+(?:ROOT )?%?(\S+) = (\(.*?\)|\S+) ([a-z][\w-]*)\(", line):
            scope = re.search(r'op_name="(.*?)"', line)
            calls = re.search(r"\bcalls=%?([\w.-]+)", line)
            body.append((*found.groups(), scope[1] if scope else "", calls[1] if calls else ""))

    def words(operation: str, called: str) -> list[str]:
        below = (words(one, calls) for _, _, one, _, calls in inside.get(called, ()))
        return [operation, *chain.from_iterable(below)]

    def scopes(own: str, called: str) -> str:
        below = (scopes(scope, calls) for *_, scope, calls in inside.get(called, ()))
        return own or " ".join(filter(None, dict.fromkeys(below)))

    found = {}
    for name, shape, operation, own, called in chain.from_iterable(inside.values()):
        scope = scopes(own, called)
        layer = re.sub(r"jit\(\w+\)/", "", scope.partition(" ")[0])
        shown = f"{name} {shape.partition('{')[0]}" + f" of {layer}" * bool(layer)
        found[name] = shown, scope, words(operation, called)
    return found


def _read_trace(folder: str, read: Read) -> Iterator[Operation]:
    """What `read` makes of the events of all threads."""
    from jax.profiler import ProfileData

    (path,) = Path(folder).rglob("*.xplane.pb")
    planes = ProfileData.from_file(str(path)).planes
    return own_times((thread.events for plane in planes for thread in plane.lines), read)


def own_times(threads: Iterable[Iterable[Any]], read: Read) -> Iterator[Operation]:
    """What `read` makes of the events of threads, each with the time that is its own.

    A moment is of the innermost operation; of several threads at once it is divided among these,
    since they may have taken turns on one core. So the times add up to no more than the step.
    """
    found, marks = [], []
    for thread, events in enumerate(threads):
        for event in events:
            if event.duration_ns > 0 and (what := read(event)):
                start, end = event.start_ns, event.start_ns + event.duration_ns
                marks += [
                    (start, True, -end, thread, len(found)),
                    (end, False, 0, thread, len(found)),
                ]
                found.append(what)
    own = [0.0] * len(found)
    running: dict[int, list[int]] = {}
    before = 0.0
    for moment, starts, _, thread, number in sorted(marks):
        innermost = [each[-1] for each in running.values() if each]
        for one in innermost:
            own[one] += (moment - before) / len(innermost)
        before = moment
        if starts:
            running.setdefault(thread, []).append(number)
        else:
            running[thread].remove(number)
    for what, nanoseconds in zip(found, own, strict=True):
        yield Operation(*what, nanoseconds / 1e6)
