"""P13, P14: random frames of recordings, and writing recordings and phase.

The peers are tifffile's page read, dask over tifffile's zarr view, and zarr-python on
the same array; for writing, the same frames and half-sized copies uncompressed through
zarr-python. Where tensorstore is installed it reads the same array too.

    python benchmarks/bench_files.py [--quick] [--json FILE]
"""

import itertools
import shutil
import sys
import tempfile
import time
from pathlib import Path

import _harness as harness
import dask.array as da
import numpy as np
import tifffile
import zarr

from napari_qpm.acquisition import Acquisition
from napari_qpm.io import open_acquisition
from napari_qpm.io.ome_zarr import ResultStore
from napari_qpm.io.recording import write_recording

SHAPE = (1024, 1024)
N_FRAMES = 64
PAGE, DASK, ZARR = "tifffile, one page", "dask over tifffile", "zarr-python"
TIFF, OURS_ZARR = "ours, TIFF", "ours, OME-Zarr"
TENSORSTORE = "tensorstore"
PLAIN, OURS = "zarr-python, uncompressed", "ours, compressed and logged"
MIB = 2**20


def fringes(n_frames):
    """Return noisy 12-bit fringes ``(T, Y, X)``, eight different ones in turn."""
    rng = np.random.default_rng(0)
    y, x = np.indices(SHAPE)
    pattern = 2000 * (1 + 0.8 * np.cos(0.9 * y + 0.7 * x))
    kinds = [pattern + rng.normal(0, 30, SHAPE) for _ in range(8)]
    frames = [np.clip(kind, 0, 4095).astype(np.uint16) for kind in kinds]
    return np.stack([frames[t % 8] for t in range(n_frames)])


def levels_of(image):
    """Return the frame and its half-sized copy, as our results hold them."""
    rows = image[::2] + image[1::2]
    return image, (rows[:, ::2] + rows[:, 1::2]) * np.float32(0.25)


def opened_by_tensorstore(path):
    """Return the array by its fastest independent reader; None where that lacks."""
    try:
        import tensorstore
    except ImportError:
        return None
    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(path)}}
    return tensorstore.open(spec, read=True).result()


def read(report, folder, frames, budget_s):
    path = folder / "recording.tif"
    tifffile.imwrite(path, frames, photometric="minisblack", metadata={"axes": "TYX"})
    recording = Acquisition.from_array(frames[:, None], "off-axis", name="recording")
    stored = write_recording(recording, folder / "recording.ome.zarr")
    ours = open_acquisition(path, modality="off-axis")
    ours_zarr = open_acquisition(stored)
    tiff = tifffile.TiffFile(path)
    with tifffile.imread(path, aszarr=True) as store:
        lazy = da.from_zarr(zarr.open(store, mode="r"))
        array = zarr.open_group(stored, mode="r")["0"]
        order = np.random.default_rng(1).permutation(len(frames))
        turns = {name: itertools.cycle(order) for name in range(6)}
        through = opened_by_tensorstore(stored / "0")
        others = {}
        if through is None:
            print("tensorstore is not installed: its row was not run")
        else:
            others[TENSORSTORE] = lambda: through[int(next(turns[5]))].read().result()
        table = report.add_table(
            harness.compare(
                "A random frame of 1024 x 1024 uint16",
                {
                    PAGE: lambda: tiff.pages[int(next(turns[0]))].asarray(),
                    # A copy, as the page read makes one: ours maps the file.
                    TIFF: lambda: np.array(ours.read(int(next(turns[1])))),
                    DASK: lambda: lazy[int(next(turns[2]))].compute(),
                    ZARR: lambda: array[int(next(turns[3]))],
                    OURS_ZARR: lambda: ours_zarr.read(int(next(turns[4]))),
                }
                | others,
                peer=PAGE,
                budget_s=budget_s,
            )
        )
    goals = (
        ("TIFF over tifffile's page", table.ratio(PAGE, TIFF), 1.3, False),
        ("TIFF, times faster than dask", table.ratio(TIFF, DASK), 5, True),
        ("OME-Zarr over zarr-python", table.ratio(ZARR, OURS_ZARR), 1.3, False),
    )
    for what, measured, wanted, at_least in goals:
        report.add_goal(harness.Goal("P13", what, measured, wanted, at_least))


def write(report, folder, frames, n_rounds):
    recording = Acquisition.from_array(frames[:, None], "off-axis", name="written")
    size = frames.nbytes / MIB
    rates = []
    for k in range(n_rounds):
        started = time.perf_counter()
        write_recording(recording, folder / f"{k}" / "written.ome.zarr")
        rates.append(size / (time.perf_counter() - started))
        shutil.rmtree(folder / f"{k}")
    print("recording [MiB/s]: " + ", ".join(f"{rate:.0f}" for rate in rates))
    report.add_goal(harness.Goal("P14", "recording, MiB/s", max(rates), 200))
    phase = frames[0].astype(np.float32) / 1000
    store = ResultStore.open(
        folder / "phase.ome.zarr",
        shape=(10_000, *SHAPE),
        pixel_size_um=(0.2, 0.2),
        frame_interval_s=1.0,
        record={},
    )
    plain = [
        zarr.create_array(
            str(folder / f"plain{level}.zarr"),
            shape=(10_000, *image.shape),
            chunks=(1, *image.shape),
            dtype=np.float32,
            compressors=None,
        )
        for level, image in enumerate(levels_of(phase))
    ]
    ours, theirs, single = (itertools.count() for _ in range(3))

    def write_plain():
        t = next(theirs)
        for array, image in zip(plain, levels_of(phase), strict=True):
            array[t] = image

    def write_one():
        plain[0][5000 + next(single)] = phase

    table = report.add_table(
        harness.compare(
            "A frame of float32 phase",
            {
                PLAIN: write_plain,
                "zarr-python, uncompressed, one level": write_one,
                OURS: lambda: store.write_phase(next(ours), phase, {}),
            },
            peer=PLAIN,
            budget_s=5.0,
        )
    )
    what = "phase with pyramid over the uncompressed write of the same"
    over = table.ratio(PLAIN, OURS)
    report.add_goal(harness.Goal("P14", what, over, 1.6, at_least=False))


def main():
    arguments = harness.parse_arguments(__doc__.splitlines()[0])
    report = harness.Report("files")
    frames = fringes(N_FRAMES if arguments.quick else 4 * N_FRAMES)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        read(report, folder, frames, 6.0 if arguments.quick else 30.0)
        write(report, folder, frames, 3 if arguments.quick else 5)
    return report.finish(arguments.json)


if __name__ == "__main__":
    sys.exit(main())
