"""Optical path from intensity: exact on analytic change, honest on simulated light."""

import numpy as np
import pytest

from napari_qpm.errors import LayoutError
from napari_qpm.retrieval._cosine_series import CosineSeries
from napari_qpm.retrieval._flow_kernels import flow_divergence
from napari_qpm.retrieval.intensity_transport import (
    AxialChange,
    Solver,
    axial_change,
    optical_path,
)

SIDE, PIXEL_UM = 128, 0.3
COLOURS_UM = (0.63, 0.53, 0.45)


def axes(side=SIDE, pixel=PIXEL_UM):
    return (np.mgrid[:side, :side] - side / 2) * pixel


def bumps(side=SIDE, pixel=PIXEL_UM):
    """Return an optical path [um] that is flat at the edges."""
    y, x = axes(side, pixel)
    large = 0.12 * np.exp(-((x - 3) ** 2 + (y - 2) ** 2) / (2 * 3.0**2))
    return large + 0.08 * np.exp(-((x + 4) ** 2 + (y + 3) ** 2) / (2 * 1.5**2))


def beam():
    y, x = axes()
    return 0.4 + 0.6 * np.exp(-((x - 3) ** 2 + y**2) / 40)


def image(path, wavelength_um, z_um, *, light=1.0, pixel=PIXEL_UM, index=1.0):
    """Return the intensity `z_um` behind an object, by its own angular spectrum."""
    wave_number = index / wavelength_um
    f = np.fft.fftfreq(len(path), pixel)
    axial = np.sqrt(np.maximum(wave_number**2 - f[:, None] ** 2 - f**2, 0))
    field = np.sqrt(light) * np.exp(2j * np.pi * path / wavelength_um)
    kernel = np.exp(2j * np.pi * z_um * (axial - wave_number))
    return np.abs(np.fft.ifft2(np.fft.fft2(field) * kernel)) ** 2


def solve(change, *, pixel=PIXEL_UM, **options):
    series = CosineSeries(change.slope.shape, (pixel, pixel))
    values = {"medium_index": 1.0, "largest_um": 1e5} | options
    return optical_path(change, series, **values)


def error(found, truth):
    """Return the rms error over the rms of the truth, pistons left out."""
    truth = truth - truth.mean()
    return float(np.std(found - found.mean() - truth) / np.std(truth))


def exact_divergence(path, light, pixel=PIXEL_UM):
    """Return ``div(I grad W)`` by Fourier series of the mirrored images."""
    wide, bright = (
        np.pad(a, [(0, n) for n in a.shape], "symmetric") for a in (path, light)
    )
    total = np.zeros(wide.shape)
    for axis, n in enumerate(wide.shape):
        k = 2j * np.pi * np.fft.fftfreq(n, pixel)
        k = k[:, None] if axis == 0 else k[None]
        flow = bright * np.fft.ifft2(k * np.fft.fft2(wide)).real
        total += np.fft.ifft2(k * np.fft.fft2(flow)).real
    return total[: path.shape[0], : path.shape[1]]


def test_flow_between_pixels_changes_a_cosine_by_a_known_factor(rng):
    pixel = (0.3, 0.25)
    series = CosineSeries((24, 40), pixel)
    image = rng.normal(size=(24, 40)).astype(np.float32)
    found = flow_divergence(image, np.full_like(image, 2), pixel)
    expected = series.coefficients(image) * series.squared / series.border_ratio
    np.testing.assert_allclose(found, -2 * series.image(expected), atol=1e-3)
    # Coarse cosines are changed as by the Laplacian itself.
    assert series.border_ratio[:3, :3] == pytest.approx(1, abs=1e-4)


