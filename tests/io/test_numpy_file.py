import pickle
import zipfile

import numpy as np
import pytest

from napari_qpm.errors import FileFormatError, LayoutError
from napari_qpm.io.numpy_file import read_npy, read_npz


def npy(tmp_path, array):
    path = tmp_path / "cells.npy"
    np.save(path, array)
    return path


def npz(tmp_path, **arrays):
    path = tmp_path / "cells.npz"
    np.savez_compressed(path, **arrays)
    return path


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((20, 30), (1, 1, 20, 30)),
        ((5, 20, 30), (5, 1, 20, 30)),
        ((5, 4, 20, 30), (5, 4, 20, 30)),
        ((20, 30, 3), (1, 3, 20, 30)),
        ((5, 20, 30, 3), (5, 3, 20, 30)),
    ],
)
@pytest.mark.parametrize("dtype", ["<u2", ">u2", "u1", "f4"])
def test_arrays_of_every_shape_are_frames(tmp_path, shape, expected, dtype):
    array = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    (field,) = read_npy(npy(tmp_path, array))
    assert field.source.shape == expected
    frame = field.source.read(expected[0] - 1)
    assert frame.dtype == np.dtype(dtype).newbyteorder("=")
    last = array[-1] if expected[0] > 1 else array
    if shape[-1] == 3:
        last = np.moveaxis(last, -1, 0)
    np.testing.assert_array_equal(frame, last.reshape(expected[1:]))


def test_a_frame_can_be_changed_without_changing_the_file(tmp_path):
    (field,) = read_npy(npy(tmp_path, np.zeros((3, 20, 30))))
    field.source.read(0)[:] = 1
    assert not field.source.read(0).any()


def test_a_source_travels_without_its_pixels(tmp_path):
    (field,) = read_npy(npy(tmp_path, np.ones((50, 64, 64))))
    field.source.read(0)
    data = pickle.dumps(field.source)
    assert len(data) < 2000
    assert pickle.loads(data).read(3).all()


def test_reference_and_instrument_are_found_by_key(tmp_path):
    frame = np.full((20, 30), 7, np.uint8)
    path = npz(
        tmp_path,
        data=frame,
        bg_data=frame + 1,
        wavelength_nm=np.array(532.0),
        roi_offset_px=np.array([1, 0]),
        comment=np.arange(3),
    )
    (field,) = read_npz(path)
    np.testing.assert_array_equal(field.source.read(0)[0], frame)
    np.testing.assert_array_equal(field.reference, frame + 1)
    assert field.instrument == {"wavelength_nm": 532.0, "roi_offset_px": [1, 0]}
    assert field.notes == (
        "Not read from the file: comment.",
        "The reference frame is 'bg_data' of the file.",
    )


def test_a_lone_array_needs_no_special_name(tmp_path):
    (field,) = read_npz(npz(tmp_path, whatever=np.ones((20, 30))))
    assert field.source.read(0).all()
    assert field.reference is None


def test_arrays_without_a_known_name_are_listed(tmp_path):
    path = npz(tmp_path, one=np.ones((20, 30)), two=np.ones((20, 30)))
    with pytest.raises(FileFormatError, match=r"one \(20, 30\), two.*Name its array"):
        read_npz(path)


def test_a_truncated_npy_says_how_much_is_missing(tmp_path):
    path = npy(tmp_path, np.ones((5, 20, 30), np.uint8))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(FileFormatError, match=r"cells\.npy ends 100 bytes before"):
        read_npy(path)


@pytest.mark.parametrize("content", [b"\x93NUMPY", b"hello" * 40])
def test_a_broken_npy_is_refused_by_name(tmp_path, content):
    path = tmp_path / "cells.npy"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=r"cells\.npy is not a readable NumPy"):
        read_npy(path)


def test_a_broken_npz_is_refused_by_name(tmp_path):
    path = npz(tmp_path, data=np.ones((20, 30)))
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(FileFormatError, match=r"cells\.npz is not a readable NumPy"):
        read_npz(path)


def test_a_zip_of_other_files_is_refused(tmp_path):
    path = tmp_path / "cells.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(FileFormatError, match=r"cells\.npz is not a readable NumPy"):
        read_npz(path)


def test_python_objects_are_never_loaded(tmp_path):
    path = tmp_path / "cells.npy"
    np.save(path, np.array([{}, {}]), allow_pickle=True)
    with pytest.raises(LayoutError, match="object values"):
        read_npy(path)


def test_complex_fields_are_refused_with_a_remedy(tmp_path):
    with pytest.raises(LayoutError, match=r"Save the phase \(numpy\.angle\)"):
        read_npy(npy(tmp_path, np.ones((20, 30), np.complex64)))


@pytest.mark.parametrize("shape", [(30,), (2, 2, 2, 20, 30), (0, 20, 30)])
def test_other_shapes_are_refused_with_their_shape(tmp_path, shape):
    with pytest.raises(LayoutError, match="holds an array of shape"):
        read_npy(npy(tmp_path, np.ones(shape, np.uint8)))
