import numpy as np
import pytest

from napari_qpm.acquisition import Acquisition
from napari_qpm.adaptation.matching import (
    finest_needed,
    match_domain,
    on_network_grid,
)
from napari_qpm.adaptation.own_frames import Objects, label_frames
from napari_qpm.instrument import Instrument
from napari_qpm.jobs import CancelToken

FINE = (0.3, 0.28)


def objects(*diameters, top=4.0, share=0.2):
    return Objects(np.array(diameters, float), top, share)


@pytest.fixture(scope="module")
def frame(recording):
    (first, _) = label_frames([recording], CancelToken(), lambda progress: None)
    return first


def match(frame, found, instrument=None, step=1, **known):
    own = on_network_grid(frame, step, "heterodyne")
    return match_domain(
        known,
        instrument or frame.acquisition.instrument,
        found,
        own,
        step,
        shape=(96, 96),
        input_kind="heterodyne",
        range_rad=12.0,
    )


def test_steep_cells_keep_a_finer_grid_than_large_ones():
    def labelled(height, power):
        y, x = np.mgrid[:256, :256]
        distance = np.hypot(y - 120, x - 130) / 60
        phase = height * np.clip(1 - distance**2, 0, None) ** power
        straight = 2 * np.pi * (FINE[0] * y + FINE[1] * x)
        counts = 500 * (1 + 0.7 * np.cos(straight + phase))
        facts = {"sideband_cycles_per_px": FINE, "phase_sign": 1}
        recording = Acquisition.from_array(counts, "off-axis", **facts)
        return label_frames([recording], CancelToken(), lambda progress: None)

    assert finest_needed(labelled(2.0, 2), 3) == 3
    assert finest_needed(labelled(9.0, 0.5), 3) < 3


def test_own_frame_holds_fringes_and_phase_of_one_grid(frame):
    own = on_network_grid(frame, 2, "heterodyne")
    assert own.hologram.shape == (96, 112)
    # What is left after the fringes is smooth: they are all in `fringes`.
    rest = own.hologram - 2 * own.fringes.real
    inner = (slice(8, -8), slice(8, -8))
    assert np.std(rest[inner]) < 0.3 * np.std(own.hologram[inner])
    assert np.allclose(own.phase, frame.classical.read(0)[::2, ::2], atol=1e-4)


def test_simulations_have_the_microscopes_carrier_and_sign(frame):
    turned = frame.acquisition.with_instrument(phase_sign=-1)
    import dataclasses

    other = match(dataclasses.replace(frame, acquisition=turned), objects(40))
    same = match(frame, objects(40))
    assert other.carrier_cycles_per_px == pytest.approx(
        tuple(-f for f in same.carrier_cycles_per_px)
    )


def test_cells_of_the_simulations_are_around_those_found(frame):
    made = match(frame, objects(40, 60, top=4.0, share=0.2), step=2)
    assert made.size_px[0] < 20 < 30 < made.size_px[1] < 60
    assert made.phase_rad[1] == pytest.approx(6.0)
    assert made.confluence[0] < 0.2 < made.confluence[1]


def test_light_and_noise_come_from_the_fitted_instrument(frame):
    fitted = Instrument(
        visibility=0.6,
        brightness_counts=100.0,
        gain_e_per_count=50.0,
        read_noise_e=3.0,
        bit_depth=8,
    )
    made = match(frame, objects(40), fitted)
    assert made.visibility[0] < 0.6 < made.visibility[1] <= 1
    assert made.electrons[0] < 5000 < made.electrons[1]
    assert made.read_noise_e[0] < 3 < made.read_noise_e[1]
    assert made.bit_depths == (8,)


def test_what_was_not_found_stays_as_the_base_was_trained(frame):
    made = match(frame, objects(), Instrument(), size_px=[20.0, 90.0], n_rings=2)
    assert made.size_px == (20.0, 90.0)
    assert made.n_rings == 2


def test_unknown_settings_of_a_base_do_no_harm(frame):
    assert match(frame, objects(), Instrument(), novelty=3).shape == (96, 96)


def test_lost_pixels_do_not_reach_the_network():
    y, x = np.mgrid[:96, :128]
    counts = 500 * (1 + 0.7 * np.cos(2 * np.pi * (0.2 * y + 0.15 * x)))
    counts[10:14, 20:30] = np.nan
    recording = Acquisition.from_array(counts, "off-axis", phase_sign=1)
    (found,) = label_frames([recording], CancelToken(), lambda progress: None)
    assert np.isfinite(on_network_grid(found, 1, "heterodyne").hologram).all()
