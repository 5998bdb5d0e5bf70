"""Real IMX250MZR frames: demosaicing, layout, angles and the sum rule of a sensor.

These are photographs through a polarization camera, not interferograms: they test on
real pixels all that comes before the meaning of the phase.
"""

import imageio.v3 as imageio
import numpy as np
import pytest

from napari_qpm.acquisition import Acquisition
from napari_qpm.jobs import CancelToken
from napari_qpm.retrieval import make_phase_engine
from napari_qpm.retrieval.demosaic import Demosaicing, demosaic
from napari_qpm.retrieval.four_step import (
    AngleSampling,
    check_fringes,
    difference_images,
    fringes,
    wrapped_phase,
)

SONY = (90, 45, 135, 0)
NAMES = ("polarizer", "fruits")
POLARIZERS = {84: (545, 191), 44: (553, 502), 176: (615, 776), 136: (618, 1051)}
"""Angle [deg] of each disc and its centre on the half-size grid, from its README."""
DISC_RADIUS_PX = 60
SATURATED = 255


@pytest.fixture(scope="module")
def frames(shared_data):
    folder = shared_data / "dofp-imx250mzr"
    if not folder.is_dir():
        pytest.skip(f"no recordings in {folder}")
    return {name: imageio.imread(folder / f"{name}_IMX250MZR.png") for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_bilinear_agrees_with_polanalyser_to_its_rounding(frames, name):
    polanalyser = pytest.importorskip("polanalyser")
    frame = frames[name]
    expected = polanalyser.demosaicing(frame, polanalyser.COLOR_PolarMono)
    found = demosaic(frame, SONY, method=Demosaicing.BILINEAR)
    inner = (slice(1, -1), slice(1, -1))
    for ours, theirs in zip(found, expected, strict=True):
        # It interpolates in integers: means of 2 or 4 pixels, halves rounded up.
        np.testing.assert_array_equal(np.floor(ours + 0.5)[inner], theirs[inner])
        # On the outermost pixels it repeats the neighbour, where we mirror.
        border = np.abs(ours - theirs)
        border[inner] = 0
        assert border.max() <= 12


def test_polarizers_in_the_scene_have_their_angles(frames):
    found = demosaic(frames["polarizer"], SONY)
    for angle, (row, column) in POLARIZERS.items():
        disc = (
            slice(2 * row - DISC_RADIUS_PX, 2 * row + DISC_RADIUS_PX),
            slice(2 * column - DISC_RADIUS_PX, 2 * column + DISC_RADIUS_PX),
        )
        i0, i45, i90, i135 = (image[disc].mean() for image in found)
        measured = np.rad2deg(np.arctan2(i45 - i135, i0 - i90)) / 2
        assert abs((measured - angle + 90) % 180 - 90) < 3
        assert 0.3 < np.hypot(i45 - i135, i0 - i90) / (i0 + i90) < 0.6


@pytest.mark.parametrize(("name", "percent"), [("polarizer", 3.5), ("fruits", 3)])
def test_opposite_angles_sum_to_the_same_light(frames, name, percent):
    images = difference_images(frames[name][None], AngleSampling(SONY))
    mismatch = np.abs(images.axial - images.diagonal).mean()
    assert mismatch < percent / 100 * images.axial.mean()


def test_a_wrong_layout_or_offset_breaks_the_polarizers(frames):
    row, column = POLARIZERS[44]
    disc = (slice(2 * row - 60, 2 * row + 60), slice(2 * column - 60, 2 * column + 60))
    wrong = demosaic(frames["polarizer"], SONY, roi_offset=(0, 1))[:, *disc]
    i0, i45, i90, i135 = wrong.mean(axis=(1, 2))
    measured = np.rad2deg(np.arctan2(i45 - i135, i0 - i90)) / 2
    assert abs((measured - 44 + 90) % 180 - 90) > 10
    # A crop that starts at an odd column is the same pattern with that offset.
    crop = demosaic(frames["polarizer"][:, 1:], SONY, roi_offset=(0, 1))
    whole = demosaic(frames["polarizer"], SONY)
    np.testing.assert_array_equal(crop[:, :, 4:-4], whole[:, :, 5:-4])


def test_fused_phase_equals_the_arctangent_of_the_demosaiced_images(frames):
    frame = frames["fruits"]
    for method in Demosaicing:
        i0, i45, i90, i135 = demosaic(frame, SONY, method=method).astype(np.float64)
        sampling = AngleSampling(SONY, method=method)
        phase = wrapped_phase(frame[None], sampling)
        expected = np.arctan2(i135 - i45, i0 - i90)
        error = np.angle(np.exp(1j * (phase - expected)))
        # Differences below 1/8 grey level are rounding noise with any phase.
        certain = np.hypot(i0 - i90, i135 - i45) > 1 / 8
        assert np.abs(error[certain]).max() < 1e-3
        assert np.abs(error[np.hypot(i0 - i90, i135 - i45) > 8]).max() < 1e-5


def test_saturated_sky_has_no_quality(frames):
    frame = frames["polarizer"]
    acquisition = Acquisition.from_array(
        frame,
        "polarization",
        polarization_layout=SONY,
        reference_wave="separate",
        phase_sign=1,
    )
    engine = make_phase_engine("four-step", background="none", unwrapping="none")
    token = CancelToken()
    resolved = engine.resolve(acquisition, token)
    result = engine.retrieve(resolved.read(0)[None], resolved, token)
    assert not result.quality[0][frame == SATURATED].any()
    note = result.frame_notes[0]
    assert note["saturated_share"] == pytest.approx(0.131, abs=0.001)
    assert "saturated" in note["warning"]
    assert result.phase.shape == (1, 2048, 2448)


def test_visibility_of_light_behind_polarizers_stands_out(frames):
    sampling = AngleSampling(SONY)
    found = fringes(frames["polarizer"][None], sampling)
    row, column = POLARIZERS[84]
    disc = (slice(2 * row - 60, 2 * row + 60), slice(2 * column - 60, 2 * column + 60))
    assert np.median(found.quality[disc]) > 2 * np.median(found.quality)
    check = check_fringes(frames["polarizer"][None], sampling, SATURATED)
    assert check.saturated_share == pytest.approx(0.131, abs=0.001)
