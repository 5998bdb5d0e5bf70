"""Phase from elsewhere passes through; its unit is converted or said to be unknown."""

import numpy as np
import pytest

from napari_qpm.acquisition import Acquisition, PhaseUnit
from napari_qpm.errors import LayoutError
from napari_qpm.jobs import CancelToken
from napari_qpm.retrieval import make_phase_engine, retrieve


@pytest.fixture
def image(rng):
    return rng.normal(size=(3, 40, 50)).astype(np.float32)


@pytest.mark.parametrize(
    ("unit", "factor"),
    [
        ("rad", 1),
        ("waves", 2 * np.pi),
        ("nm", 2 * np.pi / 500),
        ("um", 2 * np.pi * 1000 / 500),
    ],
)
def test_known_units_become_radians(image, unit, factor):
    acquisition = Acquisition.from_array(
        image, "phase", phase_unit=unit, wavelength_nm=500
    )
    result = retrieve(acquisition)
    assert result.unit is PhaseUnit.RADIANS
    np.testing.assert_allclose(result.phase.compute(), image * factor, rtol=1e-5)


@pytest.mark.parametrize("unit", ["nm", "pg/um2"])
def test_units_that_cannot_be_converted_are_kept(image, unit):
    result = retrieve(Acquisition.from_array(image, "phase", phase_unit=unit))
    assert result.unit is PhaseUnit(unit)
    np.testing.assert_array_equal(result.phase.compute(), image)


def test_unknown_unit_is_said(image):
    result = retrieve(Acquisition.from_array(image, "phase"))
    assert result.unit is PhaseUnit.UNKNOWN
    assert any("not stated" in note for note in result.acquisition.notes)


def test_inverted_phase_is_turned(image):
    acquisition = Acquisition.from_array(
        image, "phase", phase_unit="rad", phase_sign=-1
    )
    np.testing.assert_array_equal(retrieve(acquisition).phase.compute(), -image)


def test_background_can_be_taken_out():
    y, x = np.mgrid[-1:1:120j, -1:1:120j]
    cell = 3 * np.exp(-((y**2 + x**2) ** 2) / 0.02)
    acquisition = Acquisition.from_array(
        (cell + 2 * x - y + 1).astype(np.float32), "phase", phase_unit="rad"
    )
    result = retrieve(acquisition, background="tilt").phase.compute()[0]
    assert np.abs(result - cell).max() < 0.05


def test_lost_frame_is_told(image):
    image[1] = np.nan
    acquisition = Acquisition.from_array(image, "phase", phase_unit="rad")
    result = make_phase_engine("as-is").retrieve(
        image[:, None], acquisition, CancelToken()
    )
    assert "no finite value" in result.frame_notes[1]["problem"]


def test_several_channels_are_refused(rng):
    frames = rng.normal(size=(1, 3, 8, 8))
    with pytest.raises(LayoutError, match="one channel"):
        retrieve(Acquisition.from_array(frames, "phase"))
