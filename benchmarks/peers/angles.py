"""How exactly two layers of a group obey all of its elements, without interpolated pixels.

The images are sums of Gaussians, functions of the plane, so that they can be rotated and mirrored
exactly. What two convolutions without padding, with an activation between them, return at a point
depends on a patch around it only: `f(p + q)`, and on the image moved by g, at the moved point,
`f(p + g^-1 q)`. The result should be that of the upright image, multiplied by the representation
of g.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

IMAGE_SIZE, SIGMA, KERNEL = 29, 2.0, 5  # pixels; sigma is the width of the Gaussians
GAUSSIANS, IMAGES, POINTS, ELEMENTS = 12, 2, 10, 8
FREQUENCY, SAMPLES = 4, 16  # of O(2)
FIELDS = {"c8": 8, "d8": 4, "o2": 4}

Element = tuple[bool, float]


def turns_of(group: str) -> int | None:
    """The number of rotations in a group, None for all."""
    return None if group == "o2" else int(group[1:])


def elements_of(group: str, rng: np.random.Generator) -> list[Element]:
    """Random elements: whether mirrored (after the rotation), and the angle in radians."""
    turns = turns_of(group)
    angles = rng.uniform(0, 2 * math.pi, ELEMENTS)
    if turns is not None:  # odd multiples, since quarter turns are exact
        angles = 2 * math.pi * (2 * rng.integers(turns // 2, size=ELEMENTS) + 1) / turns
    mirrored = rng.integers(2, size=ELEMENTS).astype(bool) & (group[0] != "c")
    return [*zip(mirrored.tolist(), angles.tolist(), strict=True)]


def patches(elements: list[Element], rng: np.random.Generator) -> np.ndarray:
    """Patches of the upright images and of the moved ones.

    Returns:
        Array of shape `(1 + elements, points, rows, columns)`.
    """
    size, half = 2 * KERNEL - 1, (IMAGE_SIZE - 1) / 2
    offsets = np.arange(size) - (size - 1) / 2
    x, y = np.meshgrid(offsets, -offsets)
    of_images = []
    for _ in range(IMAGES):
        centres = rng.uniform(-0.8 * half, 0.8 * half, (2, GAUSSIANS))
        amplitudes = rng.normal(size=GAUSSIANS)
        radii = 0.7 * half * np.sqrt(rng.random(POINTS))
        angles = rng.uniform(0, 2 * math.pi, POINTS)
        points = (radii * np.array([np.cos(angles), np.sin(angles)]))[..., None, None]
        per_element = []
        for mirrored, angle in [(False, 0.0), *elements]:
            # g = F^a R(t), so that g^-1 = R(-t) F^a.
            right, up = x, -y if mirrored else y
            at_x = points[0] + np.cos(angle) * right + np.sin(angle) * up
            at_y = points[1] - np.sin(angle) * right + np.cos(angle) * up
            squares = (at_x[..., None] - centres[0]) ** 2 + (at_y[..., None] - centres[1]) ** 2
            per_element.append(np.exp(-squares / (2 * SIGMA**2)) @ amplitudes)
        of_images.append(np.stack(per_element))
    return np.concatenate(of_images, axis=1)


def errors(library: str, group: str, networks: int) -> list[float]:
    """The relative error of random networks, each averaged over elements."""
    make = {"keras_gcnn": _ours, "escnn": _escnn}[library]
    of_networks = []
    for seed in range(networks):
        rng = np.random.default_rng(seed)
        elements = elements_of(group, rng)
        inputs = patches(elements, rng)
        layers, representation = make(group, seed)
        flat = inputs.reshape(-1, *inputs.shape[2:]).astype("float32")
        upright, *moved = layers(flat).reshape(*inputs.shape[:2], -1)
        distances = [
            np.linalg.norm(each - upright @ representation(element).T)
            for element, each in zip(elements, moved, strict=True)
        ]
        of_networks.append(float(np.mean(distances) / np.linalg.norm(upright)))
    return of_networks


def _ours(group: str, seed: int) -> tuple[Callable, Callable]:
    import keras

    from keras_gcnn import layers

    keras.utils.set_random_seed(seed)
    highest = FREQUENCY if group == "o2" else None
    fields = layers.Fields.regular(FIELDS[group], highest, group)
    stack = keras.Sequential(
        [
            layers.SteerableConv2D(layers.Fields.trivial(1), fields, KERNEL),
            layers.FourierActivation(fields, samples=SAMPLES if group == "o2" else None),
            layers.SteerableConv2D(fields, fields, KERNEL),
        ]
    )

    def run(maps: np.ndarray) -> np.ndarray:
        return keras.ops.convert_to_numpy(stack(maps[..., None]))

    return run, lambda element: fields.representation(element[1], element[0])


def _escnn(group: str, seed: int) -> tuple[Callable, Callable]:
    import torch
    from escnn import nn

    from benchmarks.peers.escnn_networks import space_of

    torch.manual_seed(seed)
    space = space_of(group, 2 * FREQUENCY)
    if group == "o2":
        irreps = space.fibergroup.bl_irreps(FREQUENCY)
        activation = nn.FourierELU(space, FIELDS[group], irreps, N=SAMPLES)
    else:
        activation = nn.ELU(nn.FieldType(space, FIELDS[group] * [space.regular_repr]))
    image, fields = nn.FieldType(space, [space.trivial_repr]), activation.in_type
    stack = nn.SequentialModule(
        nn.R2Conv(image, fields, KERNEL), activation, nn.R2Conv(fields, fields, KERNEL)
    ).eval()

    @torch.no_grad()
    def run(maps: np.ndarray) -> np.ndarray:
        outputs = stack(nn.GeometricTensor(torch.from_numpy(maps[:, None]), image))
        return outputs.tensor.numpy()[..., 0, 0]

    def representation(element: Element) -> np.ndarray:
        mirrored, angle = element
        turns, make = turns_of(group), space.fibergroup.element
        turn = angle if turns is None else round(angle * turns / (2 * math.pi)) % turns
        if group[0] == "c":
            return fields.representation(make(turn))
        mirror = make((int(mirrored), turn * 0))  # a whole number of turns, or an angle
        return fields.representation(mirror @ make((0, turn)))

    return run, representation
