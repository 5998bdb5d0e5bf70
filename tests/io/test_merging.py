from pathlib import Path

import numpy as np
import pytest

from napari_qpm.acquisition import ArraySource, Instrument, Modality, PhaseUnit
from napari_qpm.errors import ParameterError, UnknownNameError
from napari_qpm.io.merging import (
    check_instrument,
    complete_instrument,
    merge_instrument,
)
from napari_qpm.io.sidecar import Sidecar


def sidecar(**instrument):
    return Sidecar(path=Path("a/cells.qpm.yaml"), instrument=instrument)


def test_the_user_beats_the_sidecar_which_beats_the_file():
    notes = []
    instrument, sources = merge_instrument(
        {"wavelength_nm": 500, "pixel_size_um": 0.3, "medium_index": 1.33},
        sidecar(wavelength_nm=510, pixel_size_um=0.2),
        {"wavelength_nm": 520},
        notes,
    )
    assert instrument.wavelength_nm == 520
    assert instrument.pixel_size_um == 0.2
    assert instrument.medium_index == 1.33
    assert sources == {
        "wavelength_nm": "you",
        "pixel_size_um": "sidecar cells.qpm.yaml",
        "medium_index": "file",
    }
    assert (
        "pixel_size_um: 0.2 from sidecar cells.qpm.yaml replaces 0.3 from file."
        in notes
    )


def test_values_that_agree_need_no_note():
    notes = []
    merge_instrument({"pixel_size_um": 0.2}, None, {"pixel_size_um": 0.20001}, notes)
    assert notes == []


def test_camera_pixel_and_magnification_replace_a_pixel_size_of_the_file():
    given = {"camera_pixel_um": 5.0, "magnification": 50}
    instrument, _ = merge_instrument({"pixel_size_um": 5.0}, None, given, [])
    assert instrument.pixel_size_um == pytest.approx(0.1)


def test_nonsense_in_a_file_is_ignored_with_a_note():
    notes = []
    file = {"pixel_size_um": -1, "wavelength_nm": 532}
    instrument, _ = merge_instrument(file, None, {}, notes)
    assert instrument.pixel_size_um is None
    assert instrument.wavelength_nm == 532
    assert "pixel_size_um = -1 in the file cannot be used" in notes[0]


@pytest.mark.parametrize(
    ("name", "value"),
    [("roi_offset_px", 3), ("wavelength_nm", "green"), ("handedness", "left")],
)
def test_nonsense_in_a_sidecar_is_refused_with_its_name(name, value):
    with pytest.raises(ParameterError, match=rf"{name} = .*cells\.qpm\.yaml"):
        merge_instrument({}, sidecar(**{name: value}), {}, [])


def test_unknown_fields_are_refused_with_a_suggestion():
    with pytest.raises(UnknownNameError, match="Did you mean 'wavelength_nm'"):
        check_instrument({"wavelength": 532}, "the values you gave")


def complete(frame, modality, instrument=None, layout=None, sources=None):
    notes = []
    first = frame[None]
    found = complete_instrument(
        instrument or Instrument(),
        {} if sources is None else sources,
        ArraySource(first[None]),
        first,
        modality,
        layout,
        notes,
    )
    return found, " ".join(notes)


def test_metadata_on_bits_win_over_the_brightest_pixel():
    frame = np.full((8, 8), 900, np.uint16)
    found, notes = complete(frame, Modality.OFF_AXIS, Instrument(bit_depth=12))
    assert (found.bit_depth, found.bit_shift, notes) == (12, 0, "")


def test_stated_bits_may_still_be_shifted_up(rng):
    frame = rng.integers(0, 4096, (64, 64)).astype(np.uint16) << 4
    found, notes = complete(frame, Modality.OFF_AXIS, Instrument(bit_depth=12))
    assert (found.bit_depth, found.bit_shift) == (12, 4)
    assert "multiples of 16" in notes


def test_a_phase_without_unit_says_what_cannot_be_measured():
    found, notes = complete(np.zeros((8, 8), np.float32), Modality.PHASE)
    assert found.phase_unit is PhaseUnit.UNKNOWN
    assert "picograms cannot" in notes


def test_an_assumed_layout_is_never_silent():
    sources = {}
    frame = np.ones((8, 8), np.uint8)
    found, notes = complete(
        frame, Modality.POLARIZATION, layout=(90, 45, 135, 0), sources=sources
    )
    assert found.polarization_layout == (90, 45, 135, 0)
    assert sources["polarization_layout"] == "assumed"
    assert "row 0: 90, 45; row 1: 135, 0" in notes
    assert "polarization_layout=" in notes
    assert "roi_offset_px=" in notes


def test_an_odd_mosaic_keeps_its_shape_and_says_what_is_ignored():
    frame = np.ones((9, 11), np.uint8)
    layout = Instrument(polarization_layout=(90, 45, 135, 0))
    _, notes = complete(frame, Modality.POLARIZATION, layout)
    assert "odd size (9 x 11): its last row and column has no partner" in notes
