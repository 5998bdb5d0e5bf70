import pickle

import h5py
import numpy as np
import pytest

from napari_qpm.errors import FileFormatError, LayoutError, UnknownNameError
from napari_qpm.io import is_ours, open_acquisition, open_all


@pytest.fixture
def write(tmp_path):
    """Return a writer of HDF5 files: datasets by name."""

    def write_file(**datasets):
        path = tmp_path / "cells.h5"
        with h5py.File(path, "w") as file:
            for name, values in datasets.items():
                file[name.replace("__", "/")] = values
        return path

    return write_file


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["u1", "u2", "i4", "f4", "f8"])
def test_any_number_and_byte_order_is_read_exactly(write, stack, kind, order):
    frames = (stack % 251).astype(order + kind)
    acquisition = open_acquisition(write(frames=frames), modality="off-axis")
    assert acquisition.shape == (10, 1, 64, 48)
    assert acquisition.dtype == np.dtype(kind)
    np.testing.assert_array_equal(acquisition.read(7)[0], frames[7])


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((40, 50), (1, 1, 40, 50)),
        ((5, 40, 50), (5, 1, 40, 50)),
        ((5, 4, 40, 50), (5, 4, 40, 50)),
        ((40, 50, 3), (1, 3, 40, 50)),
        ((5, 40, 50, 3), (5, 3, 40, 50)),
    ],
)
def test_axes_are_understood_from_their_lengths(write, rng, shape, expected):
    values = rng.random(shape).astype(np.float32)
    acquisition = open_acquisition(write(stuff=values))
    assert acquisition.shape == expected
    last = acquisition.read(-1)
    wanted = values[-1] if expected[0] > 1 else values
    if shape[-1] == 3:
        wanted = np.moveaxis(wanted, -1, 0)
    np.testing.assert_array_equal(last, wanted.reshape(last.shape))


def test_numbered_datasets_are_frames_in_their_order(write, stack):
    named = {f"run__frame{k}": frame for k, frame in enumerate(stack)}
    acquisition = open_acquisition(write(**named))
    assert acquisition.shape == (10, 1, 64, 48)
    np.testing.assert_array_equal(acquisition.read(9)[0], stack[9])
    assert any("10 datasets" in note for note in acquisition.notes)


def test_several_images_open_each_and_are_chosen_by_name(write, stack):
    path = write(a__phase=stack[0], b__fluorescence=stack[1, :32])
    assert [a.name for a in open_all(path)] == [
        "cells a/phase",
        "cells b/fluorescence",
    ]
    chosen = open_acquisition(path, position="b/fluorescence")
    np.testing.assert_array_equal(chosen.read(0)[0], stack[1, :32])
    with pytest.raises(UnknownNameError, match="a/phase"):
        open_acquisition(path, position="c")


def test_a_reference_beside_the_frames_is_used(write, stack):
    acquisition = open_acquisition(write(data=stack[:2], background=stack[5]))
    np.testing.assert_array_equal(acquisition.reference[0], stack[5])
    assert acquisition.n_frames == 2


def test_a_file_without_images_says_so(write):
    with pytest.raises(FileFormatError, match="there is no recording in it"):
        open_acquisition(write(table=np.zeros((100, 3)), curve=np.arange(9)))


def test_a_file_that_is_no_hdf5_is_named(tmp_path):
    path = tmp_path / "a.h5"
    path.write_bytes(b"x" * 5000)
    with pytest.raises(FileFormatError, match=r"a\.h5 is not a readable HDF5"):
        open_acquisition(path)


def test_frames_can_be_read_in_another_process(write, stack):
    acquisition = open_acquisition(write(data=stack))
    acquisition.read(0)
    copy = pickle.loads(pickle.dumps(acquisition))
    np.testing.assert_array_equal(copy.read(4)[0], stack[4])


def test_napari_may_hand_us_any_hdf5(write, stack):
    assert is_ours(write(data=stack))


def test_a_frame_that_the_file_cannot_hold_is_refused_before_it_is_read(write):
    path = write(small=np.zeros((9, 9)))
    with h5py.File(path, "w") as file:
        file.create_dataset("data", (200_000, 200_000), "f8", chunks=(64, 64))
    with pytest.raises(FileFormatError, match="far too small to hold"):
        open_acquisition(path)


def test_a_dataset_of_too_many_axes_is_no_image(write):
    with pytest.raises((FileFormatError, LayoutError), match="no recording"):
        open_acquisition(write(data=np.zeros((2, 2, 2, 9, 9))))
