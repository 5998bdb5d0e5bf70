import numpy as np
import pytest
import tifffile

from napari_qpm.acquisition import Acquisition, Modality, PhaseMap, PhaseUnit
from napari_qpm.errors import OutputError
from napari_qpm.io import is_ours, open_acquisition
from napari_qpm.io.ome_tiff_writer import write_ome_tiff


@pytest.fixture
def phase_map(phase_image):
    raw = Acquisition.from_array(
        np.zeros((3, 128, 128), np.uint8),
        wavelength_nm=532,
        pixel_size_um=0.11,
        medium_index=1.335,
    ).replace(times_s=(0.0, 30.0, 75.0))
    raw = raw.replace(instrument=raw.instrument.replace(frame_interval_s=30))
    phase = np.stack([phase_image + t for t in range(3)])
    return PhaseMap(phase=phase, acquisition=raw, unit=PhaseUnit.RADIANS)


def test_tifffile_reads_the_same_pixels_and_sizes(tmp_path, phase_map):
    path = write_ome_tiff(phase_map, tmp_path / "a.ome.tif")
    with tifffile.TiffFile(path) as tif:
        assert tif.is_ome
        np.testing.assert_array_equal(tif.asarray(), phase_map.phase)
        assert 'PhysicalSizeX="0.11"' in tif.ome_metadata
        assert 'Name="Phase2D"' in tif.ome_metadata


def test_everything_known_comes_back(tmp_path, phase_map):
    path = write_ome_tiff(phase_map, tmp_path / "a.ome.tif")
    acquisition = open_acquisition(path)
    assert acquisition.modality is Modality.PHASE
    assert acquisition.instrument.phase_unit is PhaseUnit.RADIANS
    assert acquisition.instrument.wavelength_nm == 532
    assert acquisition.instrument.medium_index == 1.335
    assert acquisition.times_s == (0, 30, 75)
    assert acquisition.missing() == {}
    np.testing.assert_array_equal(acquisition.read(2)[0], phase_map.read(2))
    assert is_ours(path)


def test_what_is_unknown_stays_unknown(tmp_path, phase_image):
    raw = Acquisition.from_array(phase_image)
    phase_map = PhaseMap(phase=phase_image[None], acquisition=raw)
    path = write_ome_tiff(phase_map, tmp_path / "a.ome.tif")
    assert set(open_acquisition(path).missing()) == {"pixel_size_um", "wavelength_nm"}


def test_a_failure_leaves_nothing_behind(tmp_path, phase_map, monkeypatch):
    def fail(self, *args, **keywords):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tifffile.TiffWriter, "write", fail)
    with pytest.raises(OutputError, match=r"a\.ome\.tif cannot be written: No space"):
        write_ome_tiff(phase_map, tmp_path / "a.ome.tif")
    assert list(tmp_path.iterdir()) == []
