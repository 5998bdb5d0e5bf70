import math

import numpy as np
import pytest

from napari_qpm.acquisition import Acquisition, PhaseMap, PhaseUnit
from napari_qpm.errors import MissingMetadataError
from napari_qpm.segmentation.cell_input import angle_images, cell_input, phase_factor

SONY = (90, 45, 135, 0)


def ramps() -> np.ndarray:
    """Return smooth images ``(4, 16, 16)`` behind 0, 45, 90 and 135 degrees."""
    y, x = np.indices((16, 16))
    return np.stack([100 + 10 * k + (k + 1) * y + 2 * x for k in range(4)])


def mosaic_of(images: np.ndarray, offset: tuple[int, int] = (0, 0)) -> np.ndarray:
    mosaic = np.zeros((1, 16, 16), np.uint16)
    for n, angle in enumerate(SONY):
        row, column = (n // 2 - offset[0]) % 2, (n % 2 - offset[1]) % 2
        image = images[(0, 45, 90, 135).index(angle)]
        mosaic[0, row::2, column::2] = image[row::2, column::2]
    return mosaic


@pytest.mark.parametrize("offset", [(0, 0), (1, 0), (1, 1)])
def test_missing_angles_of_a_mosaic_are_filled_in(offset):
    recording = Acquisition.from_array(
        mosaic_of(ramps(), offset)[None],
        "polarization",
        polarization_layout=SONY,
        roi_offset_px=offset,
    )
    found = angle_images(recording.read(0), recording)
    # Linear inside; at the edge a mirrored ramp is flat.
    inside = slice(1, -1), slice(1, -1)
    for image, truth in zip(found, ramps(), strict=True):
        np.testing.assert_allclose(image[inside], truth[inside], atol=1e-3)


def test_four_images_are_put_in_order():
    images = ramps()[[1, 0, 3, 2]]
    recording = Acquisition.from_array(
        images[None], "polarization", polarization_layout=(45, 0, 135, 90)
    )
    np.testing.assert_allclose(angle_images(recording.read(0), recording), ramps())


def test_a_mosaic_of_unknown_layout_is_refused():
    recording = Acquisition.from_array(mosaic_of(ramps())[None], "polarization")
    with pytest.raises(MissingMetadataError, match="polarization_layout"):
        angle_images(recording.read(0), recording)


def test_input_is_of_its_own_frame_and_free_of_exposure():
    first, second = ramps(), ramps()[:, ::-1]
    recording = Acquisition.from_array(
        np.stack([first, 3 * second]).astype(np.float32), "polarization"
    )
    phase = np.zeros((1, 16, 16), np.float32)
    phase[0, 4:9, 4:9] = 2
    phase[0, 0, 0] = np.nan
    channels = ("angle 45", "phase")
    maps = PhaseMap(phase=phase, acquisition=recording, first_frame=1)
    found = cell_input(maps, 0, channels)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[0], second[1] / second.mean(), rtol=1e-5)
    assert found[1, 0, 0] == 0
    assert found[1, 6, 6] == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("rad", 633 / 532),
        ("waves", 2 * math.pi * 633 / 532),
        ("nm", 2 * math.pi / 532),
        ("um", 2000 * math.pi / 532),
        ("pg/um2", 360 * math.pi / 532),
        ("unknown", None),
    ],
)
def test_every_unit_becomes_radians_of_training(unit, expected):
    recording = Acquisition.from_array(
        np.zeros((8, 8), np.float32), "phase", wavelength_nm=633
    )
    maps = PhaseMap(
        phase=np.zeros((1, 8, 8), np.float32),
        acquisition=recording,
        unit=PhaseUnit(unit),
    )
    assert phase_factor(maps) == (None if expected is None else pytest.approx(expected))


def test_phase_of_an_unknown_unit_gets_a_typical_height():
    phase = np.zeros((1, 32, 32), np.float32)
    phase[0, 8:20, 8:20] = 1e-3
    maps = PhaseMap(
        phase=phase,
        acquisition=Acquisition.from_array(phase, "phase"),
        unit=PhaseUnit.UNKNOWN,
    )
    assert cell_input(maps, 0, ("phase",)).max() == pytest.approx(5, rel=0.05)
