import numpy as np
import tifffile

from napari_qpm.acquisition import Acquisition
from napari_qpm.io import describe, open_acquisition


def test_every_fact_stands_with_its_source(tmp_path, make_mosaic):
    path = tmp_path / "cells.tif"
    tifffile.imwrite(
        path, np.stack([make_mosaic()] * 5), metadata={"medium_index": 1.337}
    )
    (tmp_path / "cells.qpm.yaml").write_text("pixel_size_um: 0.2")
    text = describe(open_acquisition(path, wavelength_nm=660))
    lines = text.splitlines()
    assert f"File                {path}" in lines
    assert "Frames              5 (1 channel)" in lines
    assert "Size                128 x 128 px (width x height), uint8" in lines
    assert "Reference frame     no" in lines
    assert "Wavelength          660 nm (from you)" in lines
    assert "Pixel size          0.2 um (sidecar cells.qpm.yaml)" in lines
    assert "Medium index        1.337 (from file)" in lines
    assert "Polarization layout 90, 45, 135, 0 degrees (assumed)" in lines
    assert "Frame interval      missing; needed for times and rates" in lines
    assert "Kind                polarization (raw mosaic). Neighbouring" in text
    assert "- The order of the polarizer angles is assumed" in text
    assert max(len(line) for line in lines) <= max(96, 20 + len(str(path)))


def test_a_stated_kind_is_said_to_be_stated(tmp_path, make_hologram):
    path = tmp_path / "cells.tif"
    tifffile.imwrite(path, make_hologram())
    text = describe(open_acquisition(path, modality="off-axis"))
    assert "Kind                off-axis. As stated." in text


def test_recordings_in_memory_are_described_too():
    text = describe(Acquisition.from_array(np.zeros((8, 8)), name="test"))
    assert "Kind                not recognised." in text
    assert "Modality            missing; needed for choosing a phase engine" in text
