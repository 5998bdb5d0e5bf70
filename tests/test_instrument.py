"""What is known of a microscope is checked once, and stored as plain values."""

import json
import math

import pytest

from napari_qpm.errors import (
    LayoutError,
    MissingMetadataError,
    ParameterError,
    UnknownNameError,
)
from napari_qpm.instrument import Handedness, Instrument


def test_nothing_is_known_by_default():
    known = Instrument().to_dict()
    assert known == {}


def test_pixel_size_follows_from_camera_and_magnification():
    instrument = Instrument(camera_pixel_um=3.45, magnification=20)
    assert instrument.pixel_size_um == pytest.approx(0.1725)
    stated = Instrument(camera_pixel_um=3.45, magnification=20, pixel_size_um=0.2)
    assert stated.pixel_size_um == 0.2


@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf, "wide", [1]])
def test_impossible_lengths_are_refused(value):
    with pytest.raises(ParameterError, match="wavelength_nm is a positive number"):
        Instrument(wavelength_nm=value)


def test_numbers_given_as_text_are_converted():
    assert Instrument(wavelength_nm="532").wavelength_nm == 532.0


def test_words_become_enums_and_wrong_words_list_the_options():
    assert Instrument(handedness="negative").handedness is Handedness.NEGATIVE
    with pytest.raises(UnknownNameError, match="negative, positive"):
        Instrument(handedness="left")


def test_impossible_layout_and_sign_are_refused():
    with pytest.raises(LayoutError, match="not an order of 0, 45, 90, 135"):
        Instrument(polarization_layout=(0, 0, 45, 90))
    with pytest.raises(ParameterError, match="phase_sign"):
        Instrument(phase_sign=2)


def test_unknown_field_is_named_with_the_closest():
    with pytest.raises(UnknownNameError, match="Did you mean 'wavelength_nm'"):
        Instrument().replace(wavelength=532)


def test_instrument_survives_json():
    instrument = Instrument(
        wavelength_nm=532,
        polarization_layout=[90, 45, 135, 0],
        handedness="positive",
        phase_unit="rad",
        roi_offset_px=[1, 0],
        bit_shift=4,
        visibility=0.8,
        unevenness=[[1, 0, 0.2]],
        background_rad=[[0, 1, 3.5], [2, 0, -1]],
        analyser_gains=[1, 1.1, 0.9, 1],
        analyser_angle_errors_deg=(0.5, 0, -0.5, 0),
        extinction_ratio=0.01,
        read_noise_e=0,
    )
    stored = json.loads(json.dumps(instrument.to_dict()))
    assert Instrument.from_dict(stored) == instrument


def test_required_value_is_returned_or_named():
    assert Instrument(wavelength_nm=532).require("wavelength_nm", "OPD") == 532
    with pytest.raises(MissingMetadataError, match=r"OPD needs wavelength_nm"):
        Instrument().require("wavelength_nm", "OPD")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("visibility", 0),
        ("visibility", 1.2),
        ("brightness_counts", -5),
        ("gain_e_per_count", 0),
        ("read_noise_e", -1),
        ("dark_counts", math.nan),
        ("extinction_ratio", 1),
        ("analyser_gains", (1, 1, 1)),
        ("analyser_gains", (1, 1, 0, 1)),
        ("analyser_gains", "1111"),
        ("analyser_angle_errors_deg", (0, 0, 0, "wide")),
        ("analyser_angle_errors_deg", 3),
        ("background_rad", [(0, 1)]),
        ("unevenness", [(1, 0)]),
        ("background_rad", [(0.5, 1, 2)]),
        ("background_rad", [(-1, 1, 2)]),
        ("background_rad", [(0, 1, math.inf)]),
        ("background_rad", 3),
    ],
)
def test_impossible_camera_facts_are_refused_by_name(name, value):
    with pytest.raises(ParameterError, match=name):
        Instrument(**{name: value})


def test_an_unknown_background_is_empty_and_a_known_one_is_kept():
    assert Instrument().background_rad == ()
    known = Instrument(background_rad=[[1, 0, "2.5"]])
    assert known.background_rad == ((1, 0, 2.5),)
    assert known.to_dict() == {"background_rad": [[1, 0, 2.5]]}
