"""Refocusing a field finds the plane that the simulation, and nrefocus, put it in."""

import nrefocus
import numpy as np
import pytest

from napari_qpm.acquisition import Acquisition
from napari_qpm.errors import MissingMetadataError
from napari_qpm.jobs import CancelToken
from napari_qpm.retrieval import PHASE_ENGINES, make_phase_engine
from napari_qpm.retrieval.cell_focus import focus_cells
from napari_qpm.retrieval.propagator import Propagator, find_focus

SIDE, PIXEL_UM, WAVELENGTH_UM, INDEX = 128, 0.25, 0.55, 1.337
FINE_PIXEL_UM = 0.1
"""Of holograms, whose filter keeps less detail than their pixels."""
FACTS = {
    "wavelength_nm": 1000 * WAVELENGTH_UM,
    "pixel_size_um": FINE_PIXEL_UM,
    "medium_index": INDEX,
    "phase_sign": 1,
}


def propagator(side=SIDE, pixel=PIXEL_UM):
    return Propagator((side, side), (pixel, pixel), WAVELENGTH_UM, INDEX)


def cell(side=SIDE, pixel=PIXEL_UM):
    """Return the phase [rad] of a cell with a nucleus and granules."""
    y, x = (np.mgrid[:side, :side] - side / 2) * pixel
    phase = 1.5 * np.exp(-(((x - 1) ** 2 + y**2) ** 2) / 4**4)
    for row, column in ((0, 0), (2, -2), (-2, 1)):
        phase += 0.5 * np.exp(-((x - column) ** 2 + (y - row) ** 2) / 0.5)
    return phase


def defocused(distance_um, **where):
    """Return the field of the cell, `distance_um` behind its focus."""
    moved = propagator(**where)
    return moved.at(moved.spectrum(np.exp(1j * cell(**where))), distance_um)


def test_propagation_equals_nrefocus_where_nothing_reaches_the_edge():
    y, x = (np.mgrid[:SIDE, :SIDE] - SIDE / 2) * PIXEL_UM
    bump = np.exp(-(x**2 + y**2) / 18)
    field = 1 + 0.3j * bump
    theirs = nrefocus.iface.RefocusNumpy(
        field=field,
        wavelength=WAVELENGTH_UM * 1e-6,
        pixel_size=PIXEL_UM * 1e-6,
        medium_index=INDEX,
        padding=False,
    ).propagate(3e-6)
    ours = propagator().at(propagator().spectrum(field), 3.0)
    assert np.abs(ours - theirs).max() < 1e-5


def test_there_and_back_again():
    field = defocused(7.0)
    back = propagator().at(propagator().spectrum(field), -7.0)
    # Waves that do not propagate are lost, no others.
    assert np.abs(back - np.exp(1j * cell())).max() < 0.02


@pytest.mark.parametrize("distance", [-8.3, -1.7, 0.0, 4.2, 12.6])
def test_autofocus_finds_the_plane_of_the_cell(distance):
    found = find_focus(defocused(distance), propagator(), 0.0, 15.0, CancelToken())
    assert found == pytest.approx(-distance, abs=0.2)


def hologram(distance_um):
    """Return a hologram ``(Y, X)`` of the defocused cell, and the true phase."""
    field = defocused(distance_um, side=256, pixel=FINE_PIXEL_UM)
    y, x = np.mgrid[:256, :256]
    carrier = np.exp(2j * np.pi * (0.24 * y + 0.21 * x))
    noise = np.random.default_rng(0).normal(0, 5, field.shape)
    return 1000 * np.abs(1 + 0.7 * field * carrier) ** 2 + noise


def retrieve(frame, engine="fourier", facts=FACTS, **parameters):
    acquisition = Acquisition.from_array(frame, "off-axis", **facts)
    made = make_phase_engine(engine, **parameters)
    resolved = made.resolve(acquisition, CancelToken())
    return made.retrieve(resolved.read(0)[None], resolved, CancelToken())


