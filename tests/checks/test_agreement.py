import numpy as np
import pytest

import napari_qpm as qpm
from napari_qpm.acquisition import PhaseMap
from napari_qpm.checks import compare_phases
from napari_qpm.errors import LayoutError


def cells(shape=(96, 128), height=2.0):
    y, x = np.mgrid[: shape[0], : shape[1]]
    distance = np.hypot(y - shape[0] / 2, x - shape[1] / 2)
    return (height * np.clip(1 - distance / (shape[0] / 4), 0, None)).astype(np.float32)


def phase_map(image, scale=(1.0, 1.0), raw=(96, 128)):
    acquisition = qpm.Acquisition.from_array(np.zeros(raw, np.uint8), "off-axis")
    return PhaseMap(phase=image[None], acquisition=acquisition, grid_scale=scale)


def test_equal_but_for_a_level_agrees_fully_and_tells_the_level():
    found = compare_phases(phase_map(cells() + 0.4), phase_map(cells()))
    assert found.piston_rad == pytest.approx(0.4, abs=1e-6)
    assert found.rms_rad == pytest.approx(0, abs=1e-6)
    assert found.inside_rms_rad == pytest.approx(0, abs=1e-6)
    assert found.correlation == pytest.approx(1)
    assert "+0.40 rad was taken out" in found.describe()


def test_figures_are_those_of_a_known_error():
    truth = cells()
    found = compare_phases(phase_map(1.1 * truth), phase_map(truth))
    inside = truth > 0.3
    expected = np.sqrt(np.mean((0.1 * truth[inside]) ** 2))
    assert found.inside_rms_rad == pytest.approx(expected, rel=1e-3)
    assert found.rms_rad < found.inside_rms_rad
    assert found.correlation == pytest.approx(1)
    assert found.difference.max() == pytest.approx(0.2, abs=0.01)


def test_grids_may_differ():
    truth = cells()
    coarse = phase_map(truth[::2, ::2].copy(), (2.0, 2.0))
    found = compare_phases(coarse, phase_map(truth))
    assert found.difference.shape == (48, 64)
    assert found.rms_rad == pytest.approx(0, abs=1e-6)
    back = compare_phases(phase_map(truth), coarse)
    # Linear interpolation of a cone: exact but at its tip and its rim.
    assert back.rms_rad < 0.02


def test_no_cells_have_no_figures_inside():
    found = compare_phases(phase_map(cells()), phase_map(0 * cells()))
    assert np.isnan(found.inside_rms_rad)
    assert np.isnan(found.correlation)
    assert "inside" not in found.describe()
    assert found.to_dict()["inside_rms_rad"] is None


def test_lost_pixels_do_not_count():
    image = cells()
    image[40:44, 60:64] = np.nan
    found = compare_phases(phase_map(image), phase_map(cells()))
    assert found.rms_rad == pytest.approx(0, abs=1e-6)


def test_other_fields_are_refused():
    with pytest.raises(LayoutError, match="same field"):
        compare_phases(phase_map(cells()), phase_map(cells((60, 60)), raw=(60, 60)))
