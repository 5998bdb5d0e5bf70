"""What an archive holds decides what its refusal advises."""

import zipfile

import numpy as np
import pytest

from napari_qpm.errors import FileFormatError
from napari_qpm.io import open_acquisition


@pytest.mark.parametrize(
    ("archive", "names", "advice"),
    [
        ("series.zip", ["a_1.tif", "a_2.tif"], "Unpack it, and open the folder"),
        ("plate.ozx", ["zarr.json", "0/zarr.json"], "a folder named plate.zarr"),
        ("plate.zip", ["zarr.json", "0/zarr.json"], "a folder named plate.zarr"),
        ("field.zip", ["re.txt", "im.txt"], r"np\.loadtxt\('im.txt'\)"),
        ("letters.zip", ["letter.docx"], "none of which is a recording"),
    ],
)
def test_an_archive_is_refused_with_what_to_do(tmp_path, archive, names, advice):
    path = tmp_path / archive
    with zipfile.ZipFile(path, "w") as file:
        for name in names:
            file.writestr(name, "0")
    with pytest.raises(FileFormatError, match=advice) as refused:
        open_acquisition(path)
    assert f"archive of {len(names)} files ({sorted(names)[0]}" in str(refused.value)


def test_many_names_are_cut(tmp_path):
    path = tmp_path / "many.zip"
    with zipfile.ZipFile(path, "w") as file:
        for n in range(5):
            file.writestr(f"{n}.tif", "0")
    with pytest.raises(FileFormatError, match=r"5 files \(0.tif, 1.tif, 2.tif, …\)"):
        open_acquisition(path)


def test_a_damaged_archive_says_so(tmp_path):
    path = tmp_path / "broken.zip"
    path.write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(FileFormatError, match="is none, or is damaged"):
        open_acquisition(path)


def test_a_damaged_name_is_none(tmp_path):
    """Found by damaging 20,000 archives."""
    path = tmp_path / "nameless.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a", "0")
    path.write_bytes(path.read_bytes().replace(b"a", b"\0"))
    with pytest.raises(FileFormatError, match="archive of 1 files"):
        open_acquisition(path)


def test_damage_anywhere_is_refused_in_our_words(tmp_path, rng):
    path = tmp_path / "series.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for n in range(3):
            file.writestr(f"frame_{n}.tif", bytes(200))
    whole = np.frombuffer(path.read_bytes(), np.uint8)
    for _ in range(500):
        damaged = whole[: rng.integers(1, whole.size + 1)].copy()
        at = rng.integers(0, damaged.size, rng.integers(1, 9))
        damaged[at] = rng.integers(0, 256, at.size)
        path.write_bytes(damaged.tobytes())
        with pytest.raises(FileFormatError, match="archive"):
            open_acquisition(path)


def test_the_advice_for_tables_works(tmp_path):
    """The field of the real archive, made as its refusal says."""
    real, imaginary = np.cos(np.eye(64)), np.sin(np.eye(64))
    for name, part in (("re", real), ("im", imaginary)):
        np.savetxt(tmp_path / f"{name}.txt", part)
    read = [np.loadtxt(tmp_path / f"{name}.txt") for name in ("re", "im")]
    np.save(tmp_path / "image.npy", np.angle(read[0] + 1j * read[1]))
    opened = open_acquisition(tmp_path / "image.npy", modality="phase")
    np.testing.assert_allclose(opened.read(0)[0], np.eye(64), atol=1e-6)
