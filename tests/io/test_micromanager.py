import json
import pickle

import numpy as np
import pytest
import tifffile

from napari_qpm.acquisition import Modality
from napari_qpm.io import open_acquisition, open_all

SPELLINGS = ["PixelSizeUm", "PixelSize_um", "pixelSizeUm", "Pixel Size (um)"]


@pytest.fixture
def frames(rng, make_hologram):
    """Return two positions of three frames: hologram and fluorescence."""
    light = rng.poisson(20, (2, 3, 2, 128, 128))
    for r, t in np.ndindex(2, 3):
        light[r, t, 0] = make_hologram(seed=3 * r + t)
    return light.astype(np.uint16)


def test_positions_and_channels_of_an_mmstack_open(tmp_path, frames, micromanager):
    path = tmp_path / "run_MMStack.ome.tif"
    stage = [{"Label": "A1"}, {"Label": "B2"}]
    summary = {"ChNames": ["DHM", "GFP"], "StagePositions": stage}
    micromanager.write_mmstack(path, frames, summary, {"PixelSizeUm": 0.34})
    fields = open_all(path)
    assert [f.name for f in fields] == ["run_MMStack A1", "run_MMStack B2"]
    for r, field in enumerate(fields):
        assert field.shape == (3, 1, 128, 128)
        assert field.modality is Modality.OFF_AXIS
        assert field.instrument.pixel_size_um == 0.34
        assert field.times_s == (0, 2, 4)
        assert any("Channel 'DHM'" in note for note in field.notes)
        np.testing.assert_array_equal(field.read(2)[0], frames[r, 2, 0])
    copy = pickle.loads(pickle.dumps(fields[1]))
    np.testing.assert_array_equal(copy.read(0)[0], frames[1, 0, 0])
    light = open_acquisition(path, position="B2", channel="GFP")
    np.testing.assert_array_equal(light.read(1)[0], frames[1, 1, 1])


def test_positions_and_times_of_an_ndtiff_open(tmp_path, frames, micromanager):
    page = {"PixelSize_um": 0.2, "BitDepth": 12}
    path = micromanager.write_ndtiff(tmp_path / "run", frames, {}, page)
    fields = open_all(path, channel=0)
    assert len(fields) == 2
    np.testing.assert_array_equal(fields[1].read(2)[0], frames[1, 2, 0])
    assert fields[0].history[0].engine == "NDTiff"
    assert fields[0].instrument.pixel_size_um == 0.2


@pytest.mark.parametrize("key", SPELLINGS)
def test_the_pixel_size_is_found_in_any_spelling(tmp_path, frames, micromanager, key):
    path = tmp_path / "a.tif"
    micromanager.write_mmstack(path, frames[:1, :, :1], {}, {key: "0.11"})
    assert open_acquisition(path).instrument.pixel_size_um == 0.11


@pytest.mark.parametrize(("value", "expected"), [(0, None), (0.0, None), ("NaN", None)])
def test_uncalibrated_is_unknown(tmp_path, frames, micromanager, value, expected):
    path = tmp_path / "a.tif"
    micromanager.write_mmstack(path, frames[:1, :, :1], {}, {"PixelSizeUm": value})
    assert open_acquisition(path).instrument.pixel_size_um is expected


def test_one_micrometre_is_doubted(tmp_path, frames, micromanager):
    path = tmp_path / "a.tif"
    micromanager.write_mmstack(path, frames[:1, :, :1], {}, {"PixelSizeUm": 1.0})
    assert any("may be its default" in n for n in open_acquisition(path).notes)


def test_uneven_frames_keep_their_times(tmp_path, frames, micromanager):
    path = tmp_path / "a.tif"
    micromanager.write_mmstack(path, frames[:1, :, :1], {"Interval_ms": 1500})
    acquisition = open_acquisition(path)
    assert acquisition.instrument.frame_interval_s == 1.5
    assert acquisition.time_s(2) == 4


def test_version_1_writes_its_lists_as_text(tmp_path, frames, micromanager):
    path = tmp_path / "a.tif"
    summary = {"ChNames": '["Phase","GFP"]', "PixelSize_um": {"PropVal": "0.5"}}
    micromanager.write_mmstack(path, frames[:1], summary)
    acquisition = open_acquisition(path)
    assert acquisition.instrument.pixel_size_um == 0.5
    assert any("Channel 'Phase'" in note for note in acquisition.notes)


def test_imagej_files_that_carry_its_summary_are_understood(tmp_path, frames):
    path = tmp_path / "a.tif"
    info = json.dumps({"MicroManagerVersion": "1.4", "PixelSize_um": 0.4})
    metadata = {"axes": "TYX", "Info": info}
    tifffile.imwrite(path, frames[0, :, 0], imagej=True, metadata=metadata)
    assert open_acquisition(path).instrument.pixel_size_um == 0.4
