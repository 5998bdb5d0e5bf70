import h5py
import numpy as np
import pytest

from napari_qpm.acquisition import Modality, PhaseUnit
from napari_qpm.errors import LayoutError
from napari_qpm.io import is_ours, open_acquisition

META = {"wavelength": 5.32e-7, "pixel size": 1.1e-7, "medium index": 1.335}


def add_image(group, phase, time=None, **backgrounds):
    """Write one QPImage as its documentation describes it."""
    group["phase/raw"] = phase
    group.create_group("phase/bg_data")
    group["amplitude/raw"] = np.ones_like(phase)
    group.create_group("amplitude/bg_data")
    for name, values in backgrounds.items():
        group[f"phase/bg_data/{name}"] = values
    group.attrs.update(META if time is None else {**META, "time": time})


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cells.h5"


def test_a_single_image_opens_as_phase_in_radians(path, phase_image):
    with h5py.File(path, "w") as file:
        add_image(file, phase_image)
    acquisition = open_acquisition(path)
    assert acquisition.modality is Modality.PHASE
    assert acquisition.instrument.phase_unit is PhaseUnit.RADIANS
    assert acquisition.instrument.wavelength_nm == 532
    assert acquisition.instrument.pixel_size_um == 0.11
    assert acquisition.instrument.medium_index == 1.335
    assert not acquisition.missing()
    np.testing.assert_array_equal(acquisition.read(0)[0], phase_image)
    assert is_ours(path)


def test_a_series_keeps_its_order_its_first_number_and_its_times(path, phase_image):
    with h5py.File(path, "w") as file:
        for number in range(1, 12):
            time = 60.0 * number + 5 * (number > 8)
            add_image(file.create_group(f"qpi_{number}"), phase_image + number, time)
    acquisition = open_acquisition(path)
    assert acquisition.n_frames == 11
    np.testing.assert_array_equal(acquisition.read(9)[0], phase_image + 10)
    assert acquisition.instrument.frame_interval_s == 60
    assert acquisition.time_s(7) == 420
    assert acquisition.time_s(8) == 485
    assert any("60 to 65 s apart" in note for note in acquisition.notes)


def test_stored_backgrounds_are_taken_off_but_masks_are_not(path, phase_image):
    mask = np.ones(phase_image.shape, bool)
    tilt = np.full_like(phase_image, 0.25)
    with h5py.File(path, "w") as file:
        backgrounds = {"data": tilt, "fit": 2 * tilt, "estimate_bg_from_mask": mask}
        add_image(file, phase_image, **backgrounds)
    np.testing.assert_allclose(
        open_acquisition(path).read(0)[0], phase_image - 0.75, atol=1e-6
    )


def test_frames_that_disagree_on_the_wavelength_leave_it_unknown(path, phase_image):
    with h5py.File(path, "w") as file:
        for number in range(2):
            add_image(file.create_group(f"qpi_{number}"), phase_image)
        file["qpi_1"].attrs["wavelength"] = 6e-7
    acquisition = open_acquisition(path)
    assert acquisition.instrument.wavelength_nm is None
    assert any("different values of 'wavelength'" in n for n in acquisition.notes)


def test_frames_of_different_size_are_refused(path, phase_image):
    with h5py.File(path, "w") as file:
        add_image(file.create_group("qpi_0"), phase_image)
        add_image(file.create_group("qpi_1"), phase_image[:50])
    with pytest.raises(LayoutError, match=r"qpi_1/phase/raw of shape \(50, 128\)"):
        open_acquisition(path)


def test_raw_holograms_of_qpformat_come_with_their_reference(path, make_hologram):
    with h5py.File(path, "w") as file:
        file.attrs["file_format"] = "qpformat"
        file.attrs["imaging_modality"] = "off-axis holography"
        for number in range(11):
            file[str(number)] = make_hologram(seed=number)
            file[str(number)].attrs.update(META | {"time": 0.5 * number})
        file["reference"] = make_hologram(seed=50)
        file.create_group("logs")
    acquisition = open_acquisition(path)
    assert acquisition.modality is Modality.OFF_AXIS
    np.testing.assert_array_equal(acquisition.read(10)[0], make_hologram(seed=10))
    np.testing.assert_array_equal(acquisition.reference[0], make_hologram(seed=50))
    assert acquisition.instrument.frame_interval_s == 0.5


def test_real_files_of_both_programs_open(shared_data):
    series = open_acquisition(shared_data / "qpi-series-hl60-rotation/series.h5")
    assert series.shape == (140, 1, 140, 140)
    assert series.instrument.wavelength_nm == 647
    holograms = open_acquisition(
        shared_data / "oah-hl60-reference/series_oah_2frames.h5"
    )
    assert holograms.modality is Modality.OFF_AXIS
    assert holograms.time_s(1) == pytest.approx(0.3)
    bead = open_acquisition(shared_data / "qlsi-bead-reference/qlsi_paa_bead.h5")
    assert bead.modality is None
    assert bead.reference is not None
