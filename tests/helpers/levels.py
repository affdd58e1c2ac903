"""The two levels of the suite: which tests run with `--thorough` only; see tests/README.md."""

import collections

import pytest

# They compile what runs; their behaviour that does not depend on them, PyTorch shows sooner.
COMPILING = ("jax", "tensorflow")


def thoroughly(*rows, on=()):
    """Rows of `parametrize` for the thorough level; where `on` names backends, on these."""
    mark = pytest.mark.thorough(*on)
    return [pytest.param(*(row if isinstance(row, tuple) else (row,)), marks=mark) for row in rows]


def thorough_only(items, backend):
    """Those that are marked `thorough`, and what is left of products when every value occurred."""
    marked, products = [], collections.defaultdict(list)
    for item in items:
        if any(not mark.args or backend in mark.args for mark in item.iter_markers("thorough")):
            marked.append(item)
        elif hasattr(item, "callspec") and not item.get_closest_marker("every_combination"):
            products[item.nodeid.partition("[")[0]].append(item)
    return set(marked).union(*map(_beyond_every_value, products.values()))


def _beyond_every_value(items):
    """The tests of one function that are not needed for every row of every `parametrize`."""
    values = {item: set(enumerate(item.callspec._idlist)) for item in items}
    missing, rest = set().union(*values.values()), list(items)
    while missing:
        most = max(rest, key=lambda item: len(values[item] & missing))
        missing -= values[most]
        rest.remove(most)
    return rest
