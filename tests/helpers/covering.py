"""Few cases in which every value, or every pair of values, occurs, in place of the full product."""

import itertools

import pytest


def covering(**values):
    """Returns cases, dicts from names to values, that hold every pair of values of two names.

    The first ones, as many as the longest list has values, hold every single value. It is greedy
    and deterministic: each case takes the pairs that no case before it had. Seven names of two to
    seven values need about 16 cases; their full product can have 448.
    """
    names = list(values)
    choices = {name: list(range(len(values[name]))) for name in names}
    missing = {
        ((first, i), (second, j))
        for first, second in itertools.combinations(names, 2)
        for i in choices[first]
        for j in choices[second]
    }
    uses = {(name, i): 0 for name in names for i in choices[name]}
    cases = []
    while missing or not all(uses.values()):
        every_value_occurs = all(uses.values())
        case = dict(min(missing)) if every_value_occurs else {}
        # The names of most values first: they have the fewest chances.
        for name in sorted(names, key=lambda name: -len(choices[name])):
            if name not in case:
                case[name] = min(
                    choices[name],
                    key=lambda i, name=name: (
                        not every_value_occurs and uses[name, i] > 0,
                        -_count((name, i), case, missing, names),
                        uses[name, i],
                        i,
                    ),
                )
        missing -= set(itertools.combinations([(name, case[name]) for name in names], 2))
        for choice in case.items():
            uses[choice] += 1
        cases.append({name: values[name][case[name]] for name in names})
    return cases


def _count(choice, case, missing, names):
    """Number of missing pairs that a value would complete."""
    pairs = (sorted([choice, other], key=lambda c: names.index(c[0])) for other in case.items())
    return sum(tuple(pair) in missing for pair in pairs)


def parametrize_covering(**values):
    """`pytest.mark.parametrize` over every value of every name, thoroughly over every pair."""
    single = max(map(len, values.values()))
    rows = [
        pytest.param(
            *case.values(),
            id=", ".join(map(_name, case.values())),
            marks=[pytest.mark.thorough] if number >= single else [],
        )
        for number, case in enumerate(covering(**values))
    ]
    return pytest.mark.parametrize(tuple(values), rows)


def _name(value):
    return getattr(value, "__name__", None) or str(value)
