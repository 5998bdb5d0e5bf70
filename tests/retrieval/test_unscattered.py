"""Object phase where only unscattered light is shifted (SLIM)."""

import numpy as np
import pytest

from napari_qpm.errors import LayoutError
from napari_qpm.retrieval.demosaic import ANGLES
from napari_qpm.retrieval.four_step import (
    AngleSampling,
    Fringes,
    difference_images,
    wrapped_phase,
)
from napari_qpm.retrieval.unscattered import unscattered_fraction, unscattered_fringes

READY = AngleSampling(ANGLES)
SHAPE = (128, 144)


def wrap(phase):
    return np.angle(np.exp(1j * phase))


def cells(count, peak, width=9.0, seed=3):
    """Phase [rad] of Gaussian cells on an empty background, (Y, X)."""
    rng = np.random.default_rng(seed)
    y, x = np.indices(SHAPE)
    phase = np.zeros(SHAPE)
    for _ in range(count):
        cy, cx = rng.uniform(10, SHAPE[0] - 10), rng.uniform(10, SHAPE[1] - 10)
        distance = (y - cy) ** 2 + (x - cx) ** 2
        phase = np.maximum(phase, peak * np.exp(-((distance / (2 * width**2)) ** 2)))
    return phase


def camera(field, electrons=4000.0):
    """Images ``(4, Y, X)`` of a field split into its mean and the rest."""
    unscattered = field.mean()
    scattered = field - unscattered
    shifts = np.exp(2j * np.deg2rad(ANGLES)).reshape(4, 1, 1)
    images = np.abs(unscattered + scattered * shifts) ** 2 / 2
    return electrons * images, unscattered


def solve(images, blank):
    out = Fringes.empty(SHAPE)
    fraction = unscattered_fringes(
        difference_images(images, READY), difference_images(blank, READY), out
    )
    return out, fraction


@pytest.mark.parametrize(
    ("count", "peak", "amplitude"),
    [(1, 0.3, 1.0), (3, 1.2, 1.0), (8, 2.5, 1.0), (8, 2.5, 0.8), (25, 2.0, 1.0)],
)
def test_exact_split_gives_back_phase_and_amplitude(count, peak, amplitude):
    phase = cells(count, peak)
    absorption = np.where(phase > 0.2, amplitude, 1.0)
    field = absorption * np.exp(1j * phase)
    images, unscattered = camera(field)
    blank, _ = camera(np.ones(SHAPE, complex))
    found, fraction = solve(images, blank)
    assert fraction == pytest.approx(np.abs(unscattered) ** 2, rel=1e-3)
    truth = phase - np.angle(unscattered)
    # float32 intensities of 4000 resolve 1e-4; the fraction is as good.
    assert np.abs(wrap(found.wrapped - truth)).max() < 2e-3
    expected = absorption / np.abs(unscattered)
    np.testing.assert_allclose(found.amplitude, expected, rtol=2e-3)
    assert found.quality.min() > 0.99


def test_confluent_cells_that_outshine_the_unscattered_light_are_told_apart():
    phase = cells(45, 2.8)
    images, unscattered = camera(np.exp(1j * phase))
    empty = np.abs(1 - unscattered) ** 2
    assert np.abs(unscattered) ** 2 < empty, "the case needs the weaker root"
    found, fraction = solve(images, camera(np.ones(SHAPE, complex))[0])
    assert fraction == pytest.approx(np.abs(unscattered) ** 2, rel=1e-2)
    truth = phase - np.angle(unscattered)
    assert np.abs(wrap(found.wrapped - truth)).max() < 0.02


def test_plain_four_step_would_overstate_the_cells():
    phase = cells(8, 1.5)
    images, _ = camera(np.exp(1j * phase))
    plain = wrapped_phase(images, READY)
    inside, outside = phase > 1.4, phase < 0.01
    contrast = np.angle(
        np.exp(1j * plain[inside]).mean() / np.exp(1j * plain[outside]).mean()
    )
    assert abs(contrast) > 1.3 * 1.5
    found, _ = solve(images, camera(np.ones(SHAPE, complex))[0])
    height = found.wrapped[inside].mean() - found.wrapped[outside].mean()
    assert height == pytest.approx(phase[inside].mean(), abs=5e-3)


def test_shot_noise_lamp_and_brightness_are_tolerated(rng):
    y, x = np.indices(SHAPE)
    lamp = 1 + 0.2 * np.cos(y / 60) - 0.1 * x / SHAPE[1]
    phase = cells(6, 2.0)
    images, unscattered = camera(np.exp(1j * phase))
    blank, _ = camera(np.ones(SHAPE, complex))
    images = rng.poisson(1.1 * lamp * images).astype(np.uint16)
    blank = rng.poisson(lamp * blank).astype(np.uint16)
    found, fraction = solve(images, blank)
    # The lamp was 10 % brighter with the cells in.
    assert fraction == pytest.approx(1.1 * np.abs(unscattered) ** 2, rel=0.02)
    error = wrap(found.wrapped - (phase - np.angle(unscattered)))
    assert abs(np.median(error)) < 0.01
    assert np.std(error) < 0.05


def test_dark_blank_frame_is_refused():
    images, _ = camera(np.exp(1j * cells(3, 1.0)))
    dark = difference_images(np.zeros((4, *SHAPE)), READY)
    with pytest.raises(LayoutError, match="reference frame is dark"):
        unscattered_fraction(difference_images(images, READY), dark)
