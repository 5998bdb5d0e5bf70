import errno
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile

from napari_qpm.errors import FileFormatError, QPMError
from napari_qpm.io import formats


@pytest.mark.parametrize("name", ["notes.docx", "recording"])
def test_an_unknown_suffix_lists_what_can_be_read(tmp_path, name):
    (tmp_path / name).write_text("hello")
    with pytest.raises(FileFormatError, match=rf"{name} cannot be read.*\.tif.*\.zarr"):
        formats.read_fields(tmp_path / name, planes=False)


@pytest.mark.parametrize("suffix", ["tif", "png", "jpg", "bmp", "npy", "npz"])
def test_an_empty_file_is_named(tmp_path, suffix):
    path = tmp_path / f"cells.{suffix}"
    path.touch()
    with pytest.raises(FileFormatError, match=rf"cells\.{suffix} is empty"):
        formats.read_fields(path, planes=False)


@pytest.mark.parametrize("suffix", ["tif", "png", "jpg", "bmp", "npy", "npz"])
def test_random_bytes_are_refused_by_name(tmp_path, suffix, rng):
    path = tmp_path / f"cells.{suffix}"
    path.write_bytes(rng.bytes(5000))
    with pytest.raises(FileFormatError, match=rf"cells\.{suffix}"):
        formats.read_fields(path, planes=False)


def test_a_forbidden_file_says_so(tmp_path, monkeypatch):
    path = tmp_path / "cells.png"
    path.write_bytes(b"x")

    def refuse(self, *args, **keywords):
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    # Tests may run as root, whom the file system refuses nothing.
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(FileFormatError, match=r"not allowed to read .*cells\.png"):
        formats.read_fields(path, planes=False)


def test_other_failures_of_the_disk_are_named(tmp_path, monkeypatch):
    path = tmp_path / "cells.png"
    path.write_bytes(b"x")

    def fail(self, *args, **keywords):
        raise OSError(errno.EIO, "Input/output error", str(self))

    monkeypatch.setattr(Path, "open", fail)
    with pytest.raises(FileFormatError, match=r"cells\.png cannot be read: Input/out"):
        formats.read_fields(path, planes=False)


def damaged(data, rng):
    """Return file content that was cut, or of which a few bytes changed."""
    broken = bytearray(data)
    if rng.random() < 0.3:
        return bytes(broken[: rng.integers(1, len(broken))])
    reach = min(len(broken), int(rng.choice([600, len(broken)])))
    for position in rng.integers(0, reach, rng.integers(1, 6)):
        broken[position] = rng.integers(256)
    return bytes(broken)


WRITERS = {
    "plain.tif": tifffile.imwrite,
    "ome.tif": lambda path, frames: tifffile.imwrite(path, frames, ome=True),
    "zlib.tif": lambda path, frames: tifffile.imwrite(path, frames, compression=8),
    "a.npy": np.save,
    "a.npz": lambda path, frames: np.savez_compressed(path, data=frames),
    "a.png": lambda path, frames: path.write_bytes(imagecodecs.png_encode(frames[0])),
}


@pytest.mark.parametrize("name", WRITERS)
def test_damage_anywhere_gives_frames_or_our_own_error(tmp_path, stack, rng, name):
    path = tmp_path / name
    WRITERS[name](path, stack)
    data = path.read_bytes()
    messages = []
    for _ in range(60):
        path.write_bytes(damaged(data, rng))
        try:
            for field in formats.read_fields(path, planes=False):
                for t in range(min(field.source.shape[0], 12)):
                    field.source.read(t)
        except QPMError as error:
            messages.append(str(error))
    assert messages
    assert all(path.name in message for message in messages)
