"""Whether escnn's own kernels are among those of this library.

Between every two irreps of a group, escnn samples a basis of kernels on the grid. With
`band_limit="escnn"` this library takes the same radial rings, so that both bases should have as
many elements and span the same space.
"""

from __future__ import annotations

import numpy as np

KERNEL, FREQUENCY = 5, 4  # rows and columns; the highest frequency of the irreps
GROUPS = ("c8", "d8", "o2")

Bases = dict[str, list]


def theirs(group: str) -> Bases:
    """The bases of escnn, by the names of the irreps that they connect, in and out."""
    from escnn import nn

    from benchmarks.peers.escnn_networks import space_of

    space = space_of(group, 2 * FREQUENCY)
    irreps = {
        _name(group, space, irrep): irrep
        for irrep in space.fibergroup.irreps()
        if irrep.attributes["frequency"] <= FREQUENCY
    }
    bases = {}
    for name_in, irrep_in in irreps.items():
        for name_out, irrep_out in irreps.items():
            types = (nn.FieldType(space, [irrep]) for irrep in (irrep_in, irrep_out))
            try:
                expansion = nn.R2Conv(*types, KERNEL).basisexpansion
            except ValueError:  # escnn refuses a convolution without a single kernel
                continue
            (basis,) = expansion.buffers()
            bases[f"{name_in} to {name_out}"] = basis.tolist()
    return bases


def _name(group: str, space, irrep) -> str:
    """The name of an irrep in this library; the odd ones are channels that a mirror negates."""
    frequency = str(irrep.attributes["frequency"])
    if group[0] == "c" or irrep.size > 1:
        return frequency
    return frequency + ("-" if irrep(space.fibergroup.reflection)[0, 0] < 0 else "")


def compared(group: str, bases: Bases) -> tuple[int, int, float]:
    """Compares the bases of escnn with those of this library.

    Returns:
        The numbers of kernels of escnn and of this library, and the largest distance of a kernel
        of escnn from the span of this library's, relative to the kernel.
    """
    from keras_gcnn.groups.point_group import point_group
    from keras_gcnn.groups.steerable_basis import kernel_basis

    of_group = point_group(group)
    irreps = {str(irrep.name): irrep for irrep in of_group.irreps(FREQUENCY)}
    their_count = our_count = 0
    largest = 0.0
    for name_in, irrep_in in irreps.items():
        for name_out, irrep_out in irreps.items():
            ours = kernel_basis(of_group, irrep_in, irrep_out, KERNEL, band_limit="escnn")
            kernels = np.array(bases.get(f"{name_in} to {name_out}", []))
            their_count, our_count = their_count + len(kernels), our_count + len(ours)
            if len(kernels):
                flat = kernels.reshape(len(kernels), -1).T
                span = ours.reshape(len(ours), -1).T
                distances = flat - span @ np.linalg.lstsq(span, flat, rcond=None)[0]
                shares = np.linalg.norm(distances, axis=0) / np.linalg.norm(flat, axis=0)
                largest = max(largest, float(shares.max()))
    return their_count, our_count, largest
