import struct

import imagecodecs
import numpy as np
import pytest

from napari_qpm.acquisition import Modality, PhaseUnit
from napari_qpm.errors import FileFormatError
from napari_qpm.io import is_ours, open_acquisition


def write(path, pixels, unit=1, scale=8.4e-8, order="<"):
    """Write a phase image as Koala does."""
    height, width = pixels.shape
    pixel = 2.84871e-7
    head = struct.pack(f"{order}BBiiiffB", 1, 0, 23, width, height, pixel, scale, unit)
    path.write_bytes(head + pixels.astype(f"{order}f4").tobytes())
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "00007_phase.bin"


@pytest.mark.parametrize("order", ["<", ">"])
def test_phase_in_radians_is_read_exactly(path, phase_image, order):
    acquisition = open_acquisition(write(path, phase_image[:, :100], order=order))
    assert acquisition.modality is Modality.PHASE
    assert acquisition.instrument.phase_unit is PhaseUnit.RADIANS
    assert acquisition.instrument.pixel_size_um == 0.284871
    np.testing.assert_array_equal(acquisition.read(0)[0], phase_image[:, :100])
    assert acquisition.missing() == {
        "wavelength_nm": "optical path difference and dry mass"
    }
    assert is_ours(path)


def test_heights_become_the_phase_they_came_from(path, phase_image):
    heights = phase_image.astype(np.float64) * 8.4e-8
    acquisition = open_acquisition(write(path, heights, unit=2))
    np.testing.assert_allclose(acquisition.read(0)[0], phase_image, rtol=1e-6)
    assert any("heights" in note for note in acquisition.notes)


def test_values_without_a_unit_stay_without(path, phase_image):
    acquisition = open_acquisition(write(path, phase_image, unit=0))
    assert "phase_unit" in acquisition.missing()


@pytest.mark.parametrize("damage", ["cut", "random", "short", "negative"])
def test_damaged_files_are_named(path, phase_image, rng, damage):
    write(path, phase_image)
    data = bytearray(path.read_bytes())
    if damage == "cut":
        del data[-1:]
    elif damage == "random":
        data = rng.bytes(9000)
    elif damage == "short":
        del data[10:]
    else:
        data[6:10] = struct.pack("<i", -5)
    path.write_bytes(bytes(data))
    with pytest.raises(FileFormatError, match=r"00007_phase\.bin"):
        open_acquisition(path)


def test_a_sequence_has_the_times_of_its_list(tmp_path, phase_image):
    folder = tmp_path / "Phase" / "Float" / "Bin"
    folder.mkdir(parents=True)
    for number in range(3):
        write(folder / f"{number:05}_phase.bin", phase_image + number)
    lines = [f"{n} 12:00:0{n} 20.01.01 {1500 * n}.5" for n in range(3)]
    text = "Timestamp 12:00:00 20.01.01 0\n" + "\n".join(lines)
    (tmp_path / "timestamps.txt").write_text(text)
    acquisition = open_acquisition(folder)
    assert acquisition.n_frames == 3
    assert acquisition.modality is Modality.PHASE
    assert acquisition.instrument.frame_interval_s == 1.5
    np.testing.assert_array_equal(acquisition.read(2)[0], phase_image + 2)


def test_previews_are_refused_with_the_way_to_the_data(tmp_path):
    folder = tmp_path / "Phase" / "Image"
    folder.mkdir(parents=True)
    for number in range(2):
        preview = imagecodecs.png_encode(np.zeros((40, 40), np.uint8))
        (folder / f"{number:05}_phase.png").write_bytes(preview)
    for path in (folder, folder / "00000_phase.png"):
        with pytest.raises(FileFormatError, match=r"8-bit picture.*Float.*Bin"):
            open_acquisition(path)
    assert not is_ours(folder)


def test_eight_bit_pictures_elsewhere_are_read(tmp_path, make_hologram):
    path = tmp_path / "my_phase.png"
    path.write_bytes(imagecodecs.png_encode(make_hologram()))
    assert open_acquisition(path).modality is Modality.OFF_AXIS
