"""One call opens every format; what it assumed stands in the notes."""

import pickle
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
import zarr

from napari_qpm.acquisition import Modality, PhaseUnit
from napari_qpm.errors import (
    FileFormatError,
    LayoutError,
    ParameterError,
    UnknownNameError,
)
from napari_qpm.io import is_ours, open_acquisition, open_all

ASSUMED = "order of the polarizer angles is assumed"


def write_png(path, pixels):
    path.write_bytes(imagecodecs.png_encode(np.ascontiguousarray(pixels)))


def write_zarr(path, pixels):
    zarr.create_array(str(path), data=pixels)


def write_folder(path, pixels):
    path.mkdir()
    for number, frame in enumerate(pixels):
        write_png(path / f"{number:04}.png", frame)


WRITERS = {
    "a.tif": tifffile.imwrite,
    "a.npy": np.save,
    "a.npz": lambda path, pixels: np.savez(path, data=pixels),
    "a.zarr": write_zarr,
    "folder": write_folder,
}


@pytest.fixture
def holograms(make_hologram):
    return np.stack([make_hologram(seed=t) for t in range(5)])


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_same_recording(tmp_path, holograms, name):
    path = tmp_path / name
    WRITERS[name](path, holograms)
    acquisition = open_acquisition(path)
    assert acquisition.shape == (5, 1, 128, 128)
    assert acquisition.modality is Modality.OFF_AXIS
    assert acquisition.dtype == np.uint8
    assert acquisition.path == path
    np.testing.assert_array_equal(acquisition.read(3)[0], holograms[3])
    copy = pickle.loads(pickle.dumps(acquisition))
    np.testing.assert_array_equal(copy.read(-1)[0], holograms[4])
    np.testing.assert_array_equal(acquisition.frames[3, 0].compute(), holograms[3])


def test_opening_reads_one_frame_only(tmp_path, holograms, monkeypatch):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, holograms)
    from napari_qpm.io.tiff import TiffSource

    reads = []
    original = TiffSource.read

    def counted(self, t):
        reads.append(t)
        return original(self, t)

    monkeypatch.setattr(TiffSource, "read", counted)
    open_acquisition(path, wavelength_nm=532)
    assert reads == [0]


def test_what_was_recognised_is_noted_with_the_way_to_correct_it(tmp_path, holograms):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, holograms)
    (note,) = [n for n in open_acquisition(path).notes if "Recognised" in n]
    assert "off-axis: One set of fringes" in note
    assert "modality=" in note


def test_an_unknown_kind_lists_the_kinds(tmp_path, rng):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, rng.integers(0, 99, (5, 64, 64)).astype(np.uint8))
    acquisition = open_acquisition(path)
    assert acquisition.modality is None
    assert "modality=…: polarization, off-axis" in " ".join(acquisition.notes)


def test_the_stated_kind_wins_over_the_look_with_a_doubt(tmp_path, make_mosaic):
    path = tmp_path / "a.png"
    write_png(path, make_mosaic())
    acquisition = open_acquisition(path, modality="off-axis")
    assert acquisition.modality is Modality.OFF_AXIS
    assert "as asked, but it looks like polarization" in " ".join(acquisition.notes)


def test_an_unknown_kind_or_field_is_refused_with_a_suggestion(tmp_path, holograms):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, holograms)
    with pytest.raises(UnknownNameError, match="Did you mean 'off-axis'"):
        open_acquisition(path, modality="offaxis")
    with pytest.raises(UnknownNameError, match="Did you mean 'wavelength_nm'"):
        open_acquisition(path, wavelength=532)
    with pytest.raises(ParameterError, match="wavelength_nm = 'green'"):
        open_acquisition(path, wavelength_nm="green")


def test_a_missing_path_is_named(tmp_path):
    with pytest.raises(FileFormatError, match=r"no file or folder .*nothing\.tif"):
        open_acquisition(tmp_path / "nothing.tif")


