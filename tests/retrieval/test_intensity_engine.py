"""Stacks and colour pictures become phase through the same buttons as holograms."""

import numpy as np
import pytest
import scipy.ndimage

from napari_qpm.acquisition import Acquisition, PhaseUnit
from napari_qpm.errors import LayoutError, MissingMetadataError
from napari_qpm.jobs import CancelToken
from napari_qpm.retrieval import make_phase_engine
from napari_qpm.specimens import simulate

SIDE, PIXEL_UM, WAVELENGTH_UM, INDEX = 128, 0.4, 0.55, 1.34
FOCUS_UM = (-2.0, 2.0)
FACTS = {
    "wavelength_nm": 1000 * WAVELENGTH_UM,
    "pixel_size_um": PIXEL_UM,
    "medium_index": INDEX,
    "focus_um": FOCUS_UM,
}


def truth_um():
    y, x = (np.mgrid[:SIDE, :SIDE] - SIDE / 2) * PIXEL_UM
    return 0.15 * np.exp(-((x - 4) ** 2 + y**2) / (2 * 4**2))


def stack(sign=1, light=2000.0):
    """Return planes ``(1, 2, Y, X)`` of a cell in a medium."""
    f = np.fft.fftfreq(SIDE, PIXEL_UM)
    field = np.exp(2j * np.pi * truth_um() / WAVELENGTH_UM)
    planes = []
    for z in FOCUS_UM:
        turn = -np.pi * WAVELENGTH_UM / INDEX * sign * z * (f[:, None] ** 2 + f**2)
        defocused = np.fft.ifft2(np.fft.fft2(field) * np.exp(1j * turn))
        planes.append(light * np.abs(defocused) ** 2)
    return np.stack(planes)[None]


def retrieve(acquisition, engine="tie", **parameters):
    made = make_phase_engine(engine, **parameters)
    resolved = made.resolve(acquisition, CancelToken())
    frames = np.stack([resolved.read(t) for t in range(resolved.n_frames)])
    return made.retrieve(frames, resolved, CancelToken())


@pytest.mark.parametrize("sign", [1, -1])
def test_cells_are_thicker_whichever_way_the_stage_counts(sign):
    result = retrieve(Acquisition.from_array(stack(sign), "through-focus", **FACTS))
    expected = 2 * np.pi * truth_um() / WAVELENGTH_UM
    assert result.acquisition.instrument.phase_sign == sign
    assert np.std(result.phase[0] - expected) < 0.03 * np.ptp(expected)


def test_unknown_wavelength_gives_optical_path():
    facts = {name: value for name, value in FACTS.items() if name != "wavelength_nm"}
    result = retrieve(Acquisition.from_array(stack(), "through-focus", **facts))
    assert result.unit is PhaseUnit.NANOMETRES
    assert np.ptp(result.phase[0]) == pytest.approx(150, rel=0.05)


@pytest.mark.parametrize("name", ["pixel_size_um", "focus_um", "medium_index"])
def test_what_is_missing_is_named(name):
    facts = {key: value for key, value in FACTS.items() if key != name}
    with pytest.raises(MissingMetadataError, match=name):
        retrieve(Acquisition.from_array(stack(), "through-focus", **facts))


def test_one_position_for_each_plane():
    facts = FACTS | {"focus_um": (-1, 0, 1)}
    with pytest.raises(LayoutError, match="3 positions for 2 planes"):
        retrieve(Acquisition.from_array(stack(), "through-focus", **facts))


def test_one_empty_frame_serves_all_planes():
    y = np.linspace(0.7, 1.3, SIDE)[:, None]
    uneven = stack() * y
    empty = np.broadcast_to(2000 * y, (SIDE, SIDE))
    acquisition = Acquisition.from_array(
        uneven, "through-focus", reference=empty, **FACTS
    )
    result = retrieve(acquisition, solver="uniform")
    expected = 2 * np.pi * truth_um() / WAVELENGTH_UM
    assert np.std(result.phase[0] - expected) < 0.03 * np.ptp(expected)


def test_black_frame_in_a_series_is_told_and_the_rest_survives():
    frames = np.concatenate([stack(), np.zeros_like(stack())])
    result = retrieve(Acquisition.from_array(frames, "through-focus", **FACTS))
    assert "black" in result.frame_notes[1]["problem"]
    assert np.isnan(result.phase[1]).all()
    assert np.isfinite(result.phase[0]).all()


@pytest.fixture(scope="module")
def colour_sample():
    return simulate("chromatic", n_frames=1, shape=(160, 160), noise=False)


