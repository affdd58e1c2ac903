"""The radial part of steerable kernels: which functions of the radius a pixel grid can carry.

On the grid a kernel of circular frequency j responds to other frequencies as well, those that
differ from j by multiples of four. How much decides which radial profiles are of use.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from numbers import Real

import numpy as np

# Kernels are judged by their response to plane waves: of wave numbers, in radians per pixel, from
# one in 31 pixels to one in 2, every octave alike, but as seen through a blur of one pixel.
_NUMBERS = (0.2, np.pi)
_BLUR = 1.0
_LENGTHS = 32  # at which the response is sampled
_TURNS = 64  # directions, at least
_NO_RESPONSE = 1e-12  # of the largest response: nothing that float64 can tell from zero

_RING_WIDTH, _OUTER_WIDTH, _CENTRE_WIDTH = 0.6, 0.4, 0.005  # those of escnn

Profiles = Callable[[np.ndarray], np.ndarray]


def check_band_limit(value: float | str) -> float | str:
    """Returns a band limit that `radial_profiles` knows, or raises a `ValueError`."""
    if value == "escnn":
        return value
    number = isinstance(value, Real) and not isinstance(value, bool)
    if not number or not 0 < value <= 1:
        raise ValueError(
            f"band_limit={value!r} has to be a number above 0 and up to 1, the share of a kernel's "
            'response that may be wrong, e.g. 0.1, or "escnn".'
        )
    return float(value)


def polar_grid(kernel_size: int, dilation: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Radius and polar angle of every position of a square kernel.

    Angles are counter-clockwise on the screen, from the right; radii are in pixels.
    """
    offsets = (np.arange(kernel_size) - (kernel_size - 1) / 2) * dilation
    x, y = np.meshgrid(offsets, -offsets)
    return np.hypot(x, y), np.arctan2(y, x)


def radial_profiles(
    frequency: int, kernel_size: int, dilation: int = 1, band_limit: float | str = 0.1
) -> Profiles:
    """The radial profiles of kernels of a circular frequency.

    Args:
        frequency: int, circular frequency of the angular part, from 0.
        kernel_size: int, rows and columns.
        dilation: int, pixels between the positions of the kernel.
        band_limit: float, how large a share of its response, as amplitude, a profile may have at
            other frequencies; or `"escnn"` for Gaussian rings with the limits of that library.

    Returns:
        Function from radii in pixels to an array of shape `(profiles, *radii.shape)`. There may be
        no profile.
    """
    if band_limit == "escnn":
        return _rings(frequency, kernel_size, dilation)
    radii, values = _steerable(frequency, kernel_size, dilation, float(band_limit))

    def profiles(at: np.ndarray) -> np.ndarray:
        # Only frequency 0 has a value at the centre, where there is no angle.
        found = [np.interp(at, radii, one) * ((at > 0) | (frequency == 0)) for one in values]
        return np.stack(found) if found else np.zeros((0, *np.shape(at)))

    return profiles


def _rings(frequency: int, kernel_size: int, dilation: int) -> Profiles:
    """Gaussian rings, each up to a highest frequency."""
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
    """Profiles whose kernels turn as the angular part says, as far as the grid allows.

    Every profile is a combination of the grid's shells, the sets of positions of the same radius.
    The response of a kernel to waves of all lengths and directions is split by angular frequency
    into the part that is wanted and the rest. Of the generalised eigenvalue problem of the two
    quadratic forms, the eigenvectors of small eigenvalues span the kernels that leak little: every
    combination of them leaks no more than the worst. In that space, the basis of sharpest radius is
    taken, the eigenvectors of `r^2`, since it is the same on every machine.

    Returns:
        Radii of the shells and the profiles there, of shape `(profiles, shells)`.
    """
    if 2 * frequency >= _turns(kernel_size, dilation):  # far above what the pixels can show
        return np.zeros(0), np.zeros((0, 0))
    radii, angles = polar_grid(kernel_size, dilation)
    shell_radii, shell = np.unique(np.round(radii, 6), return_inverse=True)
    if frequency > 0 and shell_radii[0] == 0:  # no angle at the centre
        shell_radii, shell = shell_radii[1:], shell - 1
    members = shell.reshape(-1) == np.arange(len(shell_radii))[:, None]
    kernels = members * np.exp(1j * frequency * angles.reshape(-1))
    kernels /= np.sqrt(members.sum(axis=1, keepdims=True))
    if not len(kernels):
        return shell_radii, np.zeros((0, 0))

    wanted, rest = _responses(kernels, frequency, kernel_size, dilation)
    # Whitened by the whole response, eigenvalues are shares of it.
    powers, directions = np.linalg.eigh(wanted + rest)
    seen = powers > _NO_RESPONSE * powers[-1]
    white = directions[:, seen] / np.sqrt(powers[seen])
    shares, found = np.linalg.eigh(white.T @ rest @ white)
    space, _ = np.linalg.qr((white @ found)[:, shares <= tolerance**2])
    _, turned = np.linalg.eigh(space.T @ (shell_radii[:, None] ** 2 * space))
    values = (space @ turned).T / np.sqrt(members.sum(axis=1))
    largest = np.take_along_axis(values, np.abs(values).argmax(axis=1)[:, None], axis=1)
    values *= np.sign(largest)
    return shell_radii, values


def _responses(
    kernels: np.ndarray, frequency: int, kernel_size: int, dilation: int
) -> tuple[np.ndarray, np.ndarray]:
    """Power of the kernels' response at their own angular frequency and at all others.

    Long waves show little of a high frequency, about `number^j`, so there other frequencies would
    soon outshine it; the weights make up for half of that, in powers.
    """
    numbers, weights, waves = _waves(kernel_size, dilation)
    weights = weights / numbers**frequency
    turns = _turns(kernel_size, dilation)
    response = (kernels @ waves).reshape(len(kernels), len(numbers), turns)
    parts = np.fft.fft(response, axis=-1) / turns  # angular frequencies of the direction
    power = np.einsum("srn,r,trn->nst", parts, weights / weights.sum(), parts.conj()).real
    return power[frequency], power.sum(axis=0) - power[frequency]


def _turns(kernel_size: int, dilation: int) -> int:
    """Directions at which a response is sampled: twice what the shortest wave shows, and some."""
    radius = np.hypot(kernel_size - 1, kernel_size - 1) / 2 * dilation
    return max(_TURNS, 4 * int(np.ceil((2 * _NUMBERS[1] * radius + 16) / 4)))


@lru_cache(maxsize=32)
def _waves(kernel_size: int, dilation: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Plane waves at the kernel's positions: wave numbers, their weights, and the waves."""
    nodes, weights = np.polynomial.legendre.leggauss(_LENGTHS)
    low, high = np.log(_NUMBERS)
    numbers = np.exp(low + (nodes + 1) / 2 * (high - low))
    weights = weights * np.exp(-((_BLUR * numbers) ** 2))
    radii, angles = polar_grid(kernel_size, dilation)
    count = _turns(kernel_size, dilation)
    turns = np.arange(count) * 2 * np.pi / count
    steps = radii.reshape(-1, 1, 1) * np.cos(turns - angles.reshape(-1, 1, 1))
    waves = np.exp(-1j * numbers[:, None] * steps)
    return numbers, weights, waves.reshape(kernel_size**2, -1)