def test_a_mosaic_gets_an_assumed_layout_that_can_be_stated(tmp_path, make_mosaic):
    path = tmp_path / "a.png"
    write_png(path, make_mosaic())
    assumed = open_acquisition(path)
    assert assumed.is_mosaic
    assert assumed.instrument.polarization_layout == (90, 45, 135, 0)
    assert ASSUMED in " ".join(assumed.notes)
    stated = open_acquisition(
        path, polarization_layout=(0, 45, 135, 90), roi_offset_px=(1, 0)
    )
    assert stated.instrument.polarization_layout == (0, 45, 135, 90)
    assert stated.instrument.roi_offset_px == (1, 0)
    assert ASSUMED not in " ".join(stated.notes)


def test_an_odd_mosaic_opens_in_its_raw_size(tmp_path, make_mosaic):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, make_mosaic((129, 131)))
    acquisition = open_acquisition(path)
    assert acquisition.shape == (1, 1, 129, 131)
    assert "odd size (129 x 131)" in " ".join(acquisition.notes)


@pytest.mark.parametrize("shape", ["channels", "pages"])
def test_ready_angles_are_read(tmp_path, make_angles, shape):
    angles = np.stack([make_angles(seed=t) for t in range(3)])
    path = tmp_path / "a.npy"
    np.save(path, angles if shape == "channels" else angles.reshape(12, 96, 96))
    acquisition = open_acquisition(path, modality="polarization")
    assert acquisition.shape == (3, 4, 96, 96)
    assert acquisition.instrument.polarization_layout == (0, 45, 90, 135)
    np.testing.assert_array_equal(acquisition.read(2), angles[2])


def test_four_angles_are_recognised_as_tifffile_stores_them(tmp_path, make_angles):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, make_angles(), photometric="rgb", planarconfig="separate")
    acquisition = open_acquisition(path)
    assert acquisition.modality is Modality.POLARIZATION
    assert acquisition.shape == (1, 4, 96, 96)


def test_three_frames_stored_as_colours_are_frames(tmp_path, holograms):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, holograms[:3], photometric="rgb", planarconfig="separate")
    acquisition = open_acquisition(path)
    assert acquisition.modality is Modality.OFF_AXIS
    assert acquisition.shape == (3, 1, 128, 128)
    assert "stores its 3 images as colour planes" in " ".join(acquisition.notes)


@pytest.mark.parametrize("as_channels", [False, True])
def test_a_missing_angle_is_told(tmp_path, make_angles, as_channels):
    three = make_angles()[:3]
    path = tmp_path / "a.npy"
    np.save(path, three[None] if as_channels else three)
    with pytest.raises(LayoutError, match=r"a\.npy .*four .*: 3 found"):
        open_acquisition(path, modality="polarization")


def test_an_incomplete_last_group_of_angles_is_told(tmp_path, make_angles):
    path = tmp_path / "a.npy"
    np.save(path, np.concatenate([make_angles(), make_angles()[:3]]))
    with pytest.raises(LayoutError, match=r"7 images .* not a multiple of four"):
        open_acquisition(path, modality="polarization")


def test_blank_first_frames_of_stated_mosaics_are_believed(tmp_path, make_mosaic):
    path = tmp_path / "a.npy"
    np.save(path, np.stack([np.zeros((128, 128), np.uint8)] + [make_mosaic()] * 4))
    assert open_acquisition(path, modality="polarization").shape == (5, 1, 128, 128)


def test_weak_mosaics_that_were_stated_are_not_grouped(tmp_path, rng):
    path = tmp_path / "a.npy"
    np.save(path, rng.poisson(100, (8, 96, 96)).astype(np.uint8))
    acquisition = open_acquisition(path, modality="polarization")
    assert acquisition.shape == (8, 1, 96, 96)
    assert "No polarizer mosaic is visible" in " ".join(acquisition.notes)


def test_grey_stored_as_colour_collapses_with_a_note(tmp_path, make_hologram):
    path = tmp_path / "a.png"
    write_png(path, np.stack([make_hologram()] * 3, -1))
    acquisition = open_acquisition(path)
    assert acquisition.shape == (1, 1, 128, 128)
    assert acquisition.modality is Modality.OFF_AXIS
    assert "Grey values are stored as RGB" in " ".join(acquisition.notes)


