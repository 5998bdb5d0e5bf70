"""What made a result: every output carries the chain of steps that led to it."""

import datetime
import functools
import importlib.metadata
import platform
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Step", "fingerprint", "package_version", "versions"]

_TRACKED = ("numpy", "scipy", "scikit-image", "numba", "dask", "zarr")


@functools.cache
def _versions() -> dict[str, str]:
    found = {"napari-qpm": package_version(), "python": platform.python_version()}
    for name in _TRACKED:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


@dataclass(frozen=True)
class Step:
    """One processing step.

    Parameters
    ----------
    name
        ``"open"``, ``"retrieve"``, ``"segment"``, ``"measure"`` or ``"simulate"``.
    engine
        Name of the engine or reader that did it.
    parameters
        Everything that was set, defaults included.
    inputs
        What it read: path, size and fingerprint of files.
    """

    name: str
    engine: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=lambda: dict(_versions()))
    date: str = field(
        default_factory=lambda: datetime.datetime.now(datetime.UTC).isoformat(
            timespec="seconds"
        )
    )

    def to_dict(self) -> dict[str, Any]:
        """Return a plain, JSON-serialisable dictionary."""
        return asdict(self)


@functools.cache
def package_version() -> str:
    """Return the installed version of napari-qpm."""
    try:
        return importlib.metadata.version("napari-qpm")
    except importlib.metadata.PackageNotFoundError:
        return "0+unknown"


def versions() -> dict[str, str]:
    """Return versions of Python, napari-qpm and what its numbers depend on."""
    return dict(_versions())


def fingerprint(path: Path, span: int = 1 << 20) -> dict[str, Any]:
    """Return name, size and a SHA-256 of the first and last `span` bytes of a file.

    Reading a whole 100 GB recording would defeat opening it at once; head, tail and
    size tell recordings apart. Folders are described by their name only.
    """
    import hashlib

    if not path.is_file():
        return {"name": path.name}
    size = path.stat().st_size
    digest = hashlib.sha256()
    with path.open("rb") as file:
        digest.update(file.read(span))
        if size > 2 * span:
            file.seek(-span, 2)
        digest.update(file.read(span))
    return {"name": path.name, "bytes": size, "sha256_head_tail": digest.hexdigest()}
