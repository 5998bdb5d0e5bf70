"""Real recordings are recognised for what they are (skipped when absent)."""

import h5py
import numpy as np
import pytest

from napari_qpm.acquisition import Modality
from napari_qpm.errors import FileFormatError
from napari_qpm.io import detect_modality, is_ours, open_acquisition
from napari_qpm.io.picture import LOSSY_NOTE

HOLOGRAMS = {
    "oah-hl60-reference/hologram_cell.npz": ((200, 210), (0.200, 0.119)),
    "oah-glioblastoma/Glioblastoma.jpg": ((2049, 2049), (0.326, 0.250)),
    "oah-rbc-nontelecentric/RBCnotele50x.tiff": ((1024, 1224), (0.309, 0.287)),
    "oah-star-target/star-target.png": ((2048, 2048), (-0.2925, 0.2861)),
}
MOSAICS = ("polarizer_IMX250MZR.png", "fruits_IMX250MZR.png")
OTHERS = (
    "inline-plankton-timelapse/fig1_data.npy",
    "inline-plankton-timelapse/predator_sequence.npy",
    "tie-cell-throughfocus/onaxis_stack_zyx.tif",
    "tie-cell-throughfocus/reference_empty.tif",
    "tie-cell-throughfocus/white_light.tif",
    "qpi-a2780-masks/img_002.png",
    "psi-fresnel-4frame/I0_Fresnel_Lens.jpg",
)


@pytest.mark.parametrize("name", HOLOGRAMS)
def test_holograms_are_recognised_with_their_carrier(shared_data, name):
    shape, carrier = HOLOGRAMS[name]
    acquisition = open_acquisition(shared_data / name)
    assert acquisition.shape == (1, 1, *shape)
    assert acquisition.modality is Modality.OFF_AXIS
    found = detect_modality(acquisition.read(0)).carrier
    # The carriers of the data set's README; a spectral bin is 1/64 cycles/px.
    assert np.abs(np.subtract(found, carrier)).max() < 0.01
    assert is_ours(shared_data / name)


def test_the_reference_inside_the_npz_is_used(shared_data):
    acquisition = open_acquisition(shared_data / "oah-hl60-reference/hologram_cell.npz")
    with np.load(acquisition.path) as archive:
        np.testing.assert_array_equal(acquisition.reference[0], archive["bg_data"])


def test_the_jpeg_is_said_to_be_lossy(shared_data):
    acquisition = open_acquisition(shared_data / "oah-glioblastoma/Glioblastoma.jpg")
    assert LOSSY_NOTE in acquisition.notes


@pytest.mark.parametrize("name", MOSAICS)
def test_polarization_camera_frames_are_recognised(shared_data, name):
    acquisition = open_acquisition(shared_data / "dofp-imx250mzr" / name)
    assert acquisition.is_mosaic
    assert acquisition.instrument.polarization_layout == (90, 45, 135, 0)
    assert acquisition.saturation_level == 255


@pytest.mark.parametrize("number", ["002", "003", "005", "006", "008", "009", "011"])
def test_phase_images_are_recognised_without_unit(shared_data, number):
    path = shared_data / f"qpi-a2780-masks/img_{number}.tif"
    acquisition = open_acquisition(path)
    assert acquisition.modality is Modality.PHASE
    assert "phase_unit" in acquisition.missing()
    assert not is_ours(path)


@pytest.mark.parametrize("name", OTHERS)
def test_other_recordings_are_not_taken_for_interferograms(shared_data, name):
    assert open_acquisition(shared_data / name).modality is None
    assert not is_ours(shared_data / name)


@pytest.mark.parametrize("key", ["0", "reference"])
def test_crossed_fringes_are_named_and_left_alone(shared_data, key):
    with h5py.File(shared_data / "qlsi-bead-reference/qlsi_paa_bead.h5") as file:
        found = detect_modality(file[key][:][None])
    assert found.modality is None
    assert "QLSI" in found.reason


def test_the_hologram_series_of_another_camera_is_recognised(shared_data):
    with h5py.File(shared_data / "oah-hl60-reference/series_oah_2frames.h5") as file:
        found = detect_modality(file["0"][:][None])
    assert found.modality is Modality.OFF_AXIS


def test_the_focus_stack_opens_as_planes_when_stated(shared_data):
    path = shared_data / "tie-cell-throughfocus/onaxis_stack_zyx.tif"
    reference = shared_data / "tie-cell-throughfocus/reference_empty.tif"
    acquisition = open_acquisition(path, modality="through-focus")
    assert acquisition.shape == (1, 9, 700, 900)
    assert open_acquisition(path).with_instrument().shape == (9, 1, 700, 900)
    assert open_acquisition(path, reference=reference).reference.shape == (1, 700, 900)


NOT_READ = (".md", ".csv", ".txt", ".zip", ".upstream", ".qpformat", ".qpretrieve")


def test_every_file_opens_or_says_what_to_do(shared_data):
    files = [path for path in shared_data.rglob("*") if path.is_file()]
    refused = {}
    for path in sorted(files):
        try:
            assert open_acquisition(path).read(0).size
        except FileFormatError as error:
            refused[path] = str(error)
    assert len(refused) < len(files)
    assert {path.suffix for path in refused} == set(NOT_READ)
    assert all(path.name in told for path, told in refused.items())
    (archive,) = (told for path, told in refused.items() if path.suffix == ".zip")
    assert "HL60_real.txt" in archive
    assert "np.loadtxt" in archive
