"""The smooth phase is found whatever else is in the field, and follows no cell."""

import numpy as np
import pytest

import napari_qpm as qpm
from napari_qpm.checks.smooth_phase import (
    fit_sign,
    fit_smooth_phase,
    smooth_terms,
)
from napari_qpm.retrieval.background import Surface, terms_of
from napari_qpm.retrieval.engine import Background

TERMS = terms_of(Background.ZERNIKE, 4)


@pytest.fixture
def surface():
    """Tilt, strong curvature, coma: up to 60 rad."""
    coefficients = np.zeros((5, 5))
    coefficients[0, 0], coefficients[1, 0], coefficients[0, 1] = 1.0, -8.0, 5.0
    coefficients[2, 0], coefficients[0, 2], coefficients[1, 2] = 30.0, 28.0, 1.5
    return Surface(coefficients)


def wrapped_difference(first, second):
    return np.abs(np.angle(np.exp(1j * (first - second))))


def test_aberrations_are_found_to_milliradians(surface, rng):
    truth = surface.evaluate((300, 400))
    noise = rng.normal(0, 0.1, truth.shape)
    field = np.exp(1j * (truth + noise)).astype(np.complex64)
    found = fit_smooth_phase(field, TERMS)
    assert wrapped_difference(found.surface.evaluate(truth.shape), truth).max() < 0.02
    assert found.agreement > 0.99


def test_wrong_block_does_not_pull(surface, rng):
    truth = surface.evaluate((300, 400))
    field = np.exp(1j * (truth + rng.normal(0, 0.1, truth.shape)))
    field[60:140, 90:190] *= -1
    found = fit_smooth_phase(field.astype(np.complex64), TERMS)
    assert wrapped_difference(found.surface.evaluate(truth.shape), truth).max() < 0.05


def test_unknown_region_does_not_pull(surface):
    truth = surface.evaluate((300, 400))
    field = np.exp(1j * truth).astype(np.complex64)
    field[:60] = 0
    found = fit_smooth_phase(field, TERMS)
    assert wrapped_difference(found.surface.evaluate(truth.shape), truth).max() < 0.02


def test_sign_is_the_one_that_leaves_a_smooth_rest(surface):
    y, x = np.mgrid[:300, :400]
    cell = 5 * np.exp(-((y - 150) ** 2 + (x - 250) ** 2) / (2 * 40**2))
    phasor = np.exp(1j * cell).astype(np.complex64)
    background = np.exp(1j * surface.evaluate(cell.shape)).astype(np.complex64)
    assert fit_sign(background * phasor, phasor, (1, -1), TERMS)[0] == 1
    assert fit_sign(background * np.conj(phasor), phasor, (1, -1), TERMS)[0] == -1


def test_richer_background_of_the_retrieval_is_fitted_too():
    frames = np.zeros((1, 64, 64), np.float32)
    recording = qpm.Acquisition.from_array(frames, "phase", phase_unit="rad")
    plain = smooth_terms(qpm.retrieve(recording))
    rich = smooth_terms(
        qpm.retrieve(recording, background="legendre", background_order=6)
    )
    assert set(TERMS) == set(plain)
    assert (6, 6) in rich
