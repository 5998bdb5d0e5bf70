import pickle

import numpy as np
import pytest
import tifffile

from napari_qpm.errors import FileFormatError, LayoutError, OutputError
from napari_qpm.io.label_files import read_labels, write_labels


@pytest.fixture
def labels():
    """Return three frames of four square cells."""
    frames = np.zeros((3, 60, 50), np.int32)
    for number, (y, x) in enumerate(((2, 3), (20, 5), (40, 30), (3, 30)), 1):
        for t in range(3):
            frames[t, y + t : y + t + 12, x : x + 14] = number
    return frames


@pytest.mark.parametrize("largest", [4, 70_000])
def test_masks_come_back_exactly(tmp_path, labels, largest):
    labels[labels == 4] = largest
    (path,) = write_labels(labels, tmp_path / "cells.tif")
    np.testing.assert_array_equal(tifffile.imread(path), labels)
    np.testing.assert_array_equal(read_labels(path, labels.shape), labels)


def test_cellpose_finds_its_fields_in_each_frame(tmp_path, labels):
    paths = write_labels(labels, tmp_path / "cells_seg.npy")
    assert [p.name for p in paths][::2] == ["cells_0000_seg.npy", "cells_0002_seg.npy"]
    content = np.load(paths[1], allow_pickle=True).item()
    np.testing.assert_array_equal(content["masks"], labels[1])
    assert set(content) >= {"filename", "outlines", "chan_choose", "ismanual", "flows"}
    assert content["outlines"].max() == 4
    assert content["outlines"][labels[1] == 0].max() == 0
    assert len(content["ismanual"]) == 4
    np.testing.assert_array_equal(read_labels(paths[1])[0], labels[1])


def test_one_frame_for_cellpose_keeps_its_name(tmp_path, labels):
    paths = write_labels(labels[:1], tmp_path / "cells_seg.npy")
    assert paths == (tmp_path / "cells_seg.npy",)


@pytest.mark.parametrize("name", ["cells.npy", "cells.npz", "cells.png", "folder"])
def test_masks_of_others_are_read(tmp_path, labels, name):
    import imagecodecs

    path = tmp_path / name
    if name.endswith("npy"):
        np.save(path, labels.astype(np.uint16))
    elif name.endswith("npz"):
        np.savez(path, data=labels.astype(np.float32))
    else:
        folder = path if name == "folder" else tmp_path
        folder.mkdir(exist_ok=True)
        for t, frame in enumerate(labels[: 3 if name == "folder" else 1]):
            image = imagecodecs.png_encode(frame.astype(np.uint16))
            target = folder / f"{t}.png" if name == "folder" else path
            target.write_bytes(image)
    expected = labels[:1] if name == "cells.png" else labels
    np.testing.assert_array_equal(read_labels(path), expected)


def test_cells_of_another_shape_are_refused(tmp_path, labels):
    (path,) = write_labels(labels, tmp_path / "cells.tif")
    with pytest.raises(
        LayoutError, match=r"\(3, 60, 50\), the phase has \(2, 60, 50\)"
    ):
        read_labels(path, (2, 60, 50))


def test_fractions_and_negative_numbers_are_no_cells(tmp_path):
    np.save(tmp_path / "a.npy", np.full((20, 20), 0.5))
    with pytest.raises(FileFormatError, match="holds fractions"):
        read_labels(tmp_path / "a.npy")
    np.save(tmp_path / "a.npy", np.full((20, 20), -3))
    with pytest.raises(FileFormatError, match="numbered from 1"):
        read_labels(tmp_path / "a.npy")


def test_other_suffixes_are_refused(tmp_path, labels):
    with pytest.raises(OutputError, match=r"cells\.docx.*_seg\.npy"):
        write_labels(labels, tmp_path / "cells.docx")


class Evil:
    """Would run a command when it is unpickled."""

    def __reduce__(self):
        import os

        return os.system, ("touch /tmp/evil",)


def test_a_pickle_that_would_run_code_is_refused(tmp_path):
    path = tmp_path / "a_seg.npy"
    np.save(path, {"masks": Evil()})
    with pytest.raises(FileFormatError, match=r"read safely.*asks for \w+\.system"):
        read_labels(path)


@pytest.mark.parametrize("content", [[1, 2], {"outlines": 3}, {"masks": "text"}, None])
def test_other_content_is_refused(tmp_path, content):
    path = tmp_path / "a_seg.npy"
    np.save(path, content)
    with pytest.raises(FileFormatError, match=r"a_seg\.npy is no segmentation"):
        read_labels(path)


def test_damage_anywhere_gives_our_own_error(tmp_path, labels, rng):
    (path,) = write_labels(labels[:1], tmp_path / "a_seg.npy")
    data, refusals = path.read_bytes(), []
    for _ in range(200):
        broken = bytearray(data)
        for at in rng.integers(len(broken), size=3):
            broken[at] = rng.integers(256)
        path.write_bytes(broken)
        try:
            read_labels(path)
        except (FileFormatError, LayoutError) as error:
            refusals.append(str(error))
    assert refusals
    assert all("a_seg.npy" in message for message in refusals)


def test_old_pickles_of_numpy_are_read(tmp_path, labels):
    path = tmp_path / "a_seg.npy"
    array = np.array({"masks": labels[0]}, dtype=object)
    with path.open("wb") as file:
        header = {"descr": "|O", "fortran_order": False, "shape": ()}
        np.lib.format.write_array_header_1_0(file, header)
        text = pickle.dumps(array, protocol=3)
        file.write(text.replace(b"numpy._core", b"numpy.core"))
    np.testing.assert_array_equal(read_labels(path)[0], labels[0])
