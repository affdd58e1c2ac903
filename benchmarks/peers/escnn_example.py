"""The network of escnn's example for rotated MNIST, trained for a while.

Its fields, kernels, pooling, optimizer and random rotations are those of escnn's
`examples/model.ipynb`: six convolutions on C8.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

BATCH = 64
LEARNING_RATE, WEIGHT_DECAY = 5e-5, 1e-5
# Fields, kernel and padding of each convolution, and whether pooling follows.
LAYERS = [
    (24, 7, 1, False),
    (48, 5, 2, True),
    (48, 5, 2, False),
    (96, 5, 2, True),
    (96, 5, 2, False),
    (64, 5, 1, False),
]


def train(data: str, limits: list[float]) -> list[dict[str, float]]:
    """Trains for the longest of the limits, and measures the error at each.

    Args:
        data: path of an archive of `images`, `labels`, `test_images` and `test_labels`.
        limits: seconds of training, ascending; testing does not count.

    Returns:
        For each limit the `seconds`, the `images` seen, and the `error` on the test images.
    """
    import numpy as np
    import torch

    torch.manual_seed(0)
    arrays = {name: torch.from_numpy(array) for name, array in np.load(data).items()}
    start = time.perf_counter()
    network = _network()
    optimizer = torch.optim.Adam(network.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    points, tested, seen = [], 0.0, 0
    for images, labels in _batches(arrays["images"], arrays["labels"]):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(_rotated(images)), labels).backward()
        optimizer.step()
        seen += len(images)
        seconds = time.perf_counter() - start - tested
        if seconds >= limits[len(points)]:
            error = _error(network, arrays["test_images"], arrays["test_labels"])
            points.append({"seconds": seconds, "images": seen, "error": error})
            tested = time.perf_counter() - start - seconds
            if len(points) == len(limits):
                return points
    raise AssertionError("there is always another batch")


def _batches(images, labels) -> Iterator[tuple]:
    """Batches in random order, epoch after epoch."""
    import torch

    while True:
        for chosen in torch.randperm(len(images)).split(BATCH):
            yield _padded(images[chosen]), labels[chosen]


def _padded(images):
    """Pads to 29x29, an odd size, so that rotations and strides keep the centre."""
    import torch

    return torch.nn.functional.pad(images.permute(0, 3, 1, 2), (0, 1, 0, 1))


def _rotated(images):
    """Rotates every image by a random angle."""
    import torch

    angles = 2 * torch.pi * torch.rand(len(images))
    cosine, sine, zero = angles.cos(), angles.sin(), torch.zeros(len(images))
    turns = torch.stack([cosine, -sine, zero, sine, cosine, zero], 1).reshape(-1, 2, 3)
    grid = torch.nn.functional.affine_grid(turns, list(images.shape), align_corners=False)
    return torch.nn.functional.grid_sample(images, grid, align_corners=False)


def _error(network, images, labels) -> float:
    """Share of test images that are classified wrongly."""
    import torch

    network.eval()
    with torch.inference_mode():
        wrong = sum(
            int((network(_padded(some)).argmax(1) != classes).sum())
            for some, classes in zip(images.split(BATCH), labels.split(BATCH), strict=True)
        )
    network.train()
    return wrong / len(images)


def _network():
    import torch
    from escnn import gspaces, nn

    space = gspaces.rot2dOnR2(8)
    image = before = nn.FieldType(space, [space.trivial_repr])
    modules = [nn.MaskModule(image, 29, margin=1)]
    for fields, kernel, padding, pooled in LAYERS:
        after = nn.FieldType(space, fields * [space.regular_repr])
        modules += [
            nn.R2Conv(before, after, kernel_size=kernel, padding=padding, bias=False),
            nn.InnerBatchNorm(after),
            nn.ReLU(after, inplace=True),
        ]
        if pooled:
            modules.append(nn.PointwiseAvgPoolAntialiased(after, sigma=0.66, stride=2))
        before = after
    modules += [
        nn.PointwiseAvgPoolAntialiased(before, sigma=0.66, stride=1, padding=0),
        nn.GroupPooling(before),
    ]
    body = nn.SequentialModule(*modules)
    head = torch.nn.Sequential(
        torch.nn.Flatten(),
        torch.nn.LazyLinear(64),
        torch.nn.BatchNorm1d(64),
        torch.nn.ELU(inplace=True),
        torch.nn.Linear(64, 10),
    )

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.head = body, head

        def forward(self, images):
            return self.head(self.body(nn.GeometricTensor(images, image)).tensor)

    network = Network()
    network(torch.zeros(2, 1, 29, 29))  # makes the first weights of the head
    return network
