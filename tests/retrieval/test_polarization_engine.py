"""The four-step engine: from raw polarization frames to phase that can be trusted."""

import numpy as np
import pytest

from napari_qpm.acquisition import Acquisition
from napari_qpm.errors import (
    JobCancelled,
    LayoutError,
    MissingMetadataError,
    ModalityError,
    ParameterError,
)
from napari_qpm.jobs import CancelToken
from napari_qpm.retrieval import make_phase_engine, retrieve
from napari_qpm.retrieval.demosaic import ANGLES
from napari_qpm.retrieval.engine import PhaseEngine
from napari_qpm.retrieval.polarization_engine import FourStepEngine, FourStepParameters

SONY = (90, 45, 135, 0)
SHAPE = (96, 120)


def cell_phase(shape=SHAPE, peak=5.0):
    """One cell of `peak` rad on an empty field."""
    y, x = np.indices(shape)
    distance = (y - 0.5 * shape[0]) ** 2 + (x - 0.4 * shape[1]) ** 2
    return peak * np.exp(-((distance / (2 * 15**2)) ** 2))


def background(shape=SHAPE):
    y, x = np.indices(shape)
    return 0.02 * x - 0.01 * y + 1


def raw(phase, angles, hand=1, mean=1500.0, contrast=1200.0):
    """12-bit intensities behind analysers at `angles` [deg]."""
    light = mean + contrast * np.cos(phase + hand * 2 * np.deg2rad(angles))
    return np.round(light).astype(np.uint16)


def mosaic(phase, layout=SONY, offset=(0, 0), **light):
    rows, columns = np.indices(phase.shape) + np.reshape(offset, (2, 1, 1))
    return raw(phase, np.reshape(layout, (2, 2))[rows % 2, columns % 2], **light)


def ready(phase, order=ANGLES, **light):
    return np.stack([raw(phase, angle, **light) for angle in order])


def recording(frames, **facts):
    known = {"polarization_layout": SONY, "reference_wave": "separate", "bit_depth": 12}
    known = {k: v for k, v in (known | facts).items() if v is not None}
    return Acquisition.from_array(frames, "polarization", name="cells", **known)


def run(acquisition, **parameters):
    engine = FourStepEngine(FourStepParameters(**parameters))
    token = CancelToken()
    resolved = engine.resolve(acquisition, token)
    frames = np.stack([resolved.read(t) for t in range(resolved.n_frames)])
    return engine.retrieve(frames, resolved, token)


def assert_is_cell(phase, tolerance=0.03, truth=None):
    """Away from mirrored borders the phase is the cell on a field of 0 rad."""
    truth = cell_phase(phase.shape) if truth is None else truth
    assert np.abs(phase - truth)[4:-4, 4:-4].max() < tolerance


def said(acquisition, words):
    return any(words in note for note in acquisition.notes)


@pytest.mark.parametrize("method", ["bilinear", "bicubic", "fourier"])
def test_mosaic_becomes_phase_on_a_flat_field(method):
    frame = mosaic(cell_phase() + background())
    result = run(recording(frame, handedness="positive"), demosaicing=method)
    # The Gaussian of Fourier demodulation is the softest at the steep cell edge.
    assert_is_cell(result.phase[0], tolerance=0.05)
    assert result.phase.dtype == np.float32
    assert result.frame_notes[0]["visibility"] == pytest.approx(0.8, abs=0.02)
    # Only the steep edge of the cell is softened by interpolation.
    assert np.median(result.amplitude) == pytest.approx(1200, rel=2e-3)
    assert np.median(result.quality) == pytest.approx(0.8, abs=2e-3)


@pytest.mark.parametrize("offset", [(0, 0), (1, 0), (0, 1), (1, 1)])
def test_roi_offset_of_the_camera_is_followed(offset):
    frame = mosaic(cell_phase() + background(), offset=offset)
    result = run(recording(frame, roi_offset_px=offset, handedness="positive"))
    assert_is_cell(result.phase[0])


@pytest.mark.parametrize("order", [ANGLES, (135, 0, 45, 90)])
def test_ready_angle_images_are_taken_in_their_order(order):
    frames = ready(cell_phase() + background(), order)[None]
    acquisition = recording(frames, polarization_layout=order, handedness="positive")
    assert_is_cell(run(acquisition).phase[0])


def test_unknown_order_of_ready_images_is_assumed_aloud():
    frames = ready(cell_phase() + background())[None]
    acquisition = recording(frames, polarization_layout=None, handedness="positive")
    result = run(acquisition)
    assert_is_cell(result.phase[0])
    assert said(result.acquisition, "taken as 0, 45, 90, 135 degrees")
    assert result.acquisition.instrument.polarization_layout == ANGLES


