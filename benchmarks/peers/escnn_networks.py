"""The networks of `benchmarks.common.networks` in escnn, for the interpreter that has it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from benchmarks.common import harness

SHAPE = (1, 28, 28)


def step(name: str, settings: dict, batch_size: int, precision: str) -> Callable[[], object]:
    """A training step: cross-entropy and Adam."""
    import torch

    torch.manual_seed(0)
    body, head = (part.to(_device()) for part in _network(name, settings))
    images, labels = _batch(batch_size)
    parameters = [*body.parameters(), *head.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=1e-3)

    def train() -> float:
        optimizer.zero_grad()
        with _in_precision(precision):
            loss = torch.nn.functional.cross_entropy(head(_through(body, images)), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return train


def inference(name: str, settings: dict, batch_size: int, precision: str) -> Callable[[], object]:
    """A call of the network, whose modules are exported where escnn can export them."""
    import torch

    torch.manual_seed(0)
    body, head = (part.eval() for part in _network(name, settings))
    images, _ = _batch(batch_size)
    parts = [_exported(module) for module in body]
    head.to(_device())

    @torch.inference_mode()
    def call():
        x = images
        with _in_precision(precision):
            for part in parts:
                x = part(x)
            return head(x).cpu()  # waits for a GPU

    return call


def _device() -> str:
    """The GPU, if the environment shows one."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _batch(size: int):
    import torch

    return (torch.from_numpy(array).to(_device()) for array in harness.batch(size, SHAPE))


def _in_precision(name: str):
    """PyTorch's autocast, which leaves operations that need float32 in float32."""
    import torch

    return torch.autocast(_device(), torch.bfloat16, enabled=name == "bfloat16")


def _exported(module) -> Callable:
    """A function from tensor to tensor: the exported module, where escnn can export it."""
    from escnn import nn

    try:
        return module.export().to(_device())
    except NotImplementedError:
        module.to(_device())
        return lambda x: module(nn.GeometricTensor(x, module.in_type)).tensor


def _through(body, images):
    from escnn import nn

    return body(nn.GeometricTensor(images, body.in_type)).tensor


def _network(name: str, settings: dict):
    """Convolutions of equivariant modules, and a head from tensors to logits."""
    if name == "so2":
        return _so2(**settings)
    return _regular(name, **settings)


def _body(space, kernel: int, activations: list, normalization):
    """Convolution, normalisation and activation, as many times as there are activations."""
    from escnn import nn

    modules, before = [], nn.FieldType(space, [space.trivial_repr])
    for activation in activations:
        after = activation.in_type
        modules += [
            nn.R2Conv(before, after, kernel_size=kernel, padding=kernel // 2, bias=False),
            normalization(after),
            activation,
        ]
        before = after
    return nn.SequentialModule(*modules)


def space_of(group: str, frequency: int | None = None):
    """Escnn's rotations, and mirrors for D_N and O(2), of the plane."""
    from escnn import gspaces

    # Mirrors reverse the rows, as in keras_gcnn: the axis of the mirror is horizontal.
    if group in ("so2", "o2"):
        make = gspaces.rot2dOnR2 if group == "so2" else partial(gspaces.flipRot2dOnR2, axis=0.0)
        return make(-1, maximum_frequency=frequency)
    number = int(group[1:])
    if group[0] == "d":
        return gspaces.flipRot2dOnR2(number, axis=0.0)
    return gspaces.rot2dOnR2(number)


def _regular(
    group: str,
    kernel: int,
    classes: int,
    channels: list[int] | None = None,
    fields: list[int] | None = None,
):
    import torch
    from escnn import nn

    space = space_of(group)
    order = space.regular_repr.size
    fields = fields or [number // order for number in channels or ()]
    types = [nn.FieldType(space, number * [space.regular_repr]) for number in fields]
    body = _body(
        space, kernel, [nn.ELU(field_type, inplace=True) for field_type in types], nn.InnerBatchNorm
    )
    classify = torch.nn.Linear(fields[-1], classes)

    class Head(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.classify = classify

        def forward(self, x):
            return self.classify(x.mean((2, 3)).unflatten(1, (-1, order)).mean(2))

    return body, Head()


def _so2(fields: list[int], kernel: int, frequency: int, samples: int, classes: int):
    import torch
    from escnn import nn

    space = space_of("so2", frequency)
    irreps = space.fibergroup.bl_irreps(frequency)
    activations = [
        nn.FourierELU(space, number, irreps, N=samples, inplace=True) for number in fields
    ]
    body = _body(space, kernel, activations, nn.IIDBatchNorm2d)
    scalars = nn.FieldType(space, classes * [space.trivial_repr])
    invariants = nn.R2Conv(body.out_type, scalars, kernel_size=1)

    class Head(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.invariants = invariants

        def forward(self, x):
            x = nn.GeometricTensor(x.mean((2, 3), keepdim=True), body.out_type)
            return self.invariants(x).tensor.flatten(1)

    return body, Head()
