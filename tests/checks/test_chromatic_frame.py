"""Colour pictures: focus and coherence are found, a right phase explains the frame."""

import numpy as np
import pytest
import torch
from tests.checks.conftest import smoothed, with_block

import napari_qpm as qpm
from napari_qpm.acquisition import Acquisition, Instrument, Modality, PhaseMap
from napari_qpm.checks import Verdict, check_frame
from napari_qpm.checks.chromatic_frame import explain_colours
from napari_qpm.errors import LayoutError, MissingMetadataError
from napari_qpm.physics.detector import Detector
from napari_qpm.physics.models import model_for
from napari_qpm.specimens.samples import simulate

SHAPE = (128, 128)
OPTICS = {"wavelength_nm": 532.0, "pixel_size_um": 0.345, "numerical_aperture": 0.3}
UM_PER_RAD = 0.532 / (2 * np.pi)
BRIGHTNESS = 1500.0


def picture(phase, **values):
    """Return noisy 12-bit counts ``(1, 3, Y, X)`` of a phase ``(Y, X)``."""
    model = model_for(
        Instrument(**OPTICS),
        Modality.CHROMATIC,
        phase.shape,
        **{
            "brightness_counts": BRIGHTNESS,
            "unevenness": ((0.0, 0.05), (0.1, 0.0)),
            "focus_curve_um": (2.0, -30.0, 100.0),
            "coherence_ratio": 0.3,
            **values,
        },
    )
    detector = Detector(gain_e_per_count=4.0, read_noise_e=5.0, bit_depth=12)
    generator = torch.Generator().manual_seed(6)
    with torch.no_grad():
        opd_um = torch.from_numpy(phase * np.float32(UM_PER_RAD))[None]
        return detector(model(opd_um), generator).numpy().astype(np.uint16)


@pytest.fixture(scope="module")
def truth():
    simulation = simulate(
        "phase", n_frames=1, shape=SHAPE, n_cells=2, seed=2, background=False
    )
    return simulation.phase[0]


@pytest.fixture(scope="module")
def recording(truth):
    return Acquisition.from_array(
        picture(truth), "chromatic", name="cells", bit_depth=12, **OPTICS
    )


def score(acquisition, phase):
    return float(qpm.residual(acquisition, phase).score[0])


def test_truth_is_at_the_noise_floor(recording, truth):
    assert 0.9 < score(recording, truth) < 1.1


def test_noise_follows_from_a_stated_gain(recording, truth):
    known = recording.with_instrument(gain_e_per_count=4.0, read_noise_e=5.0)
    assert 0.9 < score(known, truth) < 1.1


@pytest.mark.parametrize(
    ("focus_um", "coherence"),
    [((-3.0, 20.0, 50.0), 0.3), ((0.5, 60.0, 0.0), 0.5), ((6.0, -10.0, 30.0), 0.15)],
)
def test_focus_and_coherence_are_fitted(truth, focus_um, coherence):
    frames = picture(truth, focus_curve_um=focus_um, coherence_ratio=coherence)
    acquisition = Acquisition.from_array(frames, "chromatic", bit_depth=12, **OPTICS)
    assert 0.9 < score(acquisition, truth) < 1.1


@pytest.mark.parametrize("coherence", [0.15, 0.3, 0.5])
def test_exact_partial_coherence_and_crosstalk_are_within_a_fifth(truth, coherence):
    frames = picture(truth, coherence="abbe", coherence_ratio=coherence, crosstalk=0.05)
    acquisition = Acquisition.from_array(frames, "chromatic", bit_depth=12, **OPTICS)
    assert 0.9 < score(acquisition, truth) < 1.2


@pytest.mark.parametrize(
    "spoil",
    [
        smoothed,
        np.zeros_like,
        lambda phase: with_block(phase, np.pi),
        lambda phase: with_block(phase, 2 * np.pi),
    ],
    ids=["smoothed", "empty", "half-wave block", "missed turn"],
)
def test_wrong_phase_stands_above_the_floor(recording, truth, spoil):
    # Unlike fringes, colours do not repeat after 2 pi: even a missed turn is seen.
    assert score(recording, spoil(truth)) > 1.3 * score(recording, truth)


def test_piston_tilt_and_sign_are_invisible(recording, truth):
    right = score(recording, truth)
    tilt = np.linspace(-1, 1, SHAPE[1], dtype=np.float32)
    for invisible in (truth + 0.7, truth + tilt, -truth):
        # The search for focus and coherence ends at slightly different places.
        assert score(recording, invisible) == pytest.approx(right, rel=0.05)


def test_checks_say_that_turns_are_seen_and_the_sign_is_not(recording, truth):
    checks = check_frame(recording, truth)
    assert checks.residual.verdict is Verdict.GOOD
    assert "turns" not in checks.residual.blind_to
    assert "thinner" in checks.residual.blind_to
    assert checks.to_dict()["residual"]["floor"] is None


def test_large_frame_with_coarse_phase_and_lost_pixels(truth):
    wide = np.pad(truth, ((0, 144), (136, 0)))
    acquisition = Acquisition.from_array(
        picture(wide), "chromatic", bit_depth=12, **OPTICS
    )
    coarse = wide[::2, ::2].copy()
    coarse[100:120, 5:25] = np.nan
    phase_map = PhaseMap(
        phase=coarse[None], acquisition=acquisition, grid_scale=(2.0, 2.0)
    )
    found = qpm.residual(acquisition, phase_map)
    assert 0.9 < found.score[0] < 1.2
    assert np.isnan(found.map[0].compute()[205:235, 15:45]).all()


def test_torch_gets_its_threads_back(recording, truth):
    before = torch.get_num_threads()
    score(recording, truth)
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("field", ["wavelength_nm", "numerical_aperture"])
def test_unknown_optics_are_named(recording, truth, field):
    unknown = recording.with_instrument(**{field: None})
    with pytest.raises(MissingMetadataError, match=field):
        qpm.residual(unknown, truth)


def test_frames_without_three_channels_are_refused(truth):
    grey = Acquisition.from_array(np.zeros((1, 1, *SHAPE)), "chromatic", **OPTICS)
    phase_map = PhaseMap(phase=truth[None], acquisition=grey)
    with pytest.raises(LayoutError, match="has 1 channels"):
        explain_colours(grey.read(0), truth, grey, phase_map)
