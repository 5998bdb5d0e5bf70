"""Acquisitions know what they know, and name what they do not."""

import dataclasses
import json
import math
import pickle

import dask.array as da
import numpy as np
import pytest

from napari_qpm.acquisition import (
    Acquisition,
    ArraySource,
    FrameSource,
    Modality,
    PhaseMap,
    PhaseUnit,
)
from napari_qpm.errors import (
    LayoutError,
    MissingMetadataError,
    ModalityError,
    UnknownNameError,
)
from napari_qpm.provenance import Step

FRAMES = np.arange(3 * 4 * 6, dtype=np.uint16).reshape(3, 4, 6)


class CountingSource:
    """Frames that remember which of them were read."""

    shape = (3, 1, 4, 6)
    dtype = np.dtype(np.uint16)

    def __init__(self):
        self.reads = []

    def read(self, t):
        self.reads.append(t)
        return FRAMES[t][None]


# --- Acquisition -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((4, 6), (1, 1, 4, 6)),
        ((3, 4, 6), (3, 1, 4, 6)),
        ((3, 2, 4, 6), (3, 2, 4, 6)),
    ],
)
def test_arrays_get_all_four_axes(shape, expected):
    acquisition = Acquisition.from_array(np.zeros(shape))
    assert acquisition.shape == expected
    assert acquisition.read(0).shape == expected[1:]
    assert isinstance(acquisition.source, FrameSource)


def test_arrays_with_other_axes_are_refused():
    with pytest.raises(LayoutError, match=r"\(7,\)"):
        ArraySource(np.zeros(7))


def test_frames_count_from_the_end_too_and_end_somewhere():
    acquisition = Acquisition.from_array(FRAMES, name="dish")
    np.testing.assert_array_equal(acquisition.read(-1)[0], FRAMES[2])
    with pytest.raises(LayoutError, match="'dish' has 3 frames; there is no frame 3"):
        acquisition.read(3)


def test_lazy_view_reads_one_frame_at_a_time_and_only_on_request():
    source = CountingSource()
    acquisition = Acquisition(source=source)
    lazy = acquisition.frames
    assert lazy.chunks == ((1, 1, 1), (1,), (4,), (6,))
    assert lazy.dtype == np.uint16
    assert source.reads == []
    np.testing.assert_array_equal(lazy[1, 0].compute(), FRAMES[1])
    assert source.reads == [1]


def test_lazy_arrays_are_accepted_as_frames():
    acquisition = Acquisition.from_array(da.from_array(FRAMES, chunks=(1, -1, -1)))
    assert isinstance(acquisition.read(2), np.ndarray)
    np.testing.assert_array_equal(acquisition.frames.compute()[:, 0], FRAMES)


def test_reference_must_fit_the_frames():
    fits = Acquisition.from_array(FRAMES, reference=FRAMES[0])
    assert fits.reference.shape == (1, 4, 6)
    with pytest.raises(LayoutError, match=r"\(1, 4, 5\).*\(1, 4, 6\)"):
        Acquisition.from_array(FRAMES, reference=FRAMES[0, :, :5])


def test_mosaic_is_a_polarization_frame_of_one_channel():
    assert Acquisition.from_array(FRAMES, "polarization").is_mosaic
    assert not Acquisition.from_array(FRAMES, "off-axis").is_mosaic
    angles = np.zeros((1, 4, 8, 8))
    assert not Acquisition.from_array(angles, "polarization").is_mosaic


@pytest.mark.parametrize(
    ("dtype", "facts", "level"),
    [
        (np.uint8, {}, 255),
        (np.uint16, {}, None),
        (np.uint16, {"bit_depth": 12}, 4095),
        (np.uint16, {"bit_depth": 12, "bit_shift": 4}, 4095 << 4),
        (np.float32, {"bit_depth": 12}, None),
    ],
)
def test_saturation_level_is_known_only_with_the_bit_depth(dtype, facts, level):
    acquisition = Acquisition.from_array(np.zeros((4, 4), dtype), **facts)
    assert acquisition.saturation_level == level


def test_unknown_modality_lists_the_known_ones():
    with pytest.raises(ModalityError, match="polarization, off-axis"):
        Acquisition.from_array(FRAMES).require_modality()
    with pytest.raises(UnknownNameError, match="no modality named 'holo'"):
        Acquisition.from_array(FRAMES, "holo")


