"""Whether anything but the usual autograd follows the operations of PyTorch.

The operations of this library that save time and memory write into tensors and compute gradients by
hand. A tracer would keep the sizes that it saw, a compiler fuses better by itself, and transforms
need every step, so under these the layers use PyTorch's own operations, with the same results.
"""

from __future__ import annotations

import torch
from torch.autograd import forward_ad

# PyTorch has no public functions for these. If a version lacks the private ones, the answer is no.
_transforms_active = getattr(torch._C, "_are_functorch_transforms_active", lambda: False)
_is_batched = getattr(torch._C._functorch, "is_legacy_batchedtensor", lambda tensor: False)


def is_traced() -> bool:
    """Whether a compiler, an exporter or `torch.jit.trace` records the operations."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing()


def is_transformed() -> bool:
    """Whether a transform of `torch.func` or forward-mode differentiation is active."""
    return _transforms_active() or getattr(forward_ad, "_current_level", -1) >= 0


def is_batched(gradient: torch.Tensor) -> bool:
    """Whether a gradient holds several, as in `torch.autograd.grad(is_grads_batched=True)`."""
    return _is_batched(gradient)
