from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile

from napari_qpm.acquisition import Modality
from napari_qpm.io import is_ours, open_acquisition
from napari_qpm.io.camera_formats import camera_format


@pytest.mark.parametrize(
    ("name", "layout"),
    [
        ("run_PolarizedAngles_0d_45d_90d_135d_Mono8", (0, 45, 90, 135)),
        ("PolarizeAngles_90d_45d_135d_0d_Mono16", (90, 45, 135, 0)),
        ("POLAR4_12", (0, 45, 90, 135)),
    ],
)
def test_names_state_the_angles_of_the_channels(name, layout):
    said = camera_format(Path(f"{name}.tif"), 4)
    assert said.modality is Modality.POLARIZATION
    assert said.layout == layout
    assert camera_format(Path(f"{name}.tif"), 1) is None


@pytest.mark.parametrize(
    "name",
    [
        "PolarizedStokes_S0_S1_S2_S3",
        "PolarizedDolpAolp_BayerRG8",
        "cell_AoLP",
        "HSV4_12",
    ],
)
def test_derived_images_are_told(name):
    assert "derived this image" in camera_format(Path(f"{name}.png"), 4).note


@pytest.mark.parametrize("name", ["cells", "Polarized12p", "stoked", "aolphabet"])
def test_other_names_say_nothing(name):
    assert camera_format(Path(f"{name}.tif"), 4) is None


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_four_angles_in_place_of_colours_and_opacity_open(
    tmp_path, make_angles, suffix
):
    angles = make_angles()
    path = tmp_path / f"PolarizedAngles_0d_45d_90d_135d_Mono8.{suffix}"
    pixels = np.ascontiguousarray(np.moveaxis(angles, 0, -1))
    if suffix == "png":
        path.write_bytes(imagecodecs.png_encode(pixels))
    else:
        tifffile.imwrite(path, pixels, photometric="rgb", extrasamples=["unassalpha"])
    for name in (path.name, f"cells.{suffix}"):
        path = path.rename(tmp_path / name)
        acquisition = open_acquisition(path)
        assert acquisition.modality is Modality.POLARIZATION
        np.testing.assert_array_equal(acquisition.read(0), angles)
        assert is_ours(path)


def test_derived_images_are_no_recording(tmp_path, rng):
    path = tmp_path / "cells_AoLP.png"
    path.write_bytes(imagecodecs.png_encode(rng.integers(0, 180, (64, 64), np.uint8)))
    acquisition = open_acquisition(path)
    assert acquisition.modality is None
    assert any("no phase or dry mass" in note for note in acquisition.notes)