def test_everything_missing_is_listed_with_what_needs_it():
    missing = Acquisition.from_array(FRAMES).missing()
    assert set(missing) == {
        "modality",
        "pixel_size_um",
        "wavelength_nm",
        "frame_interval_s",
    }
    assert missing["pixel_size_um"] == "lengths, areas and dry mass"


@pytest.mark.parametrize(
    ("unit", "missing"),
    [
        (None, {"phase_unit"}),
        ("unknown", {"phase_unit"}),
        ("nm", set()),
        ("pg/um2", set()),
        ("rad", {"wavelength_nm"}),
        ("waves", {"wavelength_nm"}),
    ],
)
def test_retrieved_phase_needs_a_wavelength_only_for_some_units(unit, missing):
    acquisition = Acquisition.from_array(
        FRAMES[0], "phase", pixel_size_um=1, phase_unit=unit
    )
    assert set(acquisition.missing()) == missing


def test_changes_leave_the_original_alone():
    first = Acquisition.from_array(FRAMES, "off-axis", wavelength_nm=633)
    second = first.with_instrument(wavelength_nm=532).with_note("odd", "odd")
    third = second.with_note("odd", "new")
    assert first.instrument.wavelength_nm == 633
    assert first.notes == ()
    assert third.notes == ("odd", "new")
    with pytest.raises(dataclasses.FrozenInstanceError):
        first.name = "other"


def test_record_is_plain_json():
    acquisition = Acquisition.from_array(FRAMES, "off-axis", reference=FRAMES[0])
    acquisition = acquisition.replace(history=(Step("open"),))
    stored = json.loads(json.dumps(acquisition.record()))
    assert stored["shape_tcyx"] == [3, 1, 4, 6]
    assert stored["modality"] == "off-axis"
    assert stored["has_reference"] is True
    assert "wavelength_nm" in stored["missing"]
    assert stored["history"][0]["name"] == "open"


# --- Phase map ---------------------------------------------------------------------


def make_map(unit=PhaseUnit.RADIANS, **instrument):
    acquisition = Acquisition.from_array(FRAMES, Modality.OFF_AXIS, **instrument)
    phase = FRAMES.astype(np.float32)
    return PhaseMap(phase=phase, acquisition=acquisition, unit=unit)


def test_phase_has_three_axes():
    acquisition = Acquisition.from_array(FRAMES)
    with pytest.raises(LayoutError, match=r"\(T, Y, X\)"):
        PhaseMap(phase=FRAMES[0], acquisition=acquisition)


@pytest.mark.parametrize(
    ("unit", "factor"),
    [
        ("rad", 532 / (2 * math.pi)),
        ("waves", 532.0),
        ("nm", 1.0),
        ("um", 1000.0),
    ],
)
def test_units_convert_to_optical_path(unit, factor):
    phase_map = make_map(PhaseUnit(unit), wavelength_nm=532)
    assert phase_map.opd_nm_per_unit() == pytest.approx(factor)


@pytest.mark.parametrize(
    ("unit", "field"),
    [("rad", "wavelength_nm"), ("unknown", "phase_unit"), ("pg/um2", "phase_unit")],
)
def test_optical_path_without_its_facts_names_the_missing_one(unit, field):
    with pytest.raises(MissingMetadataError) as caught:
        make_map(PhaseUnit(unit)).opd_nm_per_unit()
    assert caught.value.field == field


def test_pixel_of_a_coarser_map_is_larger():
    phase_map = make_map(pixel_size_um=0.5).replace(grid_scale=(2.0, 3.0))
    assert phase_map.pixel_size_um == (1.0, 1.5)
    assert make_map().pixel_size_um is None


def test_reading_a_lazy_map_gives_one_float_frame():
    lazy = da.from_array(FRAMES.astype(float), chunks=(1, -1, -1))
    frame = make_map().replace(phase=lazy).read(1)
    assert frame.dtype == np.float32
    np.testing.assert_array_equal(frame, FRAMES[1])


def test_record_of_a_map_is_plain_json():
    stored = json.loads(json.dumps(make_map(pixel_size_um=0.5).record()))
    assert stored["unit"] == "rad"
    assert stored["pixel_size_um"] == [0.5, 0.5]
    assert stored["acquisition"]["name"] == "array"


def test_acquisition_travels_to_another_process_after_its_frames_were_used(rng):
    frames = rng.integers(0, 255, (3, 1, 8, 9), dtype=np.uint8)
    acquisition = Acquisition.from_array(frames, "off-axis")
    expected = acquisition.frames[1].compute()
    copy = pickle.loads(pickle.dumps(acquisition))
    np.testing.assert_array_equal(copy.frames[1].compute(), expected)
