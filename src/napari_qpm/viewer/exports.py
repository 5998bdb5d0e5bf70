"""Files of plots and drawings: picture, numbers, and beside them what made them."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_qpm.errors import OutputError
from napari_qpm.viewer.fields import FieldOfView, Role
from napari_qpm.viewer.runs import pipeline_as_run

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["provenance_of", "save_plot"]


def provenance_of(field: FieldOfView, what: dict[str, Any]) -> dict[str, Any]:
    """Return in plain values what made a plot: recording, steps, versions, and `what`.

    Parameters
    ----------
    field
        The field of view that is plotted.
    what
        Columns, lines or regions that are shown.
    """
    from napari_qpm.provenance import versions

    pipeline = pipeline_as_run(field)
    role = Role.CELLS if field.table is not None else Role.PHASE
    return {
        "shows": what,
        "versions": versions(),
        "pipeline": None if pipeline is None else pipeline.to_dict(),
        "cells_edited_by_hand": field.is_corrected,
        "recording": field.record(role),
    }


def save_plot(
    path: Path,
    picture: Callable[[Path], None],
    numbers: "pd.DataFrame",
    provenance: dict[str, Any],
) -> tuple[Path, ...]:
    """Write a picture, its numbers as CSV, and what made them; return the paths.

    Parameters
    ----------
    path
        Where to; its suffix is replaced.
    picture
        Writes the picture to a path.

    Raises
    ------
    OutputError
        The files cannot be written.
    """
    import json

    stem = path.with_suffix("")
    paths = tuple(
        stem.with_name(stem.name + end) for end in (".png", ".csv", ".provenance.json")
    )
    try:
        stem.parent.mkdir(parents=True, exist_ok=True)
        picture(paths[0])
        numbers.to_csv(paths[1], index=False, encoding="utf-8")
        text = json.dumps(provenance, indent=2, default=str, ensure_ascii=False)
        paths[2].write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(
            f"{stem} cannot be written: {error.strerror or error}. Choose another "
            "folder, or free some space."
        ) from error
    if not paths[0].is_file():
        raise OutputError(
            f"{paths[0]} cannot be written. Choose another folder, or free some space."
        )
    return paths
