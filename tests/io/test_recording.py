import numpy as np
import pytest

from napari_qpm.acquisition import Acquisition, Modality
from napari_qpm.errors import OutputError
from napari_qpm.io import open_acquisition
from napari_qpm.io import recording as module
from napari_qpm.io.recording import write_recording


def recording(n_channels=1, reference=False, **instrument):
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 4096, (3, n_channels, 20, 24)).astype(np.uint16)
    modality = "off-axis" if n_channels == 1 else "polarization"
    return Acquisition.from_array(
        frames,
        modality,
        name="cells",
        reference=frames[0] if reference else None,
        bit_depth=12,
        **instrument,
    )


def test_recording_opens_as_it_was_written(tmp_path):
    written = recording(
        reference=True, pixel_size_um=0.2, frame_interval_s=30, wavelength_nm=532
    )
    path = write_recording(written, tmp_path / "new" / "cells.ome.zarr")
    opened = open_acquisition(path)
    assert opened.modality is Modality.OFF_AXIS
    assert opened.instrument == written.instrument
    assert opened.name == "cells"
    assert opened.dtype == np.uint16
    for t in range(3):
        assert np.array_equal(opened.read(t), written.read(t))
    assert np.array_equal(opened.reference, written.reference)


def test_four_angle_images_stay_channels(tmp_path):
    written = recording(4, polarization_layout=(0, 45, 90, 135))
    path = write_recording(written, tmp_path / "cells.ome.zarr")
    opened = open_acquisition(path)
    assert opened.shape == (3, 4, 20, 24)
    assert np.array_equal(opened.read(1), written.read(1))


@pytest.mark.parametrize("n_channels", [1, 4])
def test_frames_share_files_and_the_last_may_hold_fewer(
    tmp_path, monkeypatch, n_channels
):
    monkeypatch.setattr(module, "MOST_FRAMES", 2)
    written = recording(n_channels)
    path = write_recording(written, tmp_path / "cells.ome.zarr")
    assert len([p for p in (path / "0" / "c").rglob("*") if p.is_file()]) == 2
    opened = open_acquisition(path, modality=written.modality)
    for t in range(3):
        assert np.array_equal(opened.read(t), written.read(t))


def test_metadata_pass_the_public_reader(tmp_path):
    ome_zarr_io = pytest.importorskip("ome_zarr.io")
    ome_zarr_reader = pytest.importorskip("ome_zarr.reader")
    path = write_recording(recording(pixel_size_um=0.2), tmp_path / "a.ome.zarr")
    node = next(iter(ome_zarr_reader.Reader(ome_zarr_io.parse_url(str(path)))()))
    assert node.data[0].shape == (3, 1, 1, 20, 24)


def test_nothing_is_overwritten(tmp_path):
    write_recording(recording(), tmp_path / "cells.ome.zarr")
    with pytest.raises(OutputError, match="exists already"):
        write_recording(recording(), tmp_path / "cells.ome.zarr")


def test_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write_recording(recording(), tmp_path / "file" / "cells.ome.zarr")
