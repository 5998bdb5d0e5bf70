"""A median over time with cells in it is told from an empty field."""

import numpy as np
import pytest

import napari_qpm as qpm
from napari_qpm.acquisition import Acquisition
from napari_qpm.io import with_reference
from napari_qpm.jobs import CancelToken
from napari_qpm.pipeline import Pipeline, retrieve_step
from napari_qpm.retrieval import make_phase_engine
from napari_qpm.retrieval.median_field import with_judged_median

SIDE, N_FRAMES = 160, 9
Y, X = np.mgrid[:SIDE, :SIDE]
FIELD = 0.8 * np.sin(X / 11) * np.cos(Y / 17)
"""Phase of the empty field [rad], which no polynomial fits."""
OPTICS = {"phase_sign": 1, "pixel_size_um": 0.5, "wavelength_nm": 532}


def cells(places):
    phase = np.zeros((SIDE, SIDE))
    for y, x in places:
        phase += 2.5 * np.exp(-((((Y - y) ** 2 + (X - x) ** 2) / 170) ** 2))
    return phase


def series(n_cells, speed_px):
    """Return the phases of cells that all go this far from frame to frame."""
    rng = np.random.default_rng(4)
    places = rng.uniform(0, SIDE, (n_cells, 2))
    ways = rng.normal(size=(N_FRAMES, n_cells, 2)).cumsum(axis=0) * speed_px
    return np.stack([cells((places + way) % SIDE) for way in ways])


def recording(phases):
    rng = np.random.default_rng(0)
    carrier = 2 * np.pi * (0.24 * Y + 0.21 * X)
    frames = 2000 * (1 + 0.7 * np.cos(carrier + phases + FIELD))
    frames = (frames + rng.normal(0, 10, frames.shape)).astype(np.uint16)
    return Acquisition.from_array(frames, "off-axis", **OPTICS)


def told(acquisition):
    return [n for n in acquisition.notes if n.startswith("The reference frame")]


def phase_error(phase_map, phases):
    """Return how far the phase in cells is off [rad], mean over pixels and frames."""
    _, ny, nx = phase_map.shape
    grid = np.ix_(np.arange(ny) * SIDE // ny, np.arange(nx) * SIDE // nx)
    found = []
    for t, truth in enumerate(phases):
        seen = truth[grid] > 0.5
        seen[:4], seen[-4:], seen[:, :4], seen[:, -4:] = False, False, False, False
        found.append(np.abs(phase_map.read(t) - truth[grid])[seen].mean())
    return float(np.mean(found))


def test_median_of_cells_that_move_is_an_empty_field():
    phases = series(5, 40)
    plain = recording(phases)
    corrected = qpm.retrieve(with_reference(plain, "median"))
    assert "is not seen to hold cells" in told(corrected.acquisition)[-1]
    assert corrected.acquisition.has_empty_reference
    without = phase_error(qpm.retrieve(plain), phases)
    assert phase_error(corrected, phases) < 0.5 * without


@pytest.mark.parametrize(("n_cells", "speed_px"), [(8, 0.1), (8, 2), (60, 40)])
def test_median_with_cells_in_it_is_told_and_its_mass_relative(n_cells, speed_px):
    taken = with_reference(recording(series(n_cells, speed_px)), "median")
    phase = qpm.retrieve(taken)
    assert "do not move enough" in told(phase.acquisition)[-1]
    assert not phase.acquisition.has_empty_reference
    labels = np.zeros(phase.shape, np.int32)
    labels[:, 10:20, 10:20] = 1
    assert qpm.measure(phase, labels)["dry_mass_is_relative"].all()


def test_pipeline_and_python_say_the_same():
    taken = with_reference(recording(series(8, 0.1)), "median")
    retrieval = retrieve_step(Pipeline(), taken)
    assert told(retrieval.acquisition) == told(qpm.retrieve(taken).acquisition)
    assert retrieval.frame(3).frame_notes[0]["dry_mass_is_relative"] is True


def test_other_recordings_are_not_judged():
    plain = recording(series(8, 0.1)[:1])
    engine = make_phase_engine("fourier")
    for one in (plain, with_reference(plain, FIELD)):
        assert with_judged_median(engine, one, CancelToken()) is one


def test_a_median_is_judged_once():
    taken = with_reference(recording(series(8, 0.1)), "median")
    once = qpm.retrieve(taken).acquisition
    assert qpm.retrieve(once).acquisition.notes == once.notes
