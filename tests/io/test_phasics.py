import struct

import numpy as np
import pytest
import tifffile

from napari_qpm.acquisition import Modality, PhaseUnit
from napari_qpm.errors import FileFormatError
from napari_qpm.io import is_ours, open_acquisition

XML = (
    "<Cluster><Name>Analyse data</Name><NumElts>1</NumElts><DBL>"
    "<Name>lambda(nm)</Name>\r\n<Val>{}</Val></DBL></Cluster>"
)


def write(path, waves, wavelength="647,000000", high=1.5, low=-0.5):
    """Write the three pages of a Phasics camera: intensity, waves, nm."""
    sample = 65535
    stored = np.rint((waves - low) / (high - low) * sample).astype(np.uint16)
    settings = XML.format(wavelength).encode()
    with tifffile.TiffWriter(path) as writer:
        for number, (page, span) in enumerate(
            (
                (stored // 2, (9000.0, 100.0)),
                (stored, (high, low)),
                (stored, (3.0, 1.0)),
            )
        ):
            tags = [
                (281, "H", 1, sample, True),
                (61242, "d", 1, span[0], True),
                (61243, "d", 1, span[1], True),
            ]
            if number == 0:
                tags.append((61238, "s", 0, settings, True))
            writer.write(page, extratags=tags, metadata=None)
    return path


@pytest.fixture
def waves(phase_image):
    return np.clip(phase_image / (2 * np.pi), -0.5, 1.5).astype(np.float64)


def test_the_page_in_waves_is_read(tmp_path, waves):
    path = write(tmp_path / "SID PHA.tif", waves)
    acquisition = open_acquisition(path)
    assert acquisition.modality is Modality.PHASE
    assert acquisition.instrument.phase_unit is PhaseUnit.WAVES
    assert acquisition.instrument.wavelength_nm == 647
    # The camera stores 16 bits over a range of two waves.
    np.testing.assert_allclose(acquisition.read(0)[0], waves, atol=2 / 65535)
    assert is_ours(path)


def test_a_missing_wavelength_stays_unknown(tmp_path, waves):
    acquisition = open_acquisition(write(tmp_path / "SID PHA.tif", waves, "NaN"))
    assert "wavelength_nm" in acquisition.missing()


def test_damage_is_named(tmp_path, waves):
    path = write(tmp_path / "SID PHA.tif", waves)
    data = path.read_bytes()
    path.write_bytes(data.replace(struct.pack("<d", 1.5), struct.pack("<d", np.nan)))
    with pytest.raises(FileFormatError, match=r"SID PHA\.tif"):
        open_acquisition(path)
