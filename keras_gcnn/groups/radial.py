"""The radial part of steerable kernels: which functions of the radius a pixel grid can carry.

On the grid a kernel of circular frequency j also responds to other frequencies, which differ from
j by multiples of four. The size of that response decides which radial profiles are useful.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from numbers import Real

import numpy as np

# Kernels are judged by their response to plane waves, seen through a blur of one pixel. The wave
# lengths range from 31 to 2 pixels, with equal weight on every octave.
_WAVE_NUMBERS = (0.2, np.pi)  # smallest and largest, in radians per pixel
_BLUR = 1.0
_WAVE_NUMBER_COUNT = 32  # wave numbers at which the response is sampled
_LEAST_DIRECTIONS = 64  # directions at which the response is sampled, at least
_NO_RESPONSE = 1e-6  # share of the largest response, as amplitude, that counts as zero

_RING_WIDTH, _OUTER_WIDTH, _CENTRE_WIDTH = 0.6, 0.4, 0.005  # as in escnn

Profiles = Callable[[np.ndarray], np.ndarray]


def check_band_limit(value: float | str) -> float | str:
    """Returns a band limit of `radial_profiles`; raises a `ValueError` for everything else."""
    if isinstance(value, str) and value == "escnn":
        return value
    number = isinstance(value, Real) and not isinstance(value, bool)
    if not number or isinstance(value, str) or not 0 < value <= 1:
        raise ValueError(
            f"band_limit={value!r} has to be a number above 0 and up to 1, the share of a kernel's "
            'response that may be wrong, e.g. 0.1, or "escnn"; for the groups of quarter turns, '
            'half turns and mirrors also "grid".'
        )
    return float(value)


def polar_grid(kernel_size: int, dilation: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Returns radius and polar angle of every position of a square kernel.

    Angles are counter-clockwise on the screen, from the right; radii are in pixels.
    """
    offsets = (np.arange(kernel_size) - (kernel_size - 1) / 2) * dilation
    x, y = np.meshgrid(offsets, -offsets)
    return np.hypot(x, y), np.arctan2(y, x)


def radial_profiles(
    frequency: int, kernel_size: int, dilation: int = 1, band_limit: float | str = 0.1
) -> Profiles:
    """Returns the radial profiles of the kernels of a circular frequency.

    Args:
        frequency: int, circular frequency of the angular part, from 0.
        kernel_size: int, rows and columns.
        dilation: int, pixels between the positions of the kernel.
        band_limit: float, the largest share of a profile's response, as amplitude, that may lie at
            other frequencies; or `"escnn"` for Gaussian rings with the limits of that library.

    Returns:
        Function from radii in pixels to an array of shape `(profiles, *radii.shape)`, where the
        number of profiles may be 0.
    """
    if band_limit == "escnn":
        return _rings(frequency, kernel_size, dilation)
    radii, values = _steerable(frequency, kernel_size, dilation, float(band_limit))

    def profiles(at: np.ndarray) -> np.ndarray:
        # Only frequency 0 has a value at the centre, where there is no angle.
        defined = (at > 0) | (frequency == 0)
        rows = [np.interp(at, radii, profile) * defined for profile in values]
        return np.stack(rows) if rows else np.zeros((0, *np.shape(at)))

    return profiles


@lru_cache(maxsize=256)
def highest_frequency(kernel_size: int, dilation: int, band_limit: float | str) -> int:
    """Returns the highest circular frequency for which there is a radial profile."""
    radii, _ = polar_grid(kernel_size, dilation)
    highest, frequency = 0, 1
    # Aliases differ by multiples of four, so that a gap may be as wide.
    while frequency <= highest + 4:
        if len(radial_profiles(frequency, kernel_size, dilation, band_limit)(radii)):
            highest = frequency
        frequency += 1
    return highest