def test_flow_is_of_fourth_order():
    errors = []
    for side in (64, 128):
        pixel = 38.4 / side
        path, (y, x) = bumps(side, pixel), axes(side, pixel)
        light = 0.4 + 0.6 * np.exp(-((x - 3) ** 2 + y**2) / 40)
        arguments = (a.astype(np.float32) for a in (path, light))
        found = flow_divergence(*arguments, (pixel, pixel))
        errors.append(np.abs(found - exact_divergence(path, light, pixel)).max())
    assert errors[1] < errors[0] / 12


def test_universal_solution_is_exact_where_teagues_is_not():
    light = beam()
    slope = -exact_divergence(bumps(), light)
    change = AxialChange(light.astype(np.float32), slope.astype(np.float32))
    # Single precision and a residual of 1e-4 leave less than this.
    assert error(solve(change, solver=Solver.UNIVERSAL), bumps()) < 1e-4
    assert error(solve(change, solver=Solver.TEAGUE), bumps()) > 0.02
    assert error(solve(change, solver=Solver.UNIFORM), bumps()) > 0.2


def test_two_simulated_planes_under_a_beam():
    planes = np.stack([image(bumps(), 0.55, z, light=beam()) for z in (-0.2, 0.2)])
    change = axial_change(planes, np.array([-0.2, 0.2]))
    # Light from the repeated field next to this one is what is left.
    assert error(solve(change), bumps()) < 0.02
    assert error(solve(change, solver=Solver.UNIFORM), bumps()) > 0.2


def test_more_planes_allow_more_defocus():
    z = np.array([-6.0, -3.0, 0.0, 3.0, 6.0])
    planes = np.stack([image(bumps(), 0.55, position) for position in z])
    two = solve(axial_change(planes[[0, 4]], z[[0, 4]]))
    all_five = solve(axial_change(planes, z))
    assert error(all_five, bumps()) < 0.5 * error(two, bumps())


def test_index_of_the_medium_counts():
    z = np.array([-0.4, 0.4])
    planes = np.stack([image(bumps(), 0.55, p, index=1.33) for p in z])
    change = axial_change(planes, z)
    right = solve(change, medium_index=1.33)
    forgotten = solve(change, medium_index=1.0)
    assert error(right, bumps()) < 0.01
    assert np.ptp(forgotten) == pytest.approx(np.ptp(bumps()) / 1.33, rel=0.02)


@pytest.mark.parametrize(
    ("focus_um", "noise_free", "noisy"),
    [
        ((-1, 0, 1), 0.002, 0.35),
        ((-0.3, 0, 0.3), 0.002, 0.8),
        ((1.0, 0, 0.4), 0.004, 0.8),
        ((2.1, 0, 1.0), 0.01, 0.5),
    ],
)
def test_colours_that_focus_apart_are_planes(focus_um, noise_free, noisy):
    """Foci of an achromat and of simple lenses; with 1 % noise, noise decides."""
    side, pixel = 256, 0.21
    truth, focus = bumps(side, pixel), np.array(focus_um, float)
    planes = np.stack(
        [
            image(truth, wavelength, z, pixel=pixel)
            for wavelength, z in zip(COLOURS_UM, focus, strict=True)
        ]
    )
    clean = solve(axial_change(planes, focus), pixel=pixel)
    assert error(clean, truth) < noise_free
    noise = np.random.default_rng(0).normal(0, 0.01, planes.shape)
    found = solve(axial_change(planes + noise, focus), pixel=pixel, largest_um=50)
    assert error(found, truth) < noisy


def test_dimmer_plane_is_no_change_of_focus():
    planes = np.stack([image(bumps(), 0.55, z) for z in (-0.2, 0.2)])
    even = axial_change(planes, np.array([-0.2, 0.2]))
    dimmed = axial_change(planes * [[[1.0]], [[0.8]]], np.array([-0.2, 0.2]))
    np.testing.assert_allclose(dimmed.slope, even.slope, atol=1e-5)


def test_planes_at_one_position_are_refused():
    with pytest.raises(LayoutError, match="no change along the axis"):
        axial_change(np.ones((2, 8, 8)), np.array([3.0, 3.0]))
