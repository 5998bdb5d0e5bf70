import numpy as np
import pytest
from napari.layers import Shapes

from napari_qpm.viewer.warm_napari import warm_napari


@pytest.mark.parametrize("kind", ["line", "polygon"])
def test_nothing_is_left_to_compile(kind):
    numba = pytest.importorskip("numba")
    warm_napari()
    from napari.layers.shapes import _accelerated_triangulate_numba as kernels

    compiled = [
        one
        for one in vars(kernels).values()
        if isinstance(one, numba.core.dispatcher.Dispatcher)
    ]
    before = sum(len(one.signatures) for one in compiled)
    corners = np.array([[0.0, 0.0], [0.0, 5.0], [5.0, 5.0]])
    Shapes([corners[: 2 if kind == "line" else 3]], shape_type=kind)

    assert sum(len(one.signatures) for one in compiled) == before
