import h5py
import numpy as np
import pytest

from napari_qpm.acquisition import Acquisition, PhaseMap, PhaseUnit
from napari_qpm.errors import MissingMetadataError
from napari_qpm.io import open_acquisition
from napari_qpm.io.qpimage_writer import write_qpimage


@pytest.fixture
def make_map(phase_image):
    """Return a maker of three frames of phase."""

    def make(unit=PhaseUnit.RADIANS, scale=1.0, **instrument):
        facts = {"wavelength_nm": 532, "pixel_size_um": 0.11, "medium_index": 1.335}
        raw = Acquisition.from_array(
            np.zeros((3, 128, 128), np.uint8),
            name="dish",
            frame_interval_s=60,
            **(facts | instrument),
        )
        phase = np.stack([phase_image + t for t in range(3)]) * np.float32(scale)
        return PhaseMap(phase=phase, acquisition=raw, unit=unit, grid_scale=(2, 2))

    return make


def test_the_file_is_laid_out_as_qpimage_documents_it(tmp_path, make_map):
    phase_map = make_map()
    path = write_qpimage(phase_map, tmp_path / "a.h5")
    with h5py.File(path) as file:
        assert set(file) == {"qpi_0", "qpi_1", "qpi_2", "napari-qpm"}
        group = file["qpi_2"]
        np.testing.assert_array_equal(group["phase/raw"][()], phase_map.read(2))
        assert (group["amplitude/raw"][()] == 1).all()
        assert list(group["phase/bg_data"]) == []
        assert group.attrs["wavelength"] == pytest.approx(5.32e-7)
        assert group.attrs["pixel size"] == pytest.approx(2.2e-7)
        assert group.attrs["time"] == 120
        assert "dish" in file["napari-qpm"].attrs["record"]


def test_qpimage_itself_reads_the_same_phase(tmp_path, make_map):
    qpimage = pytest.importorskip("qpimage")
    phase_map = make_map()
    path = write_qpimage(phase_map, tmp_path / "a.h5")
    with qpimage.QPSeries(h5file=path, h5mode="r") as series:
        assert len(series) == 3
        for t in range(3):
            image = series[t]
            np.testing.assert_array_equal(image.pha, phase_map.read(t))
            assert image["wavelength"] == pytest.approx(5.32e-7)
            assert image["time"] == 60 * t


def test_a_series_of_qpimage_itself_opens(tmp_path, phase_image):
    qpimage = pytest.importorskip("qpimage")
    path = tmp_path / "theirs.h5"
    meta = {"wavelength": 6.47e-7, "pixel size": 1e-7, "time": 3.0}
    tilt = np.linspace(0, 1, 128, dtype=np.float32) * np.ones((128, 1), np.float32)
    with qpimage.QPSeries(h5file=path, h5mode="w") as series:
        for t in range(2):
            image = qpimage.QPImage(
                data=(phase_image + tilt, np.ones_like(phase_image)),
                bg_data=(tilt, np.ones_like(tilt)),
                which_data="phase,amplitude",
                meta_data=meta | {"time": 3.0 * t},
            )
            series.add_qpimage(image)
            expected = image.pha
    acquisition = open_acquisition(path)
    np.testing.assert_allclose(acquisition.read(1)[0], expected, atol=1e-6)
    assert acquisition.instrument.wavelength_nm == 647
    assert acquisition.instrument.frame_interval_s == 3


def test_we_read_back_what_we_wrote(tmp_path, make_map):
    phase_map = make_map()
    acquisition = open_acquisition(write_qpimage(phase_map, tmp_path / "a.h5"))
    assert acquisition.instrument.phase_unit is PhaseUnit.RADIANS
    assert acquisition.instrument.pixel_size_um == 0.22
    assert acquisition.instrument.frame_interval_s == 60
    for t in range(3):
        np.testing.assert_array_equal(acquisition.read(t)[0], phase_map.read(t))


@pytest.mark.parametrize(
    ("unit", "scale"),
    [
        (PhaseUnit.WAVES, 1 / (2 * np.pi)),
        (PhaseUnit.NANOMETRES, 532 / (2 * np.pi)),
        (PhaseUnit.MICROMETRES, 0.532 / (2 * np.pi)),
    ],
)
def test_other_units_become_radians(tmp_path, make_map, unit, scale):
    path = write_qpimage(make_map(unit, scale), tmp_path / "a.h5")
    expected = make_map().read(1)
    np.testing.assert_allclose(open_acquisition(path).read(1)[0], expected, atol=1e-5)


@pytest.mark.parametrize("unit", [PhaseUnit.UNKNOWN, PhaseUnit.MASS_DENSITY])
def test_phase_without_a_unit_is_refused(tmp_path, make_map, unit):
    with pytest.raises(MissingMetadataError):
        write_qpimage(make_map(unit), tmp_path / "a.h5")
    assert list(tmp_path.iterdir()) == []


def test_nanometres_without_a_wavelength_are_refused(tmp_path, make_map):
    phase_map = make_map(PhaseUnit.NANOMETRES, wavelength_nm=None)
    with pytest.raises(MissingMetadataError, match="wavelength_nm"):
        write_qpimage(phase_map, tmp_path / "a.h5")