def test_unknown_layout_of_a_mosaic_is_asked_for():
    frame = mosaic(cell_phase())
    with pytest.raises(MissingMetadataError, match="needs polarization_layout"):
        run(recording(frame, polarization_layout=None))


@pytest.mark.parametrize("shape", [(95, 120), (96, 119), (95, 119)])
def test_odd_sized_mosaic_is_noted_and_loses_nothing(shape):
    frame = mosaic(cell_phase(shape) + background(shape))
    result = run(recording(frame, handedness="positive"))
    assert result.phase.shape == (1, *shape)
    assert_is_cell(result.phase[0])
    assert said(result.acquisition, f"odd size ({shape[0]} x {shape[1]})")


def test_missing_angle_is_told():
    frames = ready(cell_phase())[None, :3]
    with pytest.raises(LayoutError, match=r"'cells' has 3 channels.*angle is missing"):
        run(recording(frames))


def test_other_recordings_are_refused():
    frame = mosaic(cell_phase())
    acquisition = Acquisition.from_array(frame, "off-axis", name="hologram")
    with pytest.raises(ModalityError, match="'hologram' is off-axis"):
        run(acquisition)


@pytest.mark.parametrize(("handedness", "hand"), [("positive", 1), ("negative", -1)])
def test_stated_handedness_sets_the_sign(handedness, hand):
    frame = mosaic(cell_phase() + background(), hand=hand)
    result = run(recording(frame, handedness=handedness))
    assert_is_cell(result.phase[0])
    assert result.acquisition.instrument.phase_sign is None
    wrapped = result.wrapped[0].astype(float) - (cell_phase() + background())
    assert np.abs(np.angle(np.exp(1j * wrapped)))[4:-4, 4:-4].max() < 0.01


def test_stated_phase_sign_is_obeyed_even_against_the_look_of_cells():
    frame = mosaic(cell_phase() + background())
    phase = run(recording(frame, phase_sign=-1)).phase[0]
    assert phase[48, 48] < -4


@pytest.mark.parametrize("hand", [1, -1])
def test_unknown_handedness_makes_cells_thicker_than_medium_and_says_so(hand):
    frame = mosaic(cell_phase() + background(), hand=hand)
    result = run(recording(frame))
    assert_is_cell(result.phase[0])
    assert result.acquisition.instrument.phase_sign == hand
    assert said(result.acquisition, "so that cells are thicker than the medium")
    assert not said(result.acquisition, "is a guess")


def test_sign_of_an_empty_field_is_called_unclear(rng):
    frame = mosaic(background())
    frame += rng.integers(0, 20, frame.shape).astype(np.uint16)
    result = run(recording(frame))
    assert said(result.acquisition, "is a guess")


def test_reference_frame_removes_what_is_there_without_cells():
    y, x = np.indices(SHAPE)
    dirt = 2.5 * np.sin(x / 9) * np.cos(y / 11) + background()
    acquisition = recording(
        mosaic(cell_phase() + dirt), handedness="positive", reference=mosaic(dirt)
    )
    assert_is_cell(run(acquisition, background="offset").phase[0])


def test_reference_frame_without_fringes_is_refused():
    acquisition = recording(
        mosaic(cell_phase()), reference=np.full(SHAPE, 900, np.uint16)
    )
    with pytest.raises(LayoutError, match=r"reference frame of 'cells'.*no fringes"):
        run(acquisition)


def test_unknown_reference_wave_is_assumed_separate_aloud():
    result = run(recording(mosaic(cell_phase()), reference_wave=None, phase_sign=1))
    assert_is_cell(result.phase[0])
    assert said(result.acquisition, "separate, clean reference wave is assumed")


def test_point_diffraction_is_plain_four_step_with_a_warning_about_mass():
    frame = mosaic(cell_phase() + background())
    acquisition = recording(frame, reference_wave="point-diffraction", phase_sign=1)
    result = run(acquisition)
    assert_is_cell(result.phase[0])
    assert said(result.acquisition, "halo and lose dry mass")


def unscattered_camera(field, angles, mean=1800.0):
    """12-bit images of a field whose mean is shifted against the rest."""
    unscattered = field.mean()
    shifts = np.exp(2j * np.deg2rad(angles))
    light = np.abs(unscattered + (field - unscattered) * shifts) ** 2
    return np.round(mean / 2 * light).astype(np.uint16)


