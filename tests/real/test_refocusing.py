"""A real defocused field: autofocus finds the plane that nrefocus finds."""

import zipfile

import nrefocus
import numpy as np
import pytest

from napari_qpm.jobs import CancelToken
from napari_qpm.retrieval.refocusing import Propagator, find_focus

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
