"""One small recording in every format, number type and byte order that labs bring.

The table of formats in the docs, the round trips and the fuzz run share it. Everything
is written by the libraries that others use, or from a published description.
"""

import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import imagecodecs
import numpy as np
import tifffile
import zarr

sys.path.insert(0, str(Path(__file__).parent))

from micromanager_files import write_mmstack, write_ndtiff

ORDERS = {"little": "<", "big": ">"}
SONY = np.deg2rad([[90, 45], [135, 0]])
META = {"wavelength": 5.32e-7, "pixel size": 1.1e-7, "medium index": 1.335}


@dataclass(frozen=True)
class Sample:
    """One recording of the corpus.

    Parameters
    ----------
    name
        Of the case, unique.
    path
        File or folder to open.
    kind
        Format, in words.
    dtype, order
        Of the stored pixels.
    frames
        What has to be read, ``(T, C, Y, X)``; `None` where compression is lossy.
    modality
        What it is, where that cannot be told from the frames.
    """

    name: str
    path: Path
    kind: str
    dtype: str
    order: str
    frames: np.ndarray | None
    modality: str | None = None


def holograms(n_frames: int, size: int) -> np.ndarray:
    """Return holograms of a moving cell, 0 to 250, as floats."""
    y, x = np.mgrid[:size, :size].astype(float)
    frames = []
    for t in range(n_frames):
        bump = np.exp(
            -((y - size / 2 - t) ** 2 + (x - size / 2) ** 2) / (size / 6) ** 2
        )
        fringes = 2 * np.pi * (0.25 * y + 0.2 * x)
        frames.append(120 + 100 * np.cos(fringes + 3 * bump))
    return np.stack(frames)


def mosaics(n_frames: int, size: int) -> np.ndarray:
    """Return polarization mosaics of a moving cell, 0 to 250, as floats."""
    y, x = np.mgrid[:size, :size]
    frames = []
    for t in range(n_frames):
        bump = np.exp(
            -((y - size / 2 - t) ** 2 + (x - size / 2) ** 2) / (size / 6) ** 2
        )
        frames.append(120 + 100 * np.cos(3 * bump + 2 * SONY[y % 2, x % 2] + 0.4))
    return np.stack(frames)


def phases(n_frames: int, size: int) -> np.ndarray:
    """Return phase images [rad] with a little noise."""
    y, x = np.mgrid[:size, :size].astype(float)
    bump = 3 * np.exp(-((y - size / 2) ** 2 + (x - size / 2) ** 2) / (size / 6) ** 2)
    noise = np.random.default_rng(5).normal(0, 0.03, (n_frames, size, size))
    return (bump + noise).astype(np.float32)


def write_corpus(folder: Path, size: int = 128, n_frames: int = 3) -> list[Sample]:
    """Write every recording below `folder` and return them."""
    folder.mkdir(parents=True, exist_ok=True)
    found: list[Sample] = []
    for make in (_tiffs, _pictures, _arrays, _hdf5s, _zarrs, _microscopes, _folders):
        found += make(folder, size, n_frames)
    return found


def _counts(frames: np.ndarray, kind: str) -> np.ndarray:
    """Return frames as camera counts of a type; floats stay fractional."""
    dtype = np.dtype(kind)
    if dtype.kind == "f":
        return frames.astype(dtype)
    scale = {1: 1, 2: 16}.get(dtype.itemsize, 16)
    return np.rint(frames * scale).astype(dtype)


def _types(kinds: tuple[str, ...]) -> Iterator[tuple[str, str, str]]:
    """Yield name, type and byte order; single bytes have no order."""
    for kind in kinds:
        for name, mark in ORDERS.items():
            if np.dtype(kind).itemsize == 1:
                if name == "little":
                    yield kind, kind, "-"
            else:
                yield f"{kind}-{name}", mark + kind, name


