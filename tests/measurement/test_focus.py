"""The table says in which plane each frame and each cell is shown."""

import numpy as np
import pytest

import napari_qpm as qpm
from napari_qpm.measurement import column_units, measure
from napari_qpm.provenance import Step
from napari_qpm.retrieval.propagator import Propagator

OPTICS = {"wavelength_nm": 532, "pixel_size_um": 0.1, "frame_interval_s": 10}


@pytest.fixture
def labels():
    """Two cells far apart, and two that touch, ``(2, Y, X)``."""
    image = np.zeros((80, 80), np.int32)
    image[5:15, 5:15], image[5:15, 60:70] = 1, 2
    image[50:60, 30:40], image[50:60, 40:50] = 3, 4
    return np.stack([image, image])


@pytest.fixture
def refocused(make_phase_map, labels):
    """Maker of a phase map that was retrieved with these parameters and notes."""

    def make(notes=(), **parameters):
        made = make_phase_map((labels > 0).astype(np.float32), **OPTICS)
        step = Step("retrieve", "fourier", parameters)
        return made.replace(frame_notes=tuple(notes), history=(step,))

    return make


def test_every_row_has_the_focus_of_its_frame(refocused, labels):
    notes = ({"focus_um": 3.2}, {"focus_um": -1.5})
    table = measure(refocused(notes, autofocus="frame"), labels)
    assert table["focus_um"].tolist() == [3.2] * 4 + [-1.5] * 4
    assert "cell_focus_um" not in table
    assert column_units(table)["focus_um"] == "um"


def test_each_cell_has_its_own_focus_and_touching_ones_share_it(refocused, labels):
    cells = [[9.5, 9.5, 4.0], [54.5, 39.5, -2.0]]
    notes = ({"focus_um": 1.0, "cell_focus_um": cells}, {"focus_um": 1.0})
    table = measure(refocused(notes, autofocus="cells"), labels)
    first, second = (table[table["frame"] == t]["cell_focus_um"] for t in (0, 1))
    # Cell 2 showed no focus of its own; in frame 1 none did.
    np.testing.assert_equal(first.to_numpy(), [4.0, np.nan, -2.0, -2.0])
    assert second.isna().all()
    assert column_units(table)["cell_focus_um"] == "um"


def test_stated_distance_is_the_focus(refocused, labels):
    table = measure(refocused(refocus_um=2.5, autofocus="off"), labels)
    assert table["focus_um"].tolist() == [2.5] * 8


@pytest.mark.parametrize("parameters", [{}, {"refocus_um": 0.0, "autofocus": "off"}])
def test_what_was_not_refocused_has_no_such_column(refocused, labels, parameters):
    table = measure(refocused(**parameters), labels)
    assert not {"focus_um", "cell_focus_um"} & {*table, *table.attrs["missing"]}


def test_unknown_focus_stays_unknown(refocused, labels):
    assert measure(refocused(autofocus="frame"), labels)["focus_um"].isna().all()


@pytest.fixture(scope="module")
def hologram():
    """Hologram of two cells, 5 um behind and 4 um before the plane in focus."""
    side, pixel, wavelength, index = 256, 0.1, 0.55, 1.337
    y, x = (np.mgrid[:side, :side] - side / 2) * pixel
    phase = 1.5 * np.exp(-(((x - 1) ** 2 + y**2) ** 2) / 4**4)
    for row, column in ((0, 0), (2, -2), (-2, 1)):
        phase += 0.5 * np.exp(-((x - column) ** 2 + (y - row) ** 2) / 0.5)
    propagator = Propagator((side, side), (pixel, pixel), wavelength, index)
    field = np.ones((side, side), complex)
    for shift, distance in ((-50, 5.0), (60, -4.0)):
        cell = np.exp(1j * np.roll(phase, shift, axis=1))
        field += propagator.at(propagator.spectrum(cell), distance) - 1
    rows, columns = np.mgrid[:side, :side]
    carrier = np.exp(2j * np.pi * (0.24 * rows + 0.21 * columns))
    return qpm.Acquisition.from_array(
        1000 * np.abs(1 + 0.7 * field * carrier) ** 2,
        "off-axis",
        wavelength_nm=1000 * wavelength,
        pixel_size_um=pixel,
        medium_index=index,
        phase_sign=1,
    )


def test_table_of_a_hologram_holds_the_planes_of_its_cells(hologram):
    phase = qpm.retrieve(hologram, autofocus="cells", focus_range_um=12)
    image = np.zeros(phase.shape, np.int32)
    _, ny, nx = phase.shape
    rows = slice(ny // 2 - ny // 8, ny // 2 + ny // 8)
    for number, middle in ((1, nx * 78 // 256), (2, nx * 188 // 256)):
        image[0, rows, middle - nx // 8 : middle + nx // 8] = number
    table = qpm.measure(phase, image)
    assert np.isfinite(table["focus_um"]).all()
    found = table["cell_focus_um"].tolist()
    assert found == pytest.approx([-5, 4], abs=0.5)
