"""Archives are not read, but their refusal says what they hold and what to do."""

import struct
import zipfile
from collections.abc import Sequence
from pathlib import Path

__all__ = ["ARCHIVE_SUFFIXES", "archive_problem"]

ARCHIVE_SUFFIXES = (".zip", ".ozx")
TABLES = (".txt", ".csv", ".dat", ".asc")
MOST_NAMES = 3


def archive_problem(path: Path, readable: Sequence[str]) -> str | None:
    """Return why an archive is not opened and what to do; `None` for other files.

    Parameters
    ----------
    path
        An existing file.
    readable
        Suffixes of files that can be opened once they are unpacked.
    """
    if path.suffix.lower() not in ARCHIVE_SUFFIXES:
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, struct.error, ValueError):
        return f"{path} is named as an archive, but is none, or is damaged."
    names = sorted(one.filename for one in infos if one.filename[-1:] != "/")
    shown = ", ".join(names[:MOST_NAMES]) + (", …" if len(names) > MOST_NAMES else "")
    told = f"{path} is an archive of {len(names)} files ({shown})"
    inner = {Path(name).suffix.lower() for name in names}
    if path.suffix.lower() == ".ozx" or any("zarr.json" in name for name in names):
        folder = f"{path.stem}.zarr"
        return f"{told}. Unpack it into a folder named {folder}, and open that."
    if inner & set(readable):
        return f"{told}. Unpack it, and open the folder."
    tables = [name for name in names if Path(name).suffix.lower() in TABLES]
    if not tables:
        return f"{told}, none of which is a recording that can be read."
    return (
        f"{told}: numbers as text, which are no recording yet. Unpack it, and make one "
        f"with NumPy: np.save('image.npy', np.loadtxt('{tables[0]}')). A complex field "
        "in two tables has the phase np.angle(real + 1j * imaginary)."
    )
