"""Opening a recording of 100 GB reads its headers and one frame, nothing else."""

import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
import zarr

from napari_qpm.io import open_acquisition

SHAPE = (50_000, 1024, 1024)
FRAME_BYTES = 2 * 1024 * 1024
pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="counts what the process reads in /proc"
)


def tiff(path):
    # One page that tifffile describes as a series, then a hole of 100 GB.
    settings = {"shape": SHAPE, "dtype": np.uint16, "bigtiff": True}
    tifffile.imwrite(path, **settings, photometric="minisblack")


def npy(path):
    with path.open("wb") as file:
        header = {"descr": "<u2", "fortran_order": False, "shape": SHAPE}
        np.lib.format.write_array_header_2_0(file, header)
        file.truncate(file.tell() + SHAPE[0] * FRAME_BYTES)


def hdf5(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("frames", SHAPE, "u2")
        file["frames"][-1, -1, -1] = 0


def zarr_image(path):
    chunks = (1, *SHAPE[1:])
    zarr.create_array(str(path), shape=SHAPE, chunks=chunks, dtype="u2")


WRITERS = {"a.tif": tiff, "a.npy": npy, "a.h5": hdf5, "a.zarr": zarr_image}


def bytes_read() -> int:
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("rchar")).split()[1])


@pytest.mark.parametrize("name", WRITERS)
def test_a_recording_of_100_gb_opens_by_its_header(tmp_path, name):
    path = tmp_path / name
    try:
        WRITERS[name](path)
    except OSError as error:
        pytest.skip(f"no sparse file of 100 GB can be made here ({error})")
    if path.is_file():
        assert path.stat().st_size > 100e9
        assert path.stat().st_blocks * 512 < 1e8  # it really is a hole
    open_acquisition(path)  # imports read their modules
    before = bytes_read()
    acquisition = open_acquisition(path)
    assert acquisition.shape == (50_000, 1, 1024, 1024)
    # The first frame, the ends that the fingerprint takes, and headers: those of a
    # TIFF are 350 bytes a frame.
    assert bytes_read() - before < 4 * FRAME_BYTES + 400 * SHAPE[0]
    assert acquisition.read(49_999).max() == 0
