"""Sidecar files ``*.qpm.yaml``: what the file of a camera does not know.

Keys are ``modality``, ``channel``, ``reference``, ``name`` and the fields of
`Instrument`. ``reference`` names one file, or one for each position.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from napari_qpm.acquisition import Instrument
from napari_qpm.errors import FileFormatError, UnknownNameError

__all__ = ["SIDECAR_SUFFIX", "Sidecar", "find_sidecar", "load_sidecar"]

SIDECAR_SUFFIX = ".qpm.yaml"
_OWN_KEYS = ("modality", "channel", "reference", "name")


@dataclass(frozen=True)
class Sidecar:
    """Content of a sidecar file.

    Parameters
    ----------
    path
        The sidecar itself.
    modality, name
        As in `Acquisition`.
    channel
        Name or number of the channel that makes the phase.
    reference
        File of an empty field, absolute; or a file for each position.
    instrument
        `Instrument` fields.
    """

    path: Path
    modality: str | None = None
    channel: str | None = None
    reference: Path | dict[str, Path] | None = None
    name: str | None = None
    instrument: dict[str, Any] = field(default_factory=dict)


def find_sidecar(path: Path) -> Path | None:
    """Return the sidecar of a file or folder, if there is one.

    ``cells.tif`` and ``cells.ome.tif`` have ``cells.qpm.yaml`` (or
    ``cells.tif.qpm.yaml``) beside them. A folder has it beside, or one inside.
    """
    stem = path.name
    names = [path.name + SIDECAR_SUFFIX]
    while "." in stem.lstrip("."):
        stem = stem.rpartition(".")[0]
        names.append(stem + SIDECAR_SUFFIX)
    for name in names:
        candidate = path.parent / name
        if candidate.is_file():
            return candidate
    if not path.is_dir():
        return None
    inside = sorted(p for p in path.glob(f"*{SIDECAR_SUFFIX}") if p.is_file())
    if len(inside) > 1:
        listed = ", ".join(p.name for p in inside)
        raise FileFormatError(
            f"The folder {path} has several sidecar files ({listed}). Keep one."
        )
    return inside[0] if inside else None


def load_sidecar(path: Path) -> Sidecar:
    """Return the checked content of a sidecar file.

    Raises
    ------
    FileFormatError
        Not YAML, or not a list of ``key: value`` lines.
    UnknownNameError
        A key that means nothing, with the one that was probably meant.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        where = getattr(error, "problem_mark", None)
        line = f" near line {where.line + 1}" if where is not None else ""
        raise FileFormatError(
            f"The sidecar {path} is not valid YAML{line}. Write one 'key: value' a "
            "line, for example 'pixel_size_um: 0.11'."
        ) from error
    if values is None:
        values = {}
    if not isinstance(values, dict):
        raise FileFormatError(
            f"The sidecar {path} holds a {type(values).__name__}, not 'key: value' "
            "lines, for example 'pixel_size_um: 0.11'."
        )
    known = (*_OWN_KEYS, *Instrument.__dataclass_fields__)
    for key in values:
        if key not in known:
            raise UnknownNameError(f"sidecar key (in {path})", str(key), known)
    values = {key: value for key, value in values.items() if value is not None}
    reference = values.pop("reference", None)
    return Sidecar(
        path=path,
        modality=_text(values.pop("modality", None)),
        channel=_text(values.pop("channel", None)),
        reference=_references(path.parent, reference),
        name=_text(values.pop("name", None)),
        instrument=values,
    )


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _references(folder: Path, value: Any) -> Path | dict[str, Path] | None:
    """Return the file of an empty field, or those of each position."""
    if value is None:
        return None
    if isinstance(value, dict):
        return {str(key): folder / str(one) for key, one in value.items()}
    return folder / str(value)