def test_colours_are_chromatic(tmp_path, rng):
    path = tmp_path / "a.png"
    write_png(path, rng.integers(0, 255, (64, 64, 3)).astype(np.uint8))
    acquisition = open_acquisition(path)
    assert acquisition.modality is Modality.CHROMATIC
    assert acquisition.shape == (1, 3, 64, 64)


def test_a_focus_stack_becomes_channels_when_stated(tmp_path, stack):
    path = tmp_path / "a.npy"
    np.save(path, stack)
    acquisition = open_acquisition(path, modality="through-focus")
    assert acquisition.shape == (1, 10, 64, 48)
    np.testing.assert_array_equal(acquisition.read(0), stack)


def test_phase_images_have_an_unknown_unit_until_it_is_stated(tmp_path, phase_image):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, phase_image)
    unknown = open_acquisition(path)
    assert unknown.modality is Modality.PHASE
    assert unknown.instrument.phase_unit is PhaseUnit.UNKNOWN
    assert unknown.instrument.bit_depth is None
    stated = open_acquisition(path, phase_unit="nm")
    assert stated.instrument.phase_unit is PhaseUnit.NANOMETRES


def test_bits_in_the_high_part_are_found_at_opening(tmp_path, make_hologram):
    path = tmp_path / "a.tif"
    counts = make_hologram().astype(np.uint16) * 16 + 3
    tifffile.imwrite(path, counts << 4)
    acquisition = open_acquisition(path)
    assert (acquisition.instrument.bit_depth, acquisition.instrument.bit_shift) == (
        12,
        4,
    )
    assert acquisition.saturation_level == 4095 << 4
    assert "high bits" in " ".join(acquisition.notes)


@pytest.mark.parametrize("kind", ["path", "array", "colour array", "sidecar", "npz"])
def test_a_reference_comes_from_everywhere(tmp_path, make_hologram, kind):
    frame, empty = make_hologram(seed=1), make_hologram(seed=2)
    path, reference = tmp_path / "a.tif", None
    if kind == "npz":
        path = tmp_path / "a.npz"
        np.savez(path, data=frame, reference=empty)
    else:
        tifffile.imwrite(path, frame)
    if kind in ("path", "sidecar"):
        tifffile.imwrite(tmp_path / "empty.tif", np.stack([empty, frame]))
    if kind == "sidecar":
        (tmp_path / "a.qpm.yaml").write_text("reference: empty.tif")
    elif kind == "path":
        reference = str(tmp_path / "empty.tif")
    elif kind != "npz":
        reference = empty if kind == "array" else np.stack([empty] * 3)
    acquisition = open_acquisition(path, reference=reference)
    np.testing.assert_array_equal(acquisition.reference[0], empty)
    if kind in ("path", "sidecar"):
        assert "the first of 2 in empty.tif" in " ".join(acquisition.notes)


def test_a_reference_of_another_size_names_both_shapes(tmp_path, make_hologram):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, make_hologram())
    with pytest.raises(LayoutError, match=r"\(1, 64, 64\).*\(1, 128, 128\)"):
        open_acquisition(path, reference=make_hologram((64, 64)))


def test_a_missing_reference_file_is_named(tmp_path, make_hologram):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, make_hologram())
    with pytest.raises(FileFormatError, match=r"empty\.tif"):
        open_acquisition(path, reference=tmp_path / "empty.tif")


def test_a_sidecar_states_what_the_file_cannot(tmp_path, holograms):
    path = tmp_path / "run 1"
    write_folder(path, holograms)
    write_png(path / "empty9.png", holograms[0])
    (path / "folder.qpm.yaml").write_text(
        "modality: off-axis\nreference: empty9.png\nname: HL60\npixel_size_um: 0.1"
    )
    acquisition = open_acquisition(path, wavelength_nm=532)
    assert acquisition.name == "HL60"
    assert acquisition.n_frames == 5
    assert acquisition.reference is not None
    assert acquisition.instrument.pixel_size_um == 0.1
    assert acquisition.instrument.wavelength_nm == 532
    sources = acquisition.history[0].parameters["sources"]
    assert sources["pixel_size_um"] == "sidecar folder.qpm.yaml"
    assert sources["wavelength_nm"] == "you"


