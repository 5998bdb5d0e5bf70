import pickle

import numpy as np
import pytest
import zarr

from napari_qpm.errors import FileFormatError, LayoutError
from napari_qpm.io.zarr_reader import own_record, read_zarr

AXES = [
    {"name": "t", "type": "time", "unit": "second"},
    {"name": "c", "type": "channel"},
    {"name": "z", "type": "space", "unit": "micrometer"},
    {"name": "y", "type": "space", "unit": "micrometer"},
    {"name": "x", "type": "space", "unit": "micrometer"},
]


def write_image(path, array, *, version="0.5", axes=AXES, scale=None, group=""):
    """Write an OME-Zarr image of one level, without our own writer."""
    zarr_format = 3 if version == "0.5" else 2
    node = zarr.open_group(str(path), path=group, mode="a", zarr_format=zarr_format)
    node.create_array(
        "0", data=array, chunks=(1,) * (array.ndim - 2) + array.shape[-2:]
    )
    scale = scale or [1.0] * array.ndim
    transform = {"type": "scale", "scale": scale}
    multiscale = {
        "axes": axes[-array.ndim :],
        "datasets": [{"path": "0", "coordinateTransformations": [transform]}],
    }
    if version == "0.5":
        node.attrs["ome"] = {"version": "0.5", "multiscales": [multiscale]}
    else:
        node.attrs["multiscales"] = [multiscale | {"version": version}]


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_both_versions_are_read_with_their_calibration(tmp_path, stack, version):
    path = tmp_path / "cells.zarr"
    scale = [30.0, 1.0, 1.0, 0.2, 0.2]
    write_image(path, stack[:, None, None], version=version, scale=scale)
    (field,) = read_zarr(path)
    assert field.source.shape == (10, 1, 64, 48)
    np.testing.assert_array_equal(field.source.read(7)[0], stack[7])
    assert field.instrument == {"pixel_size_um": 0.2, "frame_interval_s": 30.0}
    assert field.modality is None


def test_numbers_without_a_unit_are_no_calibration(tmp_path, stack):
    path = tmp_path / "cells.zarr"
    axes = [{"name": axis["name"], "type": axis["type"]} for axis in AXES]
    write_image(path, stack[:, None, None], axes=axes)
    assert read_zarr(path)[0].instrument == {}


def test_pixels_that_are_not_square_stay_unknown_with_a_note(tmp_path, stack):
    path = tmp_path / "cells.zarr"
    write_image(path, stack[:, None, None], scale=[1, 1, 1, 0.4, 0.2])
    (field,) = read_zarr(path)
    assert "pixel_size_um" not in field.instrument
    assert "0.2 x 0.4 um" in field.notes[0]


def test_channels_and_planes_keep_their_roles(tmp_path, stack):
    path = tmp_path / "cells.zarr"
    write_image(path, stack.reshape(5, 2, 1, 64, 48))
    np.testing.assert_array_equal(read_zarr(path)[0].source.read(1), stack[2:4])
    focus = tmp_path / "focus.zarr"
    write_image(focus, stack[None, None])
    assert read_zarr(focus, planes=True)[0].source.shape[:2] == (1, 10)


def test_a_plain_array_is_frames(tmp_path, stack):
    path = tmp_path / "cells.zarr"
    zarr.create_array(str(path), data=stack)
    (field,) = read_zarr(path)
    np.testing.assert_array_equal(field.source.read(3)[0], stack[3])


def test_wells_of_a_plate_are_positions(tmp_path, stack):
    path = tmp_path / "plate.zarr"
    root = zarr.create_group(str(path))
    wells = [{"path": "A/1", "rowIndex": 0, "columnIndex": 0}]
    root.attrs["ome"] = {"version": "0.5", "plate": {"wells": wells}}
    well = zarr.open_group(str(path), path="A/1", mode="a")
    images = [{"path": "0"}, {"path": "1"}]
    well.attrs["ome"] = {"version": "0.5", "well": {"images": images}}
    write_image(path, stack[:2, None, None], group="A/1/0")
    write_image(path, stack[2:5, None, None], group="A/1/1")
    first, second = read_zarr(path)
    assert (first.position, second.position) == ("A/1/0", "A/1/1")
    np.testing.assert_array_equal(second.source.read(0)[0], stack[2])


def test_images_side_by_side_are_positions(tmp_path, stack):
    path = tmp_path / "many.zarr"
    zarr.create_group(str(path))
    write_image(path, stack[:2, None, None], group="a")
    write_image(path, stack[2:5, None, None], group="b")
    assert [field.position for field in read_zarr(path)] == ["a", "b"]