def _rings(frequency: int, kernel_size: int, dilation: int) -> Profiles:
    """Returns Gaussian rings, each of which has a highest frequency."""
    rings = np.linspace(0, (kernel_size - 1) // 2, -(-kernel_size // 2))
    outer = kernel_size // 2
    kept, widths = [], []
    for ring in rings:
        limit = 0.0
        if ring > 0:
            limit = min(2 * ring, 2 if ring == outer else 2 * ring - (ring + 1) % 2)
        if frequency <= limit:
            width = _OUTER_WIDTH if ring == rings[-1] else _RING_WIDTH
            kept.append(ring * dilation)
            widths.append(width if ring > 0 else _CENTRE_WIDTH)

    def profiles(at: np.ndarray) -> np.ndarray:
        shape = (-1, *[1] * np.ndim(at))
        means, spreads = np.reshape(kept, shape), np.reshape(widths, shape)
        return np.exp(-((at - means) ** 2) / (2 * spreads**2)) * ((at > 0) | (frequency == 0))

    return profiles


@lru_cache(maxsize=256)
def _steerable(
    frequency: int, kernel_size: int, dilation: int, tolerance: float
) -> tuple[np.ndarray, np.ndarray]:
    """Returns profiles whose kernels rotate like their angular part, as far as the grid allows.

    Every profile is a combination of the grid's shells, the sets of positions of equal radius. The
    response of a kernel to waves of all lengths and directions is split by angular frequency into
    the wanted part and the rest. In the generalised singular value problem of these two, the
    vectors of small singular values span the kernels that leak little: no combination of them leaks
    more than the worst of them. The basis of that space consists of the eigenvectors of `r^2`,
    which have the sharpest radii and are the same on every machine.

    Returns:
        Radii of the shells and the profiles there, of shape `(profiles, shells)`.
    """
    if 2 * frequency >= _direction_count(kernel_size, dilation):  # far above what pixels can show
        return np.zeros(0), np.zeros((0, 0))
    radii, _ = polar_grid(kernel_size, dilation)
    shell_radii, shell = np.unique(np.round(radii, 6).reshape(-1), return_inverse=True)
    if frequency > 0 and shell_radii[0] == 0:  # no angle at the centre
        shell_radii, shell = shell_radii[1:], shell - 1
    if not len(shell_radii):
        return shell_radii, np.zeros((0, 0))

    sizes = np.bincount(shell[shell >= 0])
    wanted, rest = _responses(shell, sizes, frequency, kernel_size, dilation)
    # After whitening by the whole response the squares of singular values are shares of it. Squares
    # of the responses themselves would lose half of the digits.
    directions, lengths, _ = np.linalg.svd(_compressed(np.hstack([wanted, rest])))
    visible = lengths > _NO_RESPONSE * lengths[0]
    white = directions[:, visible] / lengths[visible]
    vectors, shares, _ = np.linalg.svd(white.T @ _compressed(rest))
    space, _ = np.linalg.qr((white @ vectors)[:, shares <= tolerance])
    _, by_radius = np.linalg.eigh(space.T @ (shell_radii[:, None] ** 2 * space))
    values = (space @ by_radius).T / np.sqrt(sizes)
    largest = np.take_along_axis(values, np.abs(values).argmax(axis=1)[:, None], axis=1)
    values *= np.sign(largest)
    return shell_radii, values


def _responses(
    shell: np.ndarray, sizes: np.ndarray, frequency: int, kernel_size: int, dilation: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the responses of the shells at their angular frequency and at all others.

    The kernel of a shell is the wave `exp(i frequency angle)` on its positions, of length one. A
    quarter turn of the direction multiplies its response by `i^frequency`, so that a quarter of the
    directions shows all of them.

    The response to a long wave of a high frequency is small, about `wave_number^j`, so that other
    frequencies would soon exceed it. The weights compensate for half of that exponent, in powers.

    Args:
        shell: the shell of every position, counted from 0, or -1 for none.
        sizes: the number of positions of every shell.
        frequency: int, the angular frequency.
        kernel_size: int, rows and columns.
        dilation: int, pixels between positions.

    Returns:
        Two arrays of shape `(shells, samples)`, whose squares are powers.
    """
    wave_numbers, weights, directions, waves = _waves(kernel_size, dilation)
    weights = weights / wave_numbers**frequency
    _, angles = polar_grid(kernel_size, dilation)
    kernels = np.exp(1j * frequency * angles.reshape(-1))
    response = np.empty((len(sizes), len(wave_numbers), len(directions)), complex)
    for number, size in enumerate(sizes):
        members = np.flatnonzero(shell == number)
        response[number] = np.tensordot(kernels[members] / np.sqrt(size), waves[members], 1)
    response *= np.sqrt(weights / weights.sum())[:, None]

    turning = np.exp(1j * frequency * directions)
    wanted = (response @ turning.conj() / len(directions))[..., None]
    rest = (response - wanted * turning) / np.sqrt(len(directions))
    wanted, rest = (parts.reshape(len(sizes), -1) for parts in (wanted, rest))
    return np.hstack([wanted.real, wanted.imag]), np.hstack([rest.real, rest.imag])


def _compressed(rows: np.ndarray) -> np.ndarray:
    """Returns a square matrix with the same products of rows."""
    _, triangle = np.linalg.qr(rows.T)
    return triangle.T


def _direction_count(kernel_size: int, dilation: int) -> int:
    """Returns the number of sampled directions: over twice the frequencies of the shortest wave."""
    radius = np.hypot(kernel_size - 1, kernel_size - 1) / 2 * dilation
    return max(_LEAST_DIRECTIONS, 4 * int(np.ceil((2 * _WAVE_NUMBERS[1] * radius + 16) / 4)))


@lru_cache(maxsize=4)
def _waves(
    kernel_size: int, dilation: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Returns wave numbers, their weights, a quarter of the directions, and the plane waves.

    The waves are those at the positions of a kernel, of shape `(positions, wave numbers,
    directions)`.
    """
    nodes, weights = np.polynomial.legendre.leggauss(_WAVE_NUMBER_COUNT)
    low, high = np.log(_WAVE_NUMBERS)
    wave_numbers = np.exp(low + (nodes + 1) / 2 * (high - low))
    weights = weights * np.exp(-((_BLUR * wave_numbers) ** 2))
    radii, angles = polar_grid(kernel_size, dilation)
    count = _direction_count(kernel_size, dilation)
    directions = np.arange(count // 4) * 2 * np.pi / count
    steps = radii.reshape(-1, 1, 1) * np.cos(directions - angles.reshape(-1, 1, 1))
    return wave_numbers, weights, directions, np.exp(-1j * wave_numbers[:, None] * steps)
