import numpy as np
import pytest

from napari_qpm.acquisition import Acquisition
from napari_qpm.jobs import CancelToken
from napari_qpm.retrieval import make_phase_engine
from napari_qpm.retrieval.fringe_rewriting import lossless_step, rewrite_fringes

SHAPE = (256, 288)
FINE = (0.29, 0.28)
"""2.5 px a period, as in real holograms: no binning leaves such fringes."""


def cell(radius=60.0, height=3.0):
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    distance = np.hypot(y - 120, x - 150) / radius
    return height * np.clip(1 - distance**2, 0, None) ** 2


def hologram(phase, carrier, brightness=1000.0):
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    straight = 2 * np.pi * (carrier[0] * y + carrier[1] * x)
    counts = brightness * (1 + 0.6 * np.cos(straight + phase))
    return counts.astype(np.float32)[None]


def classical(frames, carrier):
    """Return the phase of a hologram on its own grid."""
    acquisition = Acquisition.from_array(
        frames[0], "off-axis", sideband_cycles_per_px=carrier, phase_sign=1
    )
    engine = make_phase_engine("fourier", grid="full", background="tilt")
    return engine.retrieve(frames[None], acquisition, CancelToken()).phase[0]


@pytest.mark.parametrize(
    ("period", "step"), [(2.4, 1), (6.0, 1), (8.9, 1), (9.1, 2), (13.6, 3)]
)
def test_lossless_step_keeps_more_than_four_pixels_a_period(period, step):
    assert lossless_step((1 / period * 0.6, 1 / period * 0.8)) == step


def test_nothing_to_do_leaves_the_frames_alone():
    frames = hologram(cell(), FINE)
    same, carrier = rewrite_fringes(frames, FINE)
    assert same is frames
    assert carrier == FINE


@pytest.mark.parametrize("step", [2, 3, 4])
def test_coarse_hologram_of_fine_fringes_holds_the_same_phase(step):
    frames, carrier = rewrite_fringes(hologram(cell(), FINE), FINE, step)
    assert frames.shape == (1, -(-SHAPE[0] // step), -(-SHAPE[1] // step))
    assert 1 / np.hypot(*carrier) == pytest.approx(4.5)
    truth = cell()[::step, ::step]
    # A cell of 60 px radius is smooth at 4 px: the filter costs 2.5 % of its height.
    inner = (slice(4, -4), slice(4, -4))
    error = (classical(frames, carrier) - truth)[inner]
    assert np.std(error) < 0.075


def test_wide_fringes_are_thinned_and_keep_their_number():
    wide = (0.06, 0.05)
    frames, carrier = rewrite_fringes(hologram(cell(), wide), wide, 2)
    assert carrier == (0.12, 0.1)
    # Every second pixel, but for the ends, where fringes do not repeat.
    expected = hologram(cell(), wide)[:, ::2, ::2]
    inner = (0, slice(8, -8), slice(8, -8))
    assert np.std((frames - expected)[inner]) < 0.03 * np.std(expected)


def test_brightness_and_contrast_stay():
    frames, _ = rewrite_fringes(hologram(cell(), FINE), FINE, 2)
    inner = frames[0, 8:-8, 8:-8]
    assert inner.mean() == pytest.approx(1000, rel=0.01)
    assert inner.std() == pytest.approx(1000 * 0.6 / np.sqrt(2), rel=0.03)


@pytest.mark.parametrize("step", [1, 2])
def test_phase_of_the_reference_is_taken_out(step):
    y = np.linspace(-1, 1, SHAPE[0])[:, None]
    curvature = 6 * y**2 + np.zeros(SHAPE)
    carrier = (0.18, 0.16)
    frames, coarse = rewrite_fringes(
        hologram(cell() + curvature, carrier),
        carrier,
        step,
        reference=hologram(curvature, carrier),
    )
    error = classical(frames, coarse) - cell()[::step, ::step]
    assert np.std(error[6:-6, 6:-6]) < 0.03