def test_a_group_without_an_image_is_refused(tmp_path):
    path = tmp_path / "empty.zarr"
    zarr.create_group(str(path))
    with pytest.raises(FileFormatError, match=r"empty\.zarr .*without an OME image"):
        read_zarr(path)


@pytest.mark.parametrize("content", [None, "{", '{"zarr_format": 9}'])
def test_a_broken_zarr_is_refused_by_name(tmp_path, content):
    path = tmp_path / "cells.zarr"
    path.mkdir()
    if content is not None:
        (path / "zarr.json").write_text(content)
    with pytest.raises(FileFormatError, match=r"cells\.zarr is not a readable Zarr"):
        read_zarr(path)


def test_a_missing_level_is_named(tmp_path, stack):
    path = tmp_path / "cells.zarr"
    write_image(path, stack[:, None, None])
    (path / "0" / "zarr.json").unlink()
    with pytest.raises(
        FileFormatError, match=r"no readable Zarr array at .*cells\.zarr/0"
    ):
        read_zarr(path)


def test_incomplete_ome_metadata_are_refused(tmp_path):
    path = tmp_path / "cells.zarr"
    zarr.create_group(str(path)).attrs["ome"] = {"multiscales": [{}]}
    with pytest.raises(FileFormatError, match=r"OME metadata .* incomplete or damaged"):
        read_zarr(path)


def test_axes_that_do_not_end_in_y_and_x_are_refused(tmp_path, stack):
    path = tmp_path / "cells.zarr"
    axes = [{"name": "x"}, {"name": "y"}, {"name": "t"}]
    write_image(path, stack, axes=axes)
    with pytest.raises(LayoutError, match="axes XYT"):
        read_zarr(path)


def test_a_damaged_chunk_is_named_at_reading(tmp_path, stack):
    path = tmp_path / "cells.zarr"
    write_image(path, stack[:, None, None])
    source = read_zarr(path)[0].source
    (path / "0" / "c" / "4" / "0" / "0" / "0" / "0").write_bytes(b"broken")
    np.testing.assert_array_equal(source.read(3)[0], stack[3])
    with pytest.raises(FileFormatError, match=r"Frame 4 of .*cells\.zarr"):
        source.read(4)


def test_a_source_travels_to_another_process(tmp_path, stack):
    path = tmp_path / "cells.zarr"
    write_image(path, stack[:, None, None])
    source = pickle.loads(pickle.dumps(read_zarr(path)[0].source))
    np.testing.assert_array_equal(source.read(2)[0], stack[2])


def test_foreign_folders_have_no_record_of_ours(tmp_path, stack):
    path = tmp_path / "cells.zarr"
    write_image(path, stack[:, None, None])
    assert own_record(path) is None
    assert own_record(tmp_path) is None


def test_series_of_a_converter_are_positions(tmp_path, stack):
    path = tmp_path / "converted.zarr"
    root = zarr.create_group(str(path))
    root.attrs["ome"] = {"version": "0.5", "series": ["1", "0"]}
    write_image(path, stack[:2, None, None], group="0")
    write_image(path, stack[2:5, None, None], group="1")
    assert [field.position for field in read_zarr(path)] == ["1", "0"]


def test_an_announced_image_that_is_missing_is_named(tmp_path):
    path = tmp_path / "converted.zarr"
    zarr.create_group(str(path)).attrs["ome"] = {"series": ["0"]}
    with pytest.raises(FileFormatError, match=r"announces an image '0'"):
        read_zarr(path)


def test_an_array_of_too_many_axes_is_refused(tmp_path):
    path = tmp_path / "cells.zarr"
    zarr.create_array(str(path), data=np.zeros((1, 1, 1, 1, 8, 8)))
    with pytest.raises(LayoutError, match="expected 2 to 5 axes"):
        read_zarr(path)


def test_planes_get_their_positions_and_defaults_are_doubted(tmp_path, stack):
    path = tmp_path / "cells.zarr"
    write_image(path, stack[None, None, :5], scale=[1.0, 1, 0.5, 1, 1])
    (field,) = read_zarr(path, planes=True)
    assert field.instrument["focus_um"] == (-1, -0.5, 0, 0.5, 1)
    notes = " ".join(field.notes)
    assert "a pixel size of exactly 1 um" in notes
    assert "a frame interval of exactly 1 s" in notes


def test_channels_are_named_by_their_display_settings(tmp_path, stack):
    path = tmp_path / "cells.zarr"
    write_image(path, stack.reshape(5, 2, 1, 64, 48))
    group = zarr.open_group(str(path), mode="r+")
    channels = [{"label": "GFP"}, {"label": "Phase2D"}]
    group.attrs["ome"] = {**group.attrs["ome"], "omero": {"channels": channels}}
    assert read_zarr(path)[0].channel_names == ("GFP", "Phase2D")
