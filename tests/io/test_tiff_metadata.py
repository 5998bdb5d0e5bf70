import numpy as np
import pytest
import tifffile

from napari_qpm.io.tiff import read_tiff

FRAMES = np.zeros((6, 32, 32), np.uint16)


def instrument_of(tmp_path, **keywords):
    path = tmp_path / "cells.tif"
    tifffile.imwrite(path, FRAMES, **keywords)
    (field,) = read_tiff(path)
    return field.instrument, " ".join(field.notes)


def test_ome_metadata_are_taken_with_their_units(tmp_path):
    instrument, _ = instrument_of(
        tmp_path,
        ome=True,
        metadata={
            "axes": "TYX",
            "PhysicalSizeX": 110.0,
            "PhysicalSizeXUnit": "nm",
            "PhysicalSizeY": 110.0,
            "PhysicalSizeYUnit": "nm",
            "SignificantBits": 12,
            "TimeIncrement": 500.0,
            "TimeIncrementUnit": "ms",
            "Channel": {
                "ExcitationWavelength": 0.532,
                "ExcitationWavelengthUnit": "µm",
            },
        },
    )
    assert instrument["pixel_size_um"] == pytest.approx(0.11)
    assert instrument["frame_interval_s"] == pytest.approx(0.5)
    assert instrument["wavelength_nm"] == pytest.approx(532)
    assert instrument["bit_depth"] == 12


def test_ome_times_of_single_planes_give_the_interval(tmp_path):
    instrument, _ = instrument_of(
        tmp_path,
        ome=True,
        metadata={
            "axes": "TYX",
            "Plane": {"DeltaT": [0.0, 30.0, 60.0, 90.0, 120.0, 150.0]},
        },
    )
    assert instrument["frame_interval_s"] == pytest.approx(30)


def test_several_wavelengths_ask_which_one(tmp_path):
    path = tmp_path / "cells.tif"
    channels = {"ExcitationWavelength": [488.0, 561.0]}
    metadata = {"axes": "TCYX", "Channel": channels}
    tifffile.imwrite(path, FRAMES.reshape(3, 2, 32, 32), ome=True, metadata=metadata)
    (field,) = read_tiff(path)
    assert "wavelength_nm" not in field.instrument
    assert "488, 561 nm" in field.notes[0]


def test_imagej_units_are_taken(tmp_path):
    instrument, _ = instrument_of(
        tmp_path,
        imagej=True,
        resolution=(1 / 0.2, 1 / 0.2),
        metadata={"axes": "TYX", "unit": "\\u00B5m", "finterval": 3.0},
    )
    assert instrument["pixel_size_um"] == pytest.approx(0.2)
    assert instrument["frame_interval_s"] == 3.0


@pytest.mark.parametrize("unit", ["pixel", "", "furlong"])
def test_imagej_sizes_without_a_length_unit_mean_nothing(tmp_path, unit):
    instrument, _ = instrument_of(
        tmp_path, imagej=True, resolution=(5, 5), metadata={"axes": "TYX", "unit": unit}
    )
    assert "pixel_size_um" not in instrument


def test_resolution_in_centimetres_is_taken(tmp_path):
    instrument, _ = instrument_of(
        tmp_path, resolution=(50000, 50000), resolutionunit="CENTIMETER"
    )
    assert instrument["pixel_size_um"] == pytest.approx(0.2)


@pytest.mark.parametrize(
    "keywords",
    [
        {},
        {"resolution": (72, 72), "resolutionunit": "INCH"},
        {"resolution": (5, 5), "resolutionunit": "NONE"},
        {"resolution": (1, 1), "resolutionunit": "CENTIMETER"},
    ],
)
def test_printers_resolution_is_no_pixel_size(tmp_path, keywords):
    instrument, _ = instrument_of(tmp_path, **keywords)
    assert "pixel_size_um" not in instrument


def test_pixels_that_are_not_square_stay_unknown_with_a_note(tmp_path):
    instrument, notes = instrument_of(
        tmp_path, resolution=(50000, 25000), resolutionunit="CENTIMETER"
    )
    assert "pixel_size_um" not in instrument
    assert "0.2 x 0.4 um" in notes


def test_own_keys_in_a_tifffile_description_are_taken(tmp_path):
    instrument, _ = instrument_of(
        tmp_path, metadata={"axes": "TYX", "wavelength_nm": 660, "camera": "x"}
    )
    assert instrument == {"wavelength_nm": 660}


def test_damaged_ome_xml_is_ignored_with_a_note(tmp_path):
    path = tmp_path / "cells.ome.tif"
    tifffile.imwrite(path, FRAMES, ome=True)
    data = path.read_bytes().replace(b"</Pixels>", b"</Pixel_>")
    path.write_bytes(data)
    (field,) = read_tiff(path)
    assert field.source.shape == (6, 1, 32, 32)
    assert field.instrument == {}
    assert "OME" in " ".join(field.notes)


def test_micromanager_keys_in_any_spelling_are_taken(tmp_path):
    from napari_qpm.io.tiff_metadata import facts_from_tiff

    class Tag:
        value = '{"PixelSizeUm": 0.34, "BitDepth": "12", "ROI": "101-50-640-480"}'

    class Page:
        tags = {"MicroManagerMetadata": Tag()}  # noqa: RUF012

    class File:
        """What Micro-Manager 1.4 and 2.0 files look like to tifffile."""

        pages = (Page(),)
        is_micromanager = True
        micromanager_metadata = {"Summary": {"Interval_ms": 2000}}  # noqa: RUF012
        is_ome = is_imagej = is_shaped = False

    facts = facts_from_tiff(File(), 0)
    assert facts.instrument == {
        "pixel_size_um": 0.34,
        "bit_depth": 12,
        "frame_interval_s": 2.0,
        "roi_offset_px": (50, 101),
    }


def test_the_wavelength_of_the_laser_is_taken_when_channels_state_none(tmp_path):
    path = tmp_path / "cells.ome.tif"
    tifffile.imwrite(path, FRAMES, ome=True, metadata={"axes": "TYX"})
    with tifffile.TiffFile(path) as tif:
        xml = tif.ome_metadata
    optics = (
        '<Instrument ID="Instrument:0"><LightSource ID="LightSource:0">'
        '<Laser Wavelength="660"/></LightSource>'
        '<Objective ID="Objective:0" LensNA="0.75" NominalMagnification="40"/>'
        "</Instrument><Image"
    )
    xml = xml.replace("<Image", optics, 1)
    tifffile.imwrite(path, FRAMES, metadata=None, description=xml.encode())
    (field,) = read_tiff(path)
    assert field.instrument == {
        "wavelength_nm": pytest.approx(660),
        "numerical_aperture": 0.75,
        "magnification": 40,
    }
