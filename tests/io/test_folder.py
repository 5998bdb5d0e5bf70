import json

import imagecodecs
import numpy as np
import pytest
import tifffile

from napari_qpm.acquisition import Modality
from napari_qpm.errors import FileFormatError, LayoutError
from napari_qpm.io import open_acquisition
from napari_qpm.io.folder import read_folder


def png(path, pixels):
    path.write_bytes(imagecodecs.png_encode(np.ascontiguousarray(pixels)))


@pytest.fixture
def folder(tmp_path, stack):
    for number, frame in enumerate(stack):
        png(tmp_path / f"frame{number + 1}.png", frame)
    return tmp_path


def only(path, skip=()):
    (field,) = read_folder(path, skip)
    return field


def test_frames_come_in_natural_order(folder, stack):
    source = only(folder).source
    assert source.shape == (10, 1, 64, 48)
    for t in range(10):
        np.testing.assert_array_equal(source.read(t)[0], stack[t])


def test_other_files_and_the_reference_are_no_frames(folder, stack):
    png(folder / "background.png", stack[0])
    (folder / "notes.txt").write_text("hello")
    png(folder / "frame0.png", stack[3])
    field = only(folder, skip=(folder / "frame0.png",))
    assert field.source.shape[0] == 10
    assert field.notes == ("Not used as frames: background.png.",)


def test_gaps_in_the_numbering_are_told(folder):
    (folder / "frame4.png").unlink()
    (folder / "frame7.png").unlink()
    field = only(folder)
    assert field.source.shape[0] == 8
    assert "Frames are missing from the numbering: 4, 7" in field.notes[0]


@pytest.mark.parametrize("suffix", ["tif", "npy"])
def test_folders_of_other_formats_are_read(tmp_path, stack, suffix):
    for number, frame in enumerate(stack):
        path = tmp_path / f"{number:03}.{suffix}"
        write = tifffile.imwrite if suffix == "tif" else np.save
        write(path, frame)
    np.testing.assert_array_equal(only(tmp_path).source.read(9)[0], stack[9])


def test_a_frame_of_another_size_is_named(folder, stack):
    png(folder / "frame5.png", stack[4, :30])
    with pytest.raises(LayoutError, match=r"frame5\.png has shape \(1, 30, 48\)"):
        read_folder(folder)


def test_a_frame_of_another_type_is_named(folder, stack):
    png(folder / "frame5.png", stack[4].astype(np.uint8))
    with pytest.raises(LayoutError, match=r"frame5\.png holds uint8 pixels"):
        read_folder(folder)


def test_a_frame_replaced_after_opening_is_named(folder, stack):
    source = only(folder).source
    png(folder / "frame5.png", stack[4, :30])
    with pytest.raises(LayoutError, match=r"frame5\.png"):
        source.read(4)
    (folder / "frame6.png").unlink()
    with pytest.raises(FileFormatError, match=r"frame6\.png cannot be read any more"):
        source.read(5)


def test_an_empty_frame_is_named(folder):
    (folder / "frame5.png").write_bytes(b"")
    with pytest.raises(FileFormatError, match=r"frame5\.png is empty"):
        read_folder(folder)


