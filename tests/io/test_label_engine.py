"""Cells from a file as an engine: same frames, same grid, or a plain refusal."""

import numpy as np
import pytest
import zarr

from napari_qpm.acquisition import Acquisition, PhaseMap
from napari_qpm.errors import FileFormatError, LayoutError, ParameterError
from napari_qpm.io.label_files import open_labels, write_labels
from napari_qpm.jobs import CancelToken
from napari_qpm.segmentation import (
    SegmentationEngine,
    doubt,
    make_segmentation_engine,
    segment,
)

SHAPE = (3, 24, 32)


@pytest.fixture
def labels():
    made = np.zeros(SHAPE, np.int32)
    for t in range(SHAPE[0]):
        made[t, 4:10, 4 + t : 12 + t] = 5
        made[t, 14:22, 18:28] = 9
    return made


@pytest.fixture
def phase_map(labels):
    phase = (labels > 0).astype(np.float32)
    recording = Acquisition.from_array(phase, "phase", name="dish", phase_unit="rad")
    return PhaseMap(phase=phase, acquisition=recording)


def taken(path, phase_map):
    engine = make_segmentation_engine("file", path=str(path))
    return engine.segment(phase_map, CancelToken())


def test_masks_are_taken_with_their_numbers(tmp_path, labels, phase_map):
    (path,) = write_labels(labels, tmp_path / "cells.tif")
    np.testing.assert_array_equal(taken(path, phase_map), labels)


def test_frames_are_read_lazily_one_by_one(tmp_path, labels, phase_map):
    (path,) = write_labels(labels, tmp_path / "cells.tif")
    lazy = segment(phase_map, "file", path=str(path))
    np.testing.assert_array_equal(lazy[2].compute(), labels[2])


def test_a_folder_of_cellpose_files_is_one_file_a_frame(tmp_path, labels, phase_map):
    paths = write_labels(labels, tmp_path / "a_seg.npy")
    assert len(paths) == SHAPE[0]
    np.testing.assert_array_equal(taken(tmp_path, phase_map), labels)


def test_cellpose_files_of_other_sizes_are_told(tmp_path, labels, phase_map):
    write_labels(labels[:2], tmp_path / "a_seg.npy")
    write_labels(labels[:1, :8], tmp_path / "b_seg.npy")
    with pytest.raises(LayoutError, match=r"b_seg\.npy has shape \(1, 8, 32\)"):
        taken(tmp_path, phase_map)


def ome_zarr(path, names, labels):
    root = zarr.open_group(str(path), mode="w", zarr_format=2)
    root.attrs["multiscales"] = [{"datasets": [{"path": "0"}], "version": "0.4"}]
    root.create_array("0", data=labels.astype(np.float32))
    group = root.create_group("labels")
    group.attrs["labels"] = list(names)
    axes = [
        {"name": "t", "type": "time"},
        {"name": "y", "type": "space"},
        {"name": "x", "type": "space"},
    ]
    scales = {"datasets": [{"path": "0"}], "version": "0.4", "axes": axes}
    for name in names:
        one = group.create_group(name)
        one.attrs["multiscales"] = [scales]
        one.create_array("0", data=labels)
    return path


def test_labels_beside_the_pixels_of_an_ome_zarr_are_found(tmp_path, labels, phase_map):
    path = ome_zarr(tmp_path / "a.ome.zarr", ["nuclei"], labels)
    np.testing.assert_array_equal(taken(path, phase_map), labels)


def test_one_of_several_labels_has_to_be_named(tmp_path, labels, phase_map):
    path = ome_zarr(tmp_path / "a.ome.zarr", ["nuclei", "cells"], labels)
    with pytest.raises(LayoutError, match="nuclei, cells"):
        open_labels(path)
    np.testing.assert_array_equal(taken(path / "labels" / "cells", phase_map), labels)


def test_cells_outlined_on_raw_frames_come_on_the_grid_of_the_phase(
    tmp_path, labels, phase_map
):
    (path,) = write_labels(labels, tmp_path / "cells.tif")
    coarse = phase_map.replace(phase=phase_map.phase[:, ::2, ::2], grid_scale=(2, 2))
    np.testing.assert_array_equal(taken(path, coarse), labels[:, 1::2, 1::2])


@pytest.mark.parametrize("part", [np.s_[:1], np.s_[:, :20], np.s_[:, :, :8]])
def test_other_frames_or_sizes_are_refused(tmp_path, labels, phase_map, part):
    (path,) = write_labels(labels[part], tmp_path / "cells.tif")
    with pytest.raises(LayoutError, match=r"cells\.tif.*phase of 'dish' has \(3, 24"):
        taken(path, phase_map)


def test_a_file_that_was_written_anew_is_read_anew(tmp_path, labels, phase_map):
    path = tmp_path / "cells.tif"
    write_labels(labels, path)
    taken(path, phase_map)
    path.unlink()
    write_labels(labels + 1, path)
    np.testing.assert_array_equal(taken(path, phase_map), labels + 1)


def test_no_file_and_a_missing_file_are_told(tmp_path, phase_map):
    with pytest.raises(ParameterError, match="Choose the file"):
        make_segmentation_engine("file").segment(phase_map, CancelToken())
    with pytest.raises(FileFormatError, match=r"no file or folder .*gone\.tif"):
        taken(tmp_path / "gone.tif", phase_map)


def test_a_method_gives_the_second_opinion(tmp_path, labels, phase_map):
    (path,) = write_labels(labels, tmp_path / "cells.tif")
    engine = make_segmentation_engine("file", path=str(path))
    assert isinstance(engine, SegmentationEngine)
    first = phase_map.replace(phase=phase_map.phase[:1])
    assert 0 < doubt(engine, first, CancelToken()) < 1