@pytest.mark.parametrize("engine", ["tie-rgb", "wiener-rgb"])
def test_simulated_colour_picture_shows_its_cells(engine, colour_sample):
    result = retrieve(colour_sample.acquisition, engine)
    truth = colour_sample.phase[0]
    found = result.phase[0]
    # Broad bands, a wide-open lamp and the aperture cost sharpness, not cells.
    assert np.corrcoef(found.ravel(), truth.ravel())[0, 1] > 0.8


# --- How strong a phase the weak-phase filter takes --------------------------------

COLOURS_UM = np.array([0.605, 0.535, 0.465])
FINE_UM = 0.21


def round_cells(peak_rad):
    """Return the phase [rad] at 535 nm of two round cells with organelles."""
    y, x = (np.mgrid[:256, :256] - 128) * FINE_UM
    bodies = (
        *((0, -9, 7, 1), (6, 9, 5, 0.7)),
        *((0, -9, 1.5, 0.2), (3, -11, 0.8, 0.15), (8, 10, 1, 0.15)),
    )
    phase = np.zeros_like(x)
    for row, column, radius, height in bodies:
        apart = ((y - row) ** 2 + (x - column) ** 2) / radius**2
        phase += height * np.sqrt(np.maximum(0, 1 - apart))
    phase = scipy.ndimage.gaussian_filter(phase, 1.5)
    return phase * peak_rad / phase.max()


def colour_error(engine, peak_rad, focus_um):
    """Return the relative rms error without noise, and the notes of the frame."""
    f = np.fft.fftfreq(256, FINE_UM)
    f2 = f[:, None] ** 2 + f**2
    truth = round_cells(peak_rad)
    planes = []
    for wavelength, z in zip(COLOURS_UM, focus_um, strict=True):
        field = np.fft.fft2(np.exp(1j * truth * 0.535 / wavelength))
        moved = np.fft.ifft2(field * np.exp(-1j * np.pi * wavelength * z * f2))
        planes.append(1000 * np.abs(moved) ** 2)
    facts = {
        "wavelength_nm": 535,
        "pixel_size_um": FINE_UM,
        "medium_index": 1.0,
        "focus_um": focus_um,
        "phase_sign": 1,
    }
    acquisition = Acquisition.from_array(np.stack(planes)[None], "chromatic", **facts)
    result = retrieve(acquisition, engine, largest_um=200)
    centred, found = truth - truth.mean(), result.phase[0] - result.phase[0].mean()
    error = np.sqrt(np.mean((found - centred) ** 2) / np.mean(centred**2))
    return error, result.frame_notes[0]


STRENGTHS = [
    # focus of red, green, blue; peak; error of the filter, of transport; warned
    ((2.1, 0, 1), 0.3, 0.003, 0.010, False),
    ((2.1, 0, 1), 1, 0.009, 0.013, False),
    ((2.1, 0, 1), 2, 0.017, 0.021, False),
    ((2.1, 0, 1), 3, 0.025, 0.030, False),
    ((2.1, 0, 1), 6, 0.050, 0.029, True),
    ((-5, 0, 5), 3, 0.024, 0.030, False),
    ((-20, 0, 20), 0.3, 0.009, 0.081, False),
    ((-20, 0, 20), 1, 0.033, 0.084, False),
    ((-20, 0, 20), 2, 0.071, 0.093, True),
    ((-20, 0, 20), 3, 0.112, 0.132, True),
]
"""The table of docs/tie.md."""


@pytest.mark.parametrize(("focus", "peak", "weak", "transport", "warned"), STRENGTHS)
def test_weak_phase_filter_warns_where_its_error_reaches_5_percent(
    focus, peak, weak, transport, warned
):
    error, note = colour_error("wiener-rgb", peak, focus)
    assert error == pytest.approx(weak, rel=0.1, abs=0.001)
    assert ("warning" in note) is warned
    assert bool(error > 0.045) is warned
    assert colour_error("tie-rgb", peak, focus)[0] == pytest.approx(
        transport, rel=0.1, abs=0.001
    )
    if warned:
        # Only where transport is better does the warning send to it.
        is_better = transport < weak
        assert ("tie-rgb" in note["warning"]) is is_better
        assert ("no remedy" in note["warning"]) is not is_better


def test_colour_sample_is_too_strong_for_the_weak_phase_filter(colour_sample):
    engine = make_phase_engine("wiener-rgb")
    resolved = engine.resolve(colour_sample.acquisition, CancelToken())
    result = engine.retrieve(resolved.read(0)[None], resolved, CancelToken())
    mass = result.phase[0].sum() / colour_sample.phase[0].sum()
    assert mass > 1.3
    assert "weak-phase" in result.frame_notes[0]["warning"]
