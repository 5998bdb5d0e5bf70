"""Instrument files: what is known of a microscope, as YAML that people can read.

Keys are the fields of `Instrument`; a sidecar ``*.qpm.yaml`` of a recording works, too:
what it says about that recording alone is left out. YAML loads inside the functions, so
that a bare machine for training needs it only for such files.
"""

from pathlib import Path
from typing import Any

from napari_qpm.errors import (
    FileFormatError,
    QPMError,
    UnknownNameError,
)
from napari_qpm.files import write_atomically
from napari_qpm.instrument import Instrument
from napari_qpm.provenance import package_version

__all__ = ["dump_instrument", "instrument_text", "load_instrument"]

SIDECAR_KEYS = ("modality", "reference", "name")
LINE_WIDTH = 88


def load_instrument(path: str | Path) -> Instrument:
    """Return the instrument of a file.

    Raises
    ------
    FileFormatError
        The file cannot be read, is no YAML, or a value makes no sense; the message
        names the file and the key.
    UnknownNameError
        A key is no field of an instrument.
    """
    place = Path(path).expanduser()
    values = _read(place)
    known = Instrument.__dataclass_fields__
    for name in values:
        if name not in known and name not in SIDECAR_KEYS:
            raise UnknownNameError(f"instrument field (in {place})", str(name), known)
    facts = {k: v for k, v in values.items() if k in known and v is not None}
    for name, value in facts.items():
        try:
            Instrument.from_dict({name: value})
        except (QPMError, TypeError, ValueError) as error:
            raise FileFormatError(
                f"{name}: {value!r} in the instrument file {place} cannot be used: "
                f"{error}"
            ) from error
    return Instrument.from_dict(facts)


def dump_instrument(
    instrument: Instrument,
    path: str | Path,
    *,
    comments: dict[str, str] | None = None,
    title: str = "",
) -> Path:
    """Write an instrument to a file and return its path.

    Parameters
    ----------
    comments
        ``{field: remark}``: written above the field, or at the end for fields that are
        unknown.
    title
        First line of the file.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    place = Path(path).expanduser()
    text = instrument_text(instrument, comments=comments, title=title)
    return write_atomically(place, text.encode())


def instrument_text(
    instrument: Instrument,
    *,
    comments: dict[str, str] | None = None,
    title: str = "",
) -> str:
    """Return the text of an instrument file; see `dump_instrument`."""
    import yaml

    remarks = dict(comments or {})
    lines = _comment(title or f"Instrument, written by napari-qpm {package_version()}")
    for name, value in instrument.to_dict().items():
        lines += ["", *_comment(remarks.pop(name, ""))]
        is_list = isinstance(value, list)
        if is_list and value and isinstance(value[0], list):
            rows = (yaml.safe_dump(row, default_flow_style=True) for row in value)
            lines += [f"{name}:", *(f"- {row.rstrip()}" for row in rows)]
        elif is_list:
            row = yaml.safe_dump(value, default_flow_style=True, width=LINE_WIDTH)
            lines.append(f"{name}: {row.rstrip()}")
        else:
            lines.append(yaml.safe_dump({name: value}).rstrip())
    for name, remark in remarks.items():
        if remark:
            lines += ["", *_comment(f"{name}: {remark}")]
    return "\n".join(lines) + "\n"


def _comment(text: str) -> list[str]:
    """Return a text as comment lines."""
    import textwrap

    return [f"# {line}" for line in textwrap.wrap(text, LINE_WIDTH - 2)]


def _read(path: Path) -> dict[str, Any]:
    import yaml

    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise FileFormatError(
            f"The instrument file {path} cannot be read: {error.strerror or error}."
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        where = getattr(error, "problem_mark", None)
        line = f" near line {where.line + 1}" if where is not None else ""
        raise FileFormatError(
            f"The instrument file {path} is not valid YAML{line}. Write one "
            "'key: value' a line, for example 'wavelength_nm: 532'."
        ) from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise FileFormatError(
            f"The instrument file {path} holds a {type(values).__name__}, not "
            "'key: value' lines, for example 'wavelength_nm: 532'."
        )
    return values
