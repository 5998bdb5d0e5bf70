"""Tables as CSV and Parquet, complete or not at all."""

import contextlib
import errno
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from napari_qpm.errors import OutputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["UNITS_KEY", "write_table"]

UNITS_KEY = b"napari-qpm.units"
"""Key of the Parquet metadata that holds the unit of every column as JSON."""


def write_table(
    table: "pd.DataFrame", path: str | Path, units: Mapping[str, str]
) -> tuple[Path, Path]:
    """Write a table as CSV and as Parquet, and return both paths.

    Parameters
    ----------
    table
        One row per cell and frame.
    path
        Where to, without suffix; folders are made.
    units
        Unit of each column, stored in the Parquet file's metadata.

    Raises
    ------
    OutputError
        The files cannot be written; an older pair stays as it was.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    stem = Path(path)
    csv = stem.with_name(stem.name + ".csv")
    parquet = stem.with_name(stem.name + ".parquet")
    partial = [p.with_name(f".{p.name}.partial") for p in (csv, parquet)]
    try:
        stem.parent.mkdir(parents=True, exist_ok=True)
        table.to_csv(partial[0], index=False, encoding="utf-8")
        columns = pa.Table.from_pandas(table, preserve_index=False)
        fields = [
            field.with_metadata({"unit": units[field.name]})
            if field.name in units
            else field
            for field in columns.schema
        ]
        metadata = dict(columns.schema.metadata or {})
        metadata[UNITS_KEY] = json.dumps(dict(units)).encode()
        pq.write_table(columns.cast(pa.schema(fields, metadata)), partial[1])
        partial[0].replace(csv)
        partial[1].replace(parquet)
    except OSError as error:
        for leftover in partial:
            with contextlib.suppress(OSError):
                leftover.unlink()
        raise OutputError(_problem(csv, error)) from error
    return csv, parquet


def _problem(path: Path, error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return f"The disk is full while writing {path}. Free some space and try again."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return (
            f"{path} cannot be written: it is read-only or open in another program. "
            "Close it there, or choose another folder."
        )
    return f"{path} cannot be written: {error.strerror or error}."
