"""A real defocused field: autofocus finds the plane that nrefocus finds."""

import zipfile

import nrefocus
import numpy as np
import pytest

from napari_qpm.jobs import CancelToken
from napari_qpm.retrieval.cell_focus import focus_cells
from napari_qpm.retrieval.propagator import Propagator, find_focus

PIXEL_UM, WAVELENGTH_UM, INDEX = 0.139, 0.647, 1.335
"""Of the shearing-interferometry series of the same cells; the file states none."""


@pytest.fixture(scope="module")
def field(shared_data):
    path = shared_data / "field-hl60-defocused" / "HL60_field.zip"
    with zipfile.ZipFile(path) as archive:
        real, imaginary = (
            np.loadtxt(archive.open(f"HL60_{part}.txt")) for part in ("real", "imag")
        )
    return real + 1j * imaginary


def test_autofocus_finds_the_plane_of_nrefocus(field):
    theirs = nrefocus.iface.RefocusNumpy(
        field=field,
        wavelength=WAVELENGTH_UM * 1e-6,
        pixel_size=PIXEL_UM * 1e-6,
        medium_index=INDEX,
    ).autofocus(interval=(-12e-6, 12e-6), metric="average gradient")
    propagator = Propagator(field.shape, (PIXEL_UM, PIXEL_UM), WAVELENGTH_UM, INDEX)
    ours = find_focus(field, propagator, 0.0, 12.0, CancelToken())
    assert ours == pytest.approx(theirs * 1e6, abs=0.2)
    there = propagator.at(propagator.spectrum(field), ours)
    assert np.abs(there).std() < 0.8 * np.abs(field).std()


def test_the_cell_by_itself_has_the_focus_of_its_field(field):
    propagator = Propagator(field.shape, (PIXEL_UM, PIXEL_UM), WAVELENGTH_UM, INDEX)
    found = find_focus(field, propagator, 0.0, 12.0, CancelToken())
    recorded = field.astype(np.complex64)
    composite, (cell,) = focus_cells(recorded, propagator, 12.0, CancelToken())
    assert cell.distance_um == pytest.approx(found, abs=0.1)
    assert np.abs(composite).std() < 0.8 * np.abs(field).std()
