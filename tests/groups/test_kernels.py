"""The layout of the expanded kernel."""

import numpy as np
import pytest

from keras_gcnn import groups
from tests.helpers import reference
from tests.helpers.reference import ELEMENTS

pytestmark = pytest.mark.backend_free
SIZES = {name: [(1, 1), (2, 2), (3, 3), (5, 5)] for name in ELEMENTS}
for _name in ("z2", "p2", "pm", "pmm"):  # without quarter turns a kernel may be oblong
    SIZES[_name] = [*SIZES[_name], (2, 3), (3, 1)]
CASES = [(name, size) for name in ELEMENTS for size in SIZES[name]]


@pytest.mark.parametrize("lifting", [True, False])
@pytest.mark.parametrize(("name", "size"), CASES)
def test_expansion_is_the_formula(name, size, lifting, rng):
    """`T[u, v, h, g] = (L_g W[g^-1 h])(u, v)`, and without h when lifting."""
    order = reference.order(name)
    orders = 1 if lifting else order
    index = groups.expansion_index(groups.get(name), size, lifting)
    assert index.shape == (*size, orders, order)
    assert index.dtype == "int32"
    assert index.min() == 0
    assert index.max() == orders * size[0] * size[1] - 1
    base = rng.normal(size=(orders, *size))
    expanded = base.reshape(-1)[index]
    for g, element in enumerate(ELEMENTS[name]):
        for h in range(orders):
            source = 0 if lifting else reference.left_division(name)[g, h]
            np.testing.assert_array_equal(
                expanded[:, :, h, g], reference.move(base[source], element)
            )


@pytest.mark.parametrize("name", ["p4", "p4m"])
@pytest.mark.parametrize("lifting", [True, False])
def test_oblong_kernel_is_refused_where_rows_become_columns(name, lifting):
    with pytest.raises(ValueError, match=rf"\(3, 5\) is not square.*{name} .*kernel_size=5"):
        groups.expansion_index(groups.get(name), (3, 5), lifting)


def test_the_cached_index_cannot_be_overwritten():
    index = groups.expansion_index(groups.get("p4"), (3, 3), True)
    with pytest.raises(ValueError, match="read-only"):
        index[0] = 1