def misfit(result):
    """Return the rms phase error [rad] away from the edges."""
    _, ny, nx = result.shape
    rows, columns = np.arange(ny) * 256 // ny, np.arange(nx) * 256 // nx
    truth = cell(side=256, pixel=FINE_PIXEL_UM)[np.ix_(rows, columns)]
    error = result.phase[0] - truth
    return float(np.std(error[ny // 8 : -ny // 8, nx // 8 : -nx // 8]))


@pytest.mark.parametrize("grid", ["cropped", "full"])
def test_hologram_out_of_focus_is_refocused_on_the_grid_of_its_phase(grid):
    frame = hologram(9.0)
    plain = retrieve(frame, grid=grid)
    by_hand = retrieve(frame, grid=grid, refocus_um=-9)
    by_itself = retrieve(frame, grid=grid, autofocus="frame")
    assert by_itself.frame_notes[0]["focus_um"] == pytest.approx(-9, abs=0.5)
    assert misfit(by_hand) < 0.5 * misfit(plain)
    assert misfit(by_itself) < 0.5 * misfit(plain)


def two_cells(heights_um, side=256):
    """Return the field of two cells at other heights, and the true phase."""
    truth = cell(side=side, pixel=FINE_PIXEL_UM)
    moved = propagator(side, FINE_PIXEL_UM)
    field, phase = 1 + 0j, 0.0
    for height, shift in zip(heights_um, (-50, 60), strict=True):
        one = np.roll(truth, shift, axis=1)
        phase = phase + one
        field = field + moved.at(moved.spectrum(np.exp(1j * one)), height) - 1
    return field, phase


def test_cells_at_other_heights_come_into_focus_each():
    field, truth = two_cells((5.0, -4.0))
    move = propagator(256, FINE_PIXEL_UM)

    composite, cells = focus_cells(field.astype(np.complex64), move, 8.0, CancelToken())

    found = {round(c.x) // 128: c.distance_um for c in cells}
    assert found == pytest.approx({0: -5.0, 1: 4.0}, abs=0.3)
    error = np.angle(composite * np.exp(-1j * truth))
    for plane in (0.0, -5.0, 4.0):
        one_plane = move.at(move.spectrum(field), plane)
        assert error.std() < 0.5 * np.angle(one_plane * np.exp(-1j * truth)).std()


def test_an_even_field_and_dust_have_no_cells(rng):
    field = 1 + 0.05 * rng.normal(size=(2, 96, 96))
    field = (field[0] + 1j * field[1]).astype(np.complex64)
    field[40:44, 40:44] *= -1
    composite, cells = focus_cells(field, propagator(96), 8.0, CancelToken())
    assert cells == []
    np.testing.assert_array_equal(composite, field)


def test_a_hologram_says_where_each_cell_was_in_focus():
    result = retrieve(hologram(9.0), autofocus="cells")
    (note,) = result.frame_notes
    ((y, x, distance),) = note["cell_focus_um"]
    assert distance == pytest.approx(-9, abs=0.5)
    assert y == pytest.approx(result.shape[1] / 2, abs=3)
    assert x == pytest.approx(result.shape[2] / 2, abs=5)
    assert misfit(result) < 0.5 * misfit(retrieve(hologram(9.0)))


def test_other_sideband_is_refocused_to_the_same_side():
    facts = FACTS | {"sideband_cycles_per_px": (-0.24, -0.21), "phase_sign": -1}
    result = retrieve(hologram(9.0), facts=facts, autofocus="frame")
    assert result.frame_notes[0]["focus_um"] == pytest.approx(-9, abs=0.5)


@pytest.mark.parametrize("name", ["wavelength_nm", "pixel_size_um", "medium_index"])
def test_what_refocusing_lacks_is_named_only_when_it_is_asked_for(name):
    facts = {key: value for key, value in FACTS.items() if key != name}
    frame = hologram(0.0)
    assert np.isfinite(retrieve(frame, facts=facts).phase).all()
    with pytest.raises(MissingMetadataError, match=name):
        retrieve(frame, facts=facts, refocus_um=2)


def test_refocusing_is_offered_where_there_is_a_field_and_nowhere_else():
    offered = {
        entry.name
        for entry in PHASE_ENGINES
        if "refocus_um" in entry.load().Parameters.model_fields
    }
    assert offered == {"fourier", "qpretrieve", "four-step", "phase-shifting"}