def _tiffs(folder: Path, size: int, n: int) -> Iterator[Sample]:
    raw = holograms(n, size)
    for name, dtype, order in _types(("u1", "u2", "i2", "u4", "i4", "f4", "f8")):
        frames = _counts(raw, dtype)
        path = folder / f"plain-{name}.tif"
        mark = "<" if order == "-" else dtype[0]
        tifffile.imwrite(path, frames, byteorder=mark, photometric="minisblack")
        yield Sample(path.stem, path, "TIFF", dtype[-2:], order, frames[:, None])
    frames = _counts(raw, "u2")
    for name, keywords in {
        "bigtiff": {"bigtiff": True},
        "lzw": {"compression": "lzw"},
        "zlib": {"compression": "zlib", "predictor": True},
        "tiled": {"tile": (32, 32)},
        "one-chunk": {"metadata": None},
    }.items():
        path = folder / f"{name}.tif"
        tifffile.imwrite(path, frames, photometric="minisblack", **keywords)
        yield Sample(name, path, f"TIFF, {name}", "u2", "little", frames[:, None])
    path = folder / "imagej.tif"
    tifffile.imwrite(path, frames, imagej=True, metadata={"axes": "TYX"})
    yield Sample("imagej", path, "ImageJ TIFF", "u2", "big", frames[:, None])
    for order, mark in ORDERS.items():
        path = folder / f"ome-{order}.ome.tif"
        times = {"DeltaT": [30.0 * t for t in range(n)]}
        metadata = {"axes": "TYX", "PhysicalSizeX": 0.11, "Plane": times}
        tifffile.imwrite(path, frames, byteorder=mark, metadata=metadata)
        yield Sample(f"ome-{order}", path, "OME-TIFF", "u2", order, frames[:, None])
    path = folder / "positions.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as writer:
        for r in range(2):
            writer.write(frames + r, metadata={"axes": "TYX", "Name": f"pos {r}"})
    kind = "OME-TIFF, positions"
    yield Sample("ome-positions", path, kind, "u2", "little", frames[:, None])
    path = folder / "mixed.ome.tif"
    mixed = np.stack([frames // 200, frames], axis=1)
    names = {"axes": "TCYX", "Channel": {"Name": ["GFP", "DHM"]}}
    tifffile.imwrite(path, mixed, photometric="minisblack", metadata=names)
    kind = "OME-TIFF, hologram beside fluorescence"
    yield Sample("mixed", path, kind, "u2", "little", frames[:, None])
    colours = np.stack([_counts(raw[:1], "u1")[0] // k for k in (1, 2, 3)], -1)
    path = folder / "colours.tif"
    tifffile.imwrite(path, colours, photometric="rgb")
    expected = np.moveaxis(colours, -1, 0)[None]
    yield Sample("rgb", path, "TIFF, RGB", "u1", "-", expected, "chromatic")
    path = folder / "focus.ome.tif"
    metadata = {"axes": "ZYX", "PhysicalSizeZ": 0.5}
    tifffile.imwrite(path, frames, metadata=metadata)
    kind = "OME-TIFF, through focus"
    yield Sample("focus", path, kind, "u2", "little", frames[None], "through-focus")


def _pictures(folder: Path, size: int, n: int) -> Iterator[Sample]:
    raw = holograms(1, size)[0]
    for kind in ("u1", "u2"):
        frame = _counts(raw, kind)
        path = folder / f"grey-{kind}.png"
        path.write_bytes(imagecodecs.png_encode(frame))
        yield Sample(f"png-{kind}", path, "PNG", kind, "big", frame[None, None])
    frame = _counts(raw, "u1")
    path = folder / "opaque.png"
    opaque = np.dstack([frame, frame, frame, np.full_like(frame, 255)])
    path.write_bytes(imagecodecs.png_encode(opaque))
    yield Sample("png-rgba", path, "PNG, RGB + opacity", "u1", "-", frame[None, None])
    path = folder / "grey.bmp"
    path.write_bytes(imagecodecs.bmp_encode(frame))
    yield Sample("bmp", path, "BMP", "u1", "-", frame[None, None])
    path = folder / "grey.jpg"
    path.write_bytes(imagecodecs.jpeg_encode(frame, level=95))
    yield Sample("jpeg", path, "JPEG", "u1", "-", None)


def _arrays(folder: Path, size: int, n: int) -> Iterator[Sample]:
    raw = holograms(n, size)
    for name, dtype, order in _types(("u1", "u2", "i4", "f4", "f8")):
        frames = _counts(raw, dtype)
        path = folder / f"array-{name}.npy"
        np.save(path, frames)
        yield Sample(f"npy-{name}", path, "NPY", dtype[-2:], order, frames[:, None])
        path = folder / f"array-{name}.npz"
        np.savez_compressed(path, data=frames, reference=frames[0], wavelength_nm=532)
        yield Sample(f"npz-{name}", path, "NPZ", dtype[-2:], order, frames[:, None])
    path = folder / "fortran.npy"
    frames = _counts(raw, "u2")
    np.save(path, np.asfortranarray(frames))
    yield Sample(
        "npy-fortran", path, "NPY, Fortran order", "u2", "little", frames[:, None]
    )


def _hdf5s(folder: Path, size: int, n: int) -> Iterator[Sample]:
    raw = holograms(n, size)
    for name, dtype, order in _types(("u1", "u2", "i4", "f4", "f8")):
        frames = _counts(raw, dtype)
        path = folder / f"hdf5-{name}.h5"
        with h5py.File(path, "w") as file:
            file.create_dataset("exp/frames", data=frames, chunks=True, compression=4)
        yield Sample(f"hdf5-{name}", path, "HDF5", dtype[-2:], order, frames[:, None])
    frames = _counts(raw, "u1")
    path = folder / "qpformat.h5"
    with h5py.File(path, "w") as file:
        file.attrs["file_format"] = "qpformat"
        file.attrs["imaging_modality"] = "off-axis holography"
        for t, frame in enumerate(frames):
            file[str(t)] = frame
            file[str(t)].attrs.update(META | {"time": 2.0 * t})
    yield Sample("qpformat", path, "qpformat HDF5", "u1", "-", frames[:, None])
    images = phases(n, size)
    for name in ("single", "series"):
        path = folder / f"qpimage-{name}.h5"
        with h5py.File(path, "w") as file:
            groups = [file] if name == "single" else []
            groups += (
                [file.create_group(f"qpi_{t}") for t in range(n)] if not groups else []
            )
            for t, group in enumerate(groups):
                group.attrs.update(META | {"time": 60.0 * t})
                for part in ("phase", "amplitude"):
                    group[f"{part}/raw"] = images[t]
                    group.create_group(f"{part}/bg_data")
        expected = images[: len(groups), None]
        kind = f"qpimage HDF5, {name}"
        yield Sample(f"qpimage-{name}", path, kind, "f4", "little", expected)


def _zarrs(folder: Path, size: int, n: int) -> Iterator[Sample]:
    frames = _counts(holograms(n, size), "u2")
    for version in ("0.4", "0.5"):
        path = folder / f"image-{version}.ome.zarr"
        group = zarr.open_group(str(path), mode="w", zarr_format=_zarr_format(version))
        _ome_image(group, frames, version)
        kind = f"OME-Zarr {version}"
        yield Sample(f"zarr-{version}", path, kind, "u2", "little", frames[:, None])
        path = folder / f"plate-{version}.ome.zarr"
        _ome_plate(path, frames, version)
        kind = f"OME-Zarr {version}, plate"
        yield Sample(f"plate-{version}", path, kind, "u2", "little", frames[:, None])
    for order, mark in ORDERS.items():
        path = folder / f"plain-{order}.zarr"
        stored = frames.astype(f"{mark}u2")
        zarr.create_array(str(path), data=stored, zarr_format=2)
        yield Sample(f"zarr-{order}", path, "Zarr", "u2", order, frames[:, None])


def _zarr_format(version: str) -> int:
    return 2 if version == "0.4" else 3


def _ome_image(group: zarr.Group, frames: np.ndarray, version: str) -> None:
    """Write one image of axes TCZYX, with its metadata where the version puts them."""
    keywords = (
        {}
        if version == "0.5"
        else {"chunk_key_encoding": {"name": "v2", "separator": "/"}}
    )
    array = group.create_array(
        "0",
        shape=(len(frames), 1, 1, *frames.shape[1:]),
        chunks=(1, 1, 1, *frames.shape[1:]),
        dtype=frames.dtype,
        **keywords,
    )
    array[:] = frames[:, None, None]
    scale = {"type": "scale", "scale": [30.0, 1.0, 1.0, 0.11, 0.11]}
    space = {"type": "space", "unit": "micrometer"}
    multiscale = {
        "version": version,
        "axes": [
            {"name": "t", "type": "time", "unit": "second"},
            {"name": "c", "type": "channel"},
            {"name": "z", **space},
            {"name": "y", **space},
            {"name": "x", **space},
        ],
        "datasets": [{"path": "0", "coordinateTransformations": [scale]}],
    }
    _set_ome(group, {"multiscales": [multiscale]}, version)


def _ome_plate(path: Path, frames: np.ndarray, version: str) -> None:
    root = zarr.open_group(str(path), mode="w", zarr_format=_zarr_format(version))
    places = [("A", "1"), ("B", "2")]
    wells = [
        {"path": f"{row}/{column}", "rowIndex": k, "columnIndex": k}
        for k, (row, column) in enumerate(places)
    ]
    plate = {
        "rows": [{"name": row} for row, _ in places],
        "columns": [{"name": column} for _, column in places],
        "wells": wells,
    }
    _set_ome(root, {"plate": plate | {"version": version}}, version)
    for k, well in enumerate(wells):
        group = root.create_group(well["path"])
        _set_ome(group, {"well": {"images": [{"path": "0"}]}}, version)
        _ome_image(group.create_group("0"), frames + k, version)


def _set_ome(group: zarr.Group, content: dict, version: str) -> None:
    if version == "0.5":
        content = {"ome": {"version": version, **content}}
    group.attrs.update(content)


def _microscopes(folder: Path, size: int, n: int) -> Iterator[Sample]:
    frames = _counts(holograms(n, size), "u2")
    stack = np.stack([frames, frames + 1])[:, :, None]
    path = folder / "run_MMStack_Pos0.ome.tif"
    write_mmstack(path, stack, {"ChNames": ["DHM"]}, {"PixelSizeUm": 0.11})
    kind = "Micro-Manager TIFF"
    yield Sample("mmstack", path, kind, "u2", "little", frames[:, None])
    path = write_ndtiff(folder / "ndtiff", stack, {}, {"PixelSize_um": 0.11})
    yield Sample("ndtiff", path, "NDTiff", "u2", "little", frames[:, None])
    image = phases(1, size)[0]
    for order, mark in ORDERS.items():
        path = folder / f"koala-{order}.bin"
        head = (1, 0, 23, size, size, 2.84871e-7, 8.4e-8, 1)
        data = struct.pack(f"{mark}BBiiiffB", *head)
        path.write_bytes(data + image.astype(f"{mark}f4").tobytes())
        yield Sample(f"koala-{order}", path, "Koala", "f4", order, image[None, None])
    path = folder / "SID PHA 1.tif"
    _write_phasics(path, size)
    yield Sample("phasics", path, "Phasics", "u2", "little", None)
    mosaic = np.rint(mosaics(n, size)).astype(np.uint8)
    path = folder / "mosaic.tif"
    tifffile.imwrite(path, mosaic, photometric="minisblack")
    kind = "TIFF, polarization mosaic"
    yield Sample("mosaic", path, kind, "u1", "-", mosaic[:, None])
    cell = np.kron([[0.6, 1.0], [1.0, 0.4]], np.ones((2, 2)))
    tiled = np.tile(cell, (size // 4, size // 4))
    colour = np.rint(mosaic * tiled).astype(np.uint8)
    path = folder / "colour-mosaic.tif"
    tifffile.imwrite(path, colour, photometric="minisblack")
    yield Sample("colour-mosaic", path, "TIFF, colour polarization", "u1", "-", None)
    path = folder / "PolarizedAngles_0d_45d_90d_135d_Mono8.tif"
    angles = _angles(size)
    pixels = np.moveaxis(angles, 0, -1)
    tifffile.imwrite(path, pixels, photometric="rgb", extrasamples=["unassalpha"])
    yield Sample("angles", path, "TIFF, four angles", "u1", "-", angles[None])


def _angles(size: int) -> np.ndarray:
    bump = phases(1, size)[0]
    doubled = 2 * np.deg2rad([0, 45, 90, 135])
    images = [120 + 100 * np.cos(bump + angle) for angle in doubled]
    return np.rint(images).astype(np.uint8)


def _write_phasics(path: Path, size: int) -> None:
    stored = np.rint((phases(1, size)[0] + 1) / 7 * 65535).astype(np.uint16)
    name = b"<Name>Analyse data</Name><DBL><Name>lambda(nm)</Name><Val>647</Val></DBL>"
    with tifffile.TiffWriter(path) as writer:
        for number, span in enumerate(((9000.0, 100.0), (0.6, -0.1), (3.0, 1.0))):
            tags = [
                (281, "H", 1, 65535, True),
                (61242, "d", 1, span[0], True),
                (61243, "d", 1, span[1], True),
            ]
            if number == 0:
                tags.append((61238, "s", 0, b"<Cluster>" + name + b"</Cluster>", True))
            writer.write(stored, extratags=tags, metadata=None)


def _folders(folder: Path, size: int, n: int) -> Iterator[Sample]:
    def png(path: Path, image: np.ndarray) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(imagecodecs.png_encode(np.ascontiguousarray(image)))

    frames = _counts(holograms(n, size), "u1")
    for t, frame in enumerate(frames):
        png(folder / "numbered" / f"frame{t}.png", frame)
    yield Sample(
        "numbered", folder / "numbered", "folder of frames", "u1", "-", frames[:, None]
    )
    angles = _angles(size)
    for angle, image in zip((0, 45, 90, 135), angles, strict=True):
        png(folder / "by-angle" / f"cell_I{angle:03}.png", image)
        for t in range(n):
            png(folder / "by-folder" / f"{angle} deg" / f"{t}.png", image)
    kind = "folder, files named by angle"
    yield Sample("by-angle", folder / "by-angle", kind, "u1", "-", angles[None])
    kind = "folders named by angle"
    expected = np.repeat(angles[None], n, 0)
    yield Sample("by-folder", folder / "by-folder", kind, "u1", "-", expected)
    for r in range(2):
        path = folder / "stacks" / f"pos{r}.tif"
        path.parent.mkdir(exist_ok=True)
        tifffile.imwrite(path, frames + r, photometric="minisblack")
    kind = "folder of stacks"
    yield Sample("stacks", folder / "stacks", kind, "u1", "-", frames[:, None])
    series = folder / "phasics-series"
    series.mkdir(exist_ok=True)
    for t in range(n):
        _write_phasics(series / f"SID PHA {t + 1}.tif", size)
    yield Sample("phasics-series", series, "folder of Phasics", "u2", "little", None)
