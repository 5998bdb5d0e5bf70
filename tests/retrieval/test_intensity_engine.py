"""Stacks and colour pictures become phase through the same buttons as holograms."""

import numpy as np
import pytest

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