@pytest.fixture
def plate(tmp_path, make_hologram):
    path = tmp_path / "plate.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as writer:
        for name, seed in (("A1", 1), ("A2", 2)):
            frames = np.stack([make_hologram(seed=seed)] * 2)
            writer.write(frames, metadata={"axes": "TYX", "Name": name})
    return path


def test_several_positions_are_listed_when_none_is_chosen(plate):
    with pytest.raises(LayoutError, match=r"2 positions: 0 \(A1\), 1 \(A2\).*open_all"):
        open_acquisition(plate)


@pytest.mark.parametrize("position", [1, "1", "A2"])
def test_a_position_is_chosen_by_number_or_name(plate, make_hologram, position):
    acquisition = open_acquisition(plate, position=position)
    assert acquisition.name == "plate A2"
    np.testing.assert_array_equal(acquisition.read(0)[0], make_hologram(seed=2))


def test_an_unknown_position_lists_the_known_ones(plate):
    with pytest.raises(UnknownNameError, match=r"position \(in plate\.ome\.tif\).*A1"):
        open_acquisition(plate, position="B7")


def test_all_positions_open_at_once(plate):
    names = [a.name for a in open_all(plate, wavelength_nm=532)]
    assert names == ["plate A1", "plate A2"]


def test_the_history_says_what_was_read(tmp_path, holograms):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, holograms)
    (step,) = open_acquisition(path).history
    assert (step.name, step.engine) == ("open", "TIFF")
    assert step.inputs["bytes"] == path.stat().st_size


@pytest.mark.parametrize("kind", ["mosaic", "hologram", "grey as colour"])
def test_interferograms_are_ours(tmp_path, make_mosaic, make_hologram, kind):
    path = tmp_path / "a.png"
    frame = make_mosaic() if kind == "mosaic" else make_hologram()
    write_png(path, np.stack([frame] * 3, -1) if kind == "grey as colour" else frame)
    assert is_ours(path)


def test_other_images_are_left_to_other_readers(tmp_path, phase_image, rng):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, phase_image)
    assert not is_ours(path)
    tifffile.imwrite(path, rng.integers(0, 99, (64, 64)).astype(np.uint8))
    assert not is_ours(path)
    write_png(tmp_path / "a.png", rng.integers(0, 99, (64, 64, 3)).astype(np.uint8))
    assert not is_ours(tmp_path / "a.png")


def test_a_sidecar_makes_any_image_ours(tmp_path, phase_image):
    tifffile.imwrite(tmp_path / "a.tif", phase_image)
    (tmp_path / "a.qpm.yaml").touch()
    assert is_ours(tmp_path / "a.tif")


@pytest.mark.parametrize("name", ["missing.tif", "broken.tif", "text.txt", "."])
def test_asking_about_unreadable_paths_never_raises(tmp_path, name):
    (tmp_path / "broken.tif").write_bytes(b"II*")
    (tmp_path / "text.txt").write_text("hello")
    assert not is_ours(Path(tmp_path) / name)


def test_colour_planes_of_a_picture_stay_colours(tmp_path, rng):
    path = tmp_path / "a.tif"
    planes = rng.integers(0, 255, (3, 64, 64)).astype(np.uint8)
    tifffile.imwrite(path, planes, photometric="rgb", planarconfig="separate")
    acquisition = open_acquisition(path)
    assert acquisition.modality is Modality.CHROMATIC
    assert acquisition.shape == (1, 3, 64, 64)


def test_four_reference_pages_become_the_reference_of_four_angles(
    tmp_path, make_angles
):
    np.save(tmp_path / "a.npy", make_angles(seed=1)[None])
    np.save(tmp_path / "empty.npy", make_angles(seed=2))
    path = tmp_path / "a.npy"
    acquisition = open_acquisition(path, reference=tmp_path / "empty.npy")
    np.testing.assert_array_equal(acquisition.reference, make_angles(seed=2))
