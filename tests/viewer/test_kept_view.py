"""What the user looks at stays in view when a scale is filled in."""

import numpy as np
import pytest

from napari_qpm.viewer.kept_view import kept_view


@pytest.mark.parametrize("shape", [(40, 50), (5, 40, 50), (4, 5, 40, 50)])
def test_place_size_and_frame_stay(viewer, shape):
    layer = viewer.add_image(np.zeros(shape))
    viewer.scene.camera.center = (0.0, 12.0, 30.0)
    viewer.scene.camera.zoom = 8.0
    if len(shape) > 2:
        viewer.dims.set_point(viewer.dims.ndim - 3, 3.0)

    with kept_view(viewer, layer):
        layer.scale = np.array([1.0] * (len(shape) - 3) + [60.0, 0.1, 0.1])[
            -len(shape) :
        ]

    assert viewer.scene.camera.center[-2:] == pytest.approx((1.2, 3.0))
    assert viewer.scene.camera.zoom == pytest.approx(80.0)
    if len(shape) > 2:
        assert viewer.dims.point[-3] == pytest.approx(180.0)


def test_other_layers_with_more_axes_do_not_matter(viewer):
    viewer.add_image(np.zeros((2, 3, 5, 40, 50)))
    layer = viewer.add_image(np.zeros((5, 40, 50)))
    viewer.dims.set_point(2, 2.0)

    with kept_view(viewer, layer):
        layer.scale = (2.0, 1.0, 1.0)

    assert viewer.dims.point[2] == pytest.approx(4.0)
