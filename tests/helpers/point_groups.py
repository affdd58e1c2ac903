"""SO(2), O(2), C_N and D_N and their irreps, in NumPy from the formulas.

Nothing here uses `keras_gcnn`. A group is a pair (N or None, mirrors), an element `m^a r_t` a pair
(a, t), and an irrep a pair (frequency, odd). Fields are lists of irreps, one list per field.
"""

import itertools

import numpy as np

NUMBERS = (1, 2, 3, 4, 5, 6, 8, 12, 16)
GROUPS = [(None, False), (None, True), *itertools.product(NUMBERS, (False, True))]
FLIP = np.diag([1.0, -1.0])


def name_of(group):
    turns, mirrors = group
    return ("o2" if mirrors else "so2") if turns is None else f"{'d' if mirrors else 'c'}{turns}"


def turn(angle):
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def power(flips):
    return FLIP if flips else np.eye(2)


def is_single(group, frequency):
    return frequency == 0 or 2 * frequency == group[0]


def irreps(group, top):
    highest = top if group[0] is None else min(top, group[0] // 2)
    return [
        (k, odd)
        for k in range(highest + 1)
        for odd in ((False, True) if group[1] and is_single(group, k) else (False,))
    ]


def part(group, irrep):
    """Which channels of the pair (cos, sin) the irrep is, as columns."""
    if not is_single(group, irrep[0]):
        return np.eye(2)
    return np.eye(2)[:, [int(irrep[1])]]


def rho(group, irrep, element):
    columns = part(group, irrep)
    return columns.T @ power(element[0]) @ turn(irrep[0] * element[1]) @ columns


def product(first, second):
    """`m^a r_s m^b r_t = m^(a+b) r_((-1)^b s + t)`."""
    sign = -1 if second[0] else 1
    return first[0] != second[0], sign * first[1] + second[1]


def elements(group):
    turns, mirrors = group
    angles = 2 * np.pi * np.arange(turns) / turns
    return [(a, t) for a in ((False, True) if mirrors else (False,)) for t in angles]


def some(group, number, rng):
    """Random elements."""
    turns, mirrors = group
    if turns is None:
        return [(mirrors and bool(rng.integers(2)), rng.uniform(-4, 4)) for _ in range(number)]
    every = elements(group)
    return [every[i] for i in rng.integers(len(every), size=number)]


def on_pixels(group):
    """The elements that move pixels to pixels."""
    turns, mirrors = group
    number = 4 if turns is None else int(np.gcd(turns, 4))
    return elements((number, mirrors))


def regular(group, top=None):
    """The irreps of a function on the group, in the order of the channels."""
    found = []
    for k, odd in irreps(group, group[0] // 2 if top is None else top):
        twice = group[1] and not is_single(group, k)
        found += [(k, odd)] * (2 if twice else 1)
    return found


def matrix(group, field, element):
    """The block-diagonal matrix of an element on a list of irreps."""
    blocks = [rho(group, irrep, element) for irrep in field]
    size = sum(map(len, blocks))
    result, at = np.zeros((size, size)), 0
    for block in blocks:
        end = at + len(block)
        result[at:end, at:end] = block
        at = end
    return result


def move_plane(maps, element):
    """Moves square maps (batch, rows, columns, channels): turns, then reverses the rows."""
    quarters = round(element[1] / (np.pi / 2))
    turned = np.rot90(maps, quarters, (1, 2))
    return turned[:, ::-1] if element[0] else turned


def count(group, irrep_in, irrep_out, limit):
    """The number of angular solutions of circular frequencies up to a limit, in closed form."""
    (m, odd_in), (n, odd_out) = irrep_in, irrep_out

    def numbers(difference):
        return sum(
            (nu - difference) % group[0] == 0 if group[0] else nu == difference
            for nu in range(-limit, limit + 1)
        )

    scalars = is_single(group, m) + is_single(group, n)
    shifts = 1 if group[1] else 2
    if scalars == 0:
        return shifts * (numbers(n - m) + numbers(n + m))
    if scalars == 1:
        return shifts * numbers(n - m)
    if not group[1]:
        return numbers(n - m)
    same = int(m == n)
    return (numbers(n - m) + (same if odd_in == odd_out else -same)) // 2