@pytest.mark.parametrize("hand", [1, -1])
def test_unscattered_light_as_reference_follows_the_slim_relation(hand):
    truth = cell_phase(peak=2.0)
    angles = hand * np.reshape(ANGLES, (4, 1, 1))
    field = np.exp(1j * truth)
    acquisition = recording(
        unscattered_camera(field, angles)[None],
        polarization_layout=ANGLES,
        reference_wave="unscattered",
        reference=unscattered_camera(np.ones(SHAPE, complex), angles),
    )
    result = run(acquisition, background="offset")
    assert_is_cell(result.phase[0], truth=truth)
    fraction = result.frame_notes[0]["unscattered_fraction"]
    assert fraction == pytest.approx(np.abs(field.mean()) ** 2, rel=0.01)


def test_unscattered_light_works_on_mosaics():
    truth = cell_phase(peak=2.0)
    rows, columns = np.indices(SHAPE)
    angles = np.reshape(SONY, (2, 2))[rows % 2, columns % 2]
    acquisition = recording(
        unscattered_camera(np.exp(1j * truth), angles),
        reference_wave="unscattered",
        handedness="positive",
        reference=unscattered_camera(np.ones(SHAPE, complex), angles),
    )
    result = run(acquisition, background="offset")
    assert_is_cell(result.phase[0], truth=truth)


def test_unscattered_light_without_blank_frame_says_which_to_record():
    acquisition = recording(mosaic(cell_phase()), reference_wave="unscattered")
    with pytest.raises(LayoutError, match="Record an empty field"):
        run(acquisition)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (np.zeros(SHAPE), "black"),
        (np.full(SHAPE, 4095), "saturated"),
        (np.full(SHAPE, 1200), "no fringes"),
    ],
)
def test_frame_without_phase_is_nan_with_a_reason_and_spares_the_others(bad, words):
    good = mosaic(cell_phase() + background())
    series = np.stack([good, bad.astype(np.uint16), good])
    result = run(recording(series, handedness="positive"))
    assert np.isnan(result.phase[1]).all()
    assert np.isnan(result.wrapped[1]).all()
    assert not result.quality[1].any()
    assert words in result.frame_notes[1]["problem"]
    for t in (0, 2):
        assert_is_cell(result.phase[t])
        assert "problem" not in result.frame_notes[t]


def test_nan_frame_and_nan_pixels_stay_local():
    good = mosaic(cell_phase() + background()).astype(np.float32)
    spotted = good.copy()
    spotted[10:12, 90:92] = np.nan
    spotted[20, 100] = np.inf
    series = np.stack([np.full_like(good, np.nan), spotted])
    result = run(recording(series, handedness="positive", bit_depth=None))
    assert "no valid numbers" in result.frame_notes[0]["problem"]
    lost = np.isnan(result.phase[1])
    assert lost[10, 90]
    assert lost[20, 100]
    # The bicubic kernel reaches three pixels.
    assert lost[7:15, 87:95].sum() + lost[17:24, 97:104].sum() == lost.sum()
    assert not result.quality[1][lost].any()
    assert np.nanmax(np.abs(result.phase[1] - cell_phase())[4:-4, 4:-4]) < 0.03


def test_saturated_pixels_are_marked_and_counted():
    frame = mosaic(cell_phase() + background())
    frame[60:64, 80:84] = 4095
    result = run(recording(frame, handedness="positive"))
    note = result.frame_notes[0]
    assert note["saturated_share"] == pytest.approx(16 / frame.size)
    assert "saturated" in note["warning"]
    assert not result.quality[0][57:67, 77:87].any()
    assert result.quality[0][50, 77] > 0.5


def test_saturation_at_full_scale_is_seen_when_the_bit_depth_is_unknown():
    frame = mosaic(cell_phase() + background())
    frame[60, 80] = 65535
    result = run(recording(frame, handedness="positive", bit_depth=None))
    assert result.frame_notes[0]["saturated_share"] == pytest.approx(1 / frame.size)


def test_cancel_stops_before_the_next_frame():
    engine, token = FourStepEngine(), CancelToken()
    acquisition = recording(mosaic(cell_phase()), handedness="positive")
    token.cancel()
    with pytest.raises(JobCancelled):
        engine.retrieve(acquisition.read(0)[None], acquisition, token)


def test_lazy_series_equals_the_engine_frame_by_frame():
    series = np.stack([mosaic(cell_phase(peak=p) + background()) for p in (4, 5)])
    acquisition = recording(series, handedness="positive")
    lazy, direct = retrieve(acquisition), run(acquisition)
    np.testing.assert_array_equal(lazy.phase.compute(), direct.phase)
    np.testing.assert_array_equal(lazy.quality.compute(), direct.quality)


def test_engine_is_registered_and_parameters_are_checked():
    engine = make_phase_engine("four-step", demosaicing="fourier")
    assert isinstance(engine, PhaseEngine)
    assert engine.parameters.demosaicing == "fourier"
    with pytest.raises(ParameterError, match="demosaicing"):
        make_phase_engine("four-step", demosaicing="nearest")
