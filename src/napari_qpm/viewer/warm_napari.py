"""Compile napari's own fast code, in a child process: ``python -m …warm_napari``.

napari compiles what draws shapes and colours labels when it is first used, on the
thread that the user waits for; numba keeps it for good, whoever compiled it.
"""

import numpy as np
from napari.layers import Labels, Shapes

__all__ = ["warm_napari"]

TRIANGLE = ((0.0, 0.0), (0.0, 9.0), (9.0, 9.0))


def warm_napari() -> None:
    """Draw a line and a region, and colour a label."""
    corners = np.array(TRIANGLE)
    shapes = Shapes([corners[:2]], shape_type="line")
    shapes.add([corners], shape_type="polygon")
    labels = Labels(np.eye(3, dtype=np.int32))
    labels.contour = 1


if __name__ == "__main__":
    warm_napari()
