"""What makes the microscopes of the set unseen, and that they are possible at all."""

import math

import numpy as np
import pytest
import torch

from napari_qpm.evaluation import held_out
from napari_qpm.evaluation.held_out import HELD_OUT
from napari_qpm.networks import nearest_disturbance
from napari_qpm.training import holograms
from napari_qpm.training.holograms import HologramDomain

SHAPE = (96, 128)


def steepest_rad_per_px(instrument):
    carrier = torch.tensor([instrument.carrier])
    return 2 * math.pi * float(nearest_disturbance(carrier))


def test_training_draws_no_such_camera_nor_such_aberrations():
    assert not {one.bit_depth for one in HELD_OUT} & set(HologramDomain().bit_depths)
    assert held_out.BACKGROUND_ORDER > holograms.BACKGROUND_ORDER


@pytest.mark.parametrize("instrument", HELD_OUT, ids=lambda one: one.name)
def test_aberrations_have_their_height_and_reach_to_the_fifth_order(instrument):
    background = instrument.background(SHAPE)
    total = instrument.curvature_rad + instrument.aberration_rad
    least = abs(instrument.curvature_rad - instrument.aberration_rad)
    assert least * 0.99 < np.ptp(background) < total * 1.01
    lower, fifth = fit_residual(background, 4), fit_residual(background, 5)
    assert lower > 0.005 * instrument.aberration_rad
    # What is left is rounding to float32.
    assert fifth < 1e-5 * max(1, np.abs(background).max())


def fit_residual(surface, order):
    """Return the rms that polynomials up to an order leave of a surface."""
    axes = [np.linspace(-1, 1, n) for n in surface.shape]
    places = np.meshgrid(*axes, indexing="ij")
    terms = np.polynomial.legendre.legvander2d(*places, (order, order))
    degree = np.add.outer(np.arange(order + 1), np.arange(order + 1)).ravel()
    terms = terms.reshape(surface.size, -1)[:, degree <= order]
    values = surface.ravel().astype(np.float64)
    solution, *_ = np.linalg.lstsq(terms, values, rcond=None)
    return np.std(values - terms @ solution)


@pytest.mark.parametrize("instrument", HELD_OUT, ids=lambda one: one.name)
def test_holograms_can_hold_the_aberrations(instrument):
    background = instrument.background((256, 256))
    steps = max(np.abs(np.diff(background, axis=axis)).max() for axis in (0, 1))
    assert steps < 0.6 * steepest_rad_per_px(instrument)


def test_every_microscope_lies_within_the_ranges_of_training():
    domain = HologramDomain()
    for one in HELD_OUT:
        assert domain.period_px[0] <= one.period_px <= domain.period_px[1]
        assert domain.visibility[0] <= one.visibility <= domain.visibility[1]
        assert domain.electrons[0] <= one.electrons <= domain.electrons[1]
        assert one.curvature_rad + one.aberration_rad <= domain.background_rad[1]
        assert one.unevenness <= domain.unevenness
        assert max(one.parasitic_visibility) <= domain.parasitic_visibility
        assert max(one.ring_strength) <= domain.ring_strength


def test_microscopes_differ_and_are_always_the_same():
    backgrounds = [one.background(SHAPE) for one in HELD_OUT]
    for n, one in enumerate(backgrounds):
        assert np.array_equal(one, HELD_OUT[n].background(SHAPE))
        for other in backgrounds[:n]:
            assert not np.allclose(one, other)


def test_light_dust_and_stray_fringes_have_their_strength():
    for one in HELD_OUT:
        light, dust = one.light(SHAPE), one.dust(SHAPE)
        assert np.abs(light - 1).max() == pytest.approx(one.unevenness, rel=1e-3)
        assert np.abs(dust - 1).max() <= sum(one.ring_strength) + 1e-6
        stray = one.parasitic_fringes(SHAPE)
        assert np.abs(stray).max() <= sum(one.parasitic_visibility) + 1e-6
        assert stray.std() > 0