def test_a_folder_without_images_says_what_is_readable(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(FileFormatError, match=r"holds no images.*\.tif"):
        read_folder(tmp_path)


def test_each_stack_in_a_folder_is_a_field_of_view(tmp_path, stack):
    tifffile.imwrite(tmp_path / "series2.tif", stack[:2])
    tifffile.imwrite(tmp_path / "series10.tif", stack[2:])
    fields = read_folder(tmp_path)
    assert [field.position for field in fields] == ["series2", "series10"]
    np.testing.assert_array_equal(fields[1].source.read(7)[0], stack[9])


def test_stacks_among_single_frames_are_refused(tmp_path, stack):
    tifffile.imwrite(tmp_path / "a1.tif", stack[0])
    tifffile.imwrite(tmp_path / "a2.tif", stack)
    with pytest.raises(LayoutError, match=r"a2\.tif holds several frames"):
        read_folder(tmp_path)


def test_folders_of_frames_are_fields_of_view(tmp_path, stack):
    for name, frames in (("Pos2", stack[:3]), ("Pos10", stack[3:5])):
        (tmp_path / name).mkdir()
        for k, frame in enumerate(frames):
            png(tmp_path / name / f"{k}.png", frame)
    first, second = read_folder(tmp_path)
    assert (first.position, second.position) == ("Pos2", "Pos10")
    np.testing.assert_array_equal(second.source.read(1)[0], stack[4])


@pytest.mark.parametrize("pattern", ["{}", "{:03}deg", "pol_{}", "{}°"])
def test_folders_named_by_angle_become_channels(tmp_path, make_angles, pattern):
    frames = [make_angles(seed=t) for t in range(3)]
    for c, angle in enumerate((0, 45, 90, 135)):
        folder = tmp_path / pattern.format(angle)
        folder.mkdir()
        for t, images in enumerate(frames):
            png(folder / f"{t:04}.png", images[c])
    field = only(tmp_path)
    assert field.modality is Modality.POLARIZATION
    assert field.source.shape[:2] == (3, 4)
    np.testing.assert_array_equal(field.source.read(2), frames[2])
    (tmp_path / pattern.format(45) / "0001.png").unlink()
    with pytest.raises(LayoutError, match="different numbers"):
        read_folder(tmp_path)


def test_single_images_of_micromanager_are_put_together_by_channel(tmp_path, stack):
    for t, c in np.ndindex(5, 2):
        name = f"img_channel{c:03}_position000_time{t:09}_z000.png"
        png(tmp_path / name, stack[2 * t + c])
    field = only(tmp_path)
    assert field.source.shape == (5, 2, 64, 48)
    assert field.channel_names == ("000", "001")
    np.testing.assert_array_equal(field.source.read(3), stack[6:8])
    content = {"Summary": {"ChNames": ["DHM", "GFP"]}}
    for t, c in np.ndindex(5, 2):
        place = {"FrameIndex": t, "ChannelIndex": c, "SliceIndex": 0}
        known = {"PixelSizeUm": 0.2, "ElapsedTime-ms": 1000.0 * t + 9 * c}
        content[f"FrameKey-{t}-{c}-0"] = place | known
    (tmp_path / "metadata.txt").write_text(json.dumps(content))
    field = only(tmp_path)
    assert field.channel_names == ("DHM", "GFP")
    assert field.instrument["pixel_size_um"] == 0.2
    assert field.times_s == (0, 1, 2, 3, 4)
    (tmp_path / "metadata.txt").write_text("{broken")
    assert only(tmp_path).times_s == ()


@pytest.mark.parametrize("pattern", ["{}", "cell_{:03}", "t1_I{}deg"])
def test_images_named_by_angle_become_channels(tmp_path, make_angles, pattern):
    angles = make_angles()
    for angle, image in zip((0, 45, 90, 135), angles, strict=True):
        png(tmp_path / f"{pattern.format(angle)}.png", image)
    field = only(tmp_path)
    assert field.modality is Modality.POLARIZATION
    assert field.instrument["polarization_layout"] == (0, 45, 90, 135)
    np.testing.assert_array_equal(field.source.read(0), angles)


def test_several_frames_of_four_angles_are_kept_apart(tmp_path, make_angles):
    for t in (1, 2, 10):
        for angle, image in zip((0, 45, 90, 135), make_angles(seed=t), strict=True):
            png(tmp_path / f"t{t}_{angle}.png", image)
    source = only(tmp_path).source
    assert source.shape[:2] == (3, 4)
    np.testing.assert_array_equal(source.read(2), make_angles(seed=10))


def test_a_missing_angle_is_named(tmp_path, make_angles):
    for angle, image in zip((0, 45, 135), make_angles(), strict=False):
        png(tmp_path / f"cell_{angle}.png", image)
    with pytest.raises(
        LayoutError, match=r"3 polarizer angles .*90 degrees is missing"
    ):
        read_folder(tmp_path)


def test_one_folder_tells_whether_napari_should_hand_us_many(
    tmp_path, make_hologram, monkeypatch
):
    from napari_qpm.io import folder as module
    from napari_qpm.io import is_ours

    for r in range(5):
        (tmp_path / f"Pos{r}").mkdir()
        png(tmp_path / f"Pos{r}" / "0.png", make_hologram(seed=r))
    opened = []
    original = module._read_one

    def counted(path, planes):
        opened.append(path.parent.name)
        return original(path, planes)

    monkeypatch.setattr(module, "_read_one", counted)
    assert is_ours(tmp_path)
    assert set(opened) == {"Pos0"}


def test_cells_that_cellpose_put_beside_the_images_are_no_frames(folder, stack):
    n_frames = only(folder).source.shape[0]
    np.save(folder / "frame1_seg.npy", {"masks": stack[0]}, allow_pickle=True)
    png(folder / "frame1_cp_masks.png", stack[0])
    assert only(folder).source.shape[0] == n_frames
    with pytest.raises(FileFormatError, match="holds cells that Cellpose found"):
        open_acquisition(folder / "frame1_seg.npy")
