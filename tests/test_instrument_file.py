import pytest
import yaml

from napari_qpm.acquisition import Instrument
from napari_qpm.errors import FileFormatError, OutputError, UnknownNameError
from napari_qpm.instrument_file import dump_instrument, load_instrument

FULL = Instrument(
    wavelength_nm=532,
    numerical_aperture=0.3,
    polarization_layout=(90, 45, 135, 0),
    handedness="negative",
    reference_wave="separate",
    sideband_cycles_per_px=(0.2207123456, -0.2383),
    phase_sign=-1,
    bit_depth=12,
    visibility=0.7,
    read_noise_e=1e-5,
    background_rad=((0, 0, 0.4), (2, 0, 3.25), (11, 0, -1e-7)),
    analyser_gains=(1.01, 0.99, 1.0, 1.0),
)


@pytest.mark.parametrize("instrument", [Instrument(), FULL])
def test_file_gives_the_same_instrument_back(tmp_path, instrument):
    path = dump_instrument(instrument, tmp_path / "new" / "instrument.yaml")
    assert load_instrument(path) == instrument
    assert list(path.parent.iterdir()) == [path]


def test_remarks_stand_as_comments(tmp_path):
    remarks = {"visibility": "fringes " * 30, "gain_e_per_count": "not identifiable"}
    path = dump_instrument(
        FULL, tmp_path / "a.yaml", comments=remarks, title="My microscope"
    )
    text = path.read_text()
    assert text.startswith("# My microscope\n")
    assert "# gain_e_per_count: not identifiable" in text
    assert max(map(len, text.splitlines())) <= 90
    assert yaml.safe_load(text)["visibility"] == 0.7
    assert load_instrument(path) == FULL


def test_sidecar_of_a_recording_is_an_instrument_file(tmp_path):
    path = tmp_path / "cells.qpm.yaml"
    path.write_text("modality: off-axis\nreference: a.tif\nwavelength_nm: 532\n")
    assert load_instrument(path) == Instrument(wavelength_nm=532)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("wavelenght_nm: 532", UnknownNameError, "Did you mean 'wavelength_nm'"),
        ("visibility: 2", FileFormatError, "visibility: 2 in the instrument file"),
        ("- 1\n- 2", FileFormatError, "holds a list"),
        ("a: [1", FileFormatError, "not valid YAML near line"),
    ],
)
def test_mistakes_name_file_and_key(tmp_path, text, error, message):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(error, match=message) as raised:
        load_instrument(path)
    assert "bad.yaml" in str(raised.value)


def test_absent_and_unwritable_files_are_said(tmp_path):
    with pytest.raises(FileFormatError, match="cannot be read"):
        load_instrument(tmp_path / "none.yaml")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        dump_instrument(FULL, tmp_path / "file" / "a.yaml")


def test_empty_file_knows_nothing(tmp_path):
    path = tmp_path / "empty.yaml"
    path.write_text("# nothing yet\n")
    assert load_instrument(path) == Instrument()
