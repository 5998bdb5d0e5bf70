"""The sign of a phase is read from objects, and only from objects."""

import numpy as np
import pytest
import torch

from napari_qpm.acquisition import Acquisition
from napari_qpm.errors import JobCancelled
from napari_qpm.jobs import CancelToken
from napari_qpm.physics import Detector, OffAxisInterferometer
from napari_qpm.retrieval import make_phase_engine
from napari_qpm.retrieval.demodulation import Demodulator
from napari_qpm.retrieval.object_sign import infer_sign
from napari_qpm.specimens import simulate_cells

CARRIER = (0.2, 0.17)
SHAPE = (256, 256)


def wrap(phase):
    return (phase - 2 * np.pi * np.rint(phase / (2 * np.pi))).astype(np.float32)


def guess_of(phase):
    return infer_sign(np.asarray(phase, np.float32), token=CancelToken())


@pytest.fixture
def cell():
    y, x = np.mgrid[-1:1:160j, -1:1:180j]
    return 8 * np.exp(-(((y - 0.2) ** 2 + (x + 0.1) ** 2) ** 2) / 0.02)


@pytest.fixture
def background():
    y, x = np.mgrid[-1:1:160j, -1:1:180j]
    return 2 + 12 * x - 5 * y + 9 * x**2 + 6 * y**2 - 3 * x * y


def aberrations(seed, order, strength_rad):
    """Return Legendre coefficients from second order on, weaker ones further up."""
    rng = np.random.default_rng(seed)
    terms = np.zeros((order + 1, order + 1))
    for i, j in np.ndindex(terms.shape):
        if 2 <= i + j <= order:
            terms[i, j] = rng.normal(0, strength_rad / (i + j - 1))
    return terms


def hologram(phase, background_rad=((),), seed=0):
    """Return the raw frame of a phase ``(1, Y, X)`` with shot and read noise."""
    microscope = OffAxisInterferometer(
        SHAPE,
        carrier_cycles_per_px=CARRIER,
        visibility=0.6,
        brightness_counts=1800.0,
        background_rad=background_rad,
    )
    camera = Detector(gain_e_per_count=2.5, read_noise_e=4.0, bit_depth=12)
    light = microscope(phase)
    return camera(light, torch.Generator().manual_seed(seed))[0, 0].numpy()


def wrapped(frame):
    radius = float(np.hypot(*CARRIER)) / 3
    return np.angle(Demodulator(SHAPE, CARRIER, radius).field(frame[None]))


@pytest.mark.parametrize("sign", [1, -1])
def test_sign_makes_cells_thicker(cell, background, sign):
    guess = guess_of(wrap(sign * (cell + background))[None])
    assert guess.sign == sign
    assert guess.is_clear


def test_sign_of_a_field_of_noise_is_only_a_guess():
    noise = np.random.default_rng(0).normal(0, 0.1, (1, 100, 100))
    guess = guess_of(wrap(noise))
    assert not guess.is_clear
    assert "is a guess" in guess.note()


@pytest.mark.parametrize("order", [2, 4, 6])
@pytest.mark.parametrize("strength_rad", [1.0, 4.0])
def test_empty_field_with_aberrations_is_only_a_guess(order, strength_rad):
    empty = torch.zeros(1, *SHAPE)
    for seed in range(4):
        terms = aberrations(seed, order, strength_rad)
        guess = guess_of(wrapped(hologram(empty, terms, seed)))
        # Its residual curvature is no object: it said 0.9 and more before.
        assert guess.confidence < 0.05


def test_engine_tells_that_the_sign_of_an_empty_aberrated_field_is_a_guess():
    frame = hologram(torch.zeros(1, *SHAPE), aberrations(1, 4, 4.0))
    engine = make_phase_engine("fourier")
    recording = Acquisition.from_array(frame.astype(np.uint16), "off-axis")
    resolved = engine.resolve(recording, CancelToken())
    assert any("is a guess" in note for note in resolved.notes)


@pytest.mark.parametrize("kind", ["adherent", "colony", "red-blood"])
@pytest.mark.parametrize("confluence", [0.02, 0.1, 0.4])
@pytest.mark.parametrize("sign", [1, -1])
def test_cells_of_any_cover_tell_the_sign(kind, confluence, sign):
    cells = simulate_cells(
        1, seed=3, shape=SHAPE, pixel_um=0.4, kinds=kind, confluence=confluence
    )
    frame = hologram(cells.phase(532.0), aberrations(7, 4, 1.0))
    guess = guess_of(sign * wrapped(frame))
    assert guess.sign == sign
    assert guess.is_clear


@pytest.mark.parametrize(
    "kind", ["adherent", "colony", "red-blood", "suspension", "rounded"]
)
@pytest.mark.parametrize("confluence", [0.6, 0.8, 0.95])
def test_crowded_field_is_right_or_a_guess(kind, confluence):
    for seed in range(2):
        cells = simulate_cells(
            1, seed=seed, shape=SHAPE, pixel_um=0.4, kinds=kind, confluence=confluence
        )
        frame = hologram(cells.phase(532.0), aberrations(seed, 4, 1.0))
        guess = guess_of(wrapped(frame))
        assert guess.sign == 1 or not guess.is_clear


def test_lost_frames_do_not_count(cell):
    lost = np.full((1, *cell.shape), np.nan)
    assert guess_of(lost).confidence == 0
    both = np.concatenate([lost, wrap(-cell)[None]])
    assert guess_of(both).sign == -1


def test_cancel_stops_before_the_next_frame(cell):
    token = CancelToken()
    token.cancel()
    with pytest.raises(JobCancelled):
        infer_sign(wrap(cell)[None], token=token)
