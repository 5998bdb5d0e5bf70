import errno
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from napari_qpm.errors import OutputError
from napari_qpm.io.table import UNITS_KEY, write_table

UNITS = {"dry_mass_pg": "pg", "area_um2": "um2"}


@pytest.fixture
def cells():
    return pd.DataFrame(
        {"label": [1, 2], "dry_mass_pg": [201.5, np.nan], "engine": ["µ-net", "b"]}
    )


def test_both_files_hold_the_same_table(tmp_path, cells):
    csv, parquet = write_table(cells, tmp_path / "out" / "cells.v1", UNITS)
    assert csv.name == "cells.v1.csv"
    pd.testing.assert_frame_equal(pd.read_csv(csv), cells, check_dtype=False)
    pd.testing.assert_frame_equal(pd.read_parquet(parquet), cells)


def test_units_travel_with_the_parquet_file(tmp_path, cells):
    _, parquet = write_table(cells, tmp_path / "cells", UNITS)
    schema = pq.read_schema(parquet)
    assert json.loads(schema.metadata[UNITS_KEY]) == UNITS
    assert schema.field("dry_mass_pg").metadata == {b"unit": b"pg"}
    assert schema.field("label").metadata is None


def test_an_empty_table_keeps_its_columns(tmp_path, cells):
    csv, parquet = write_table(cells.iloc[:0], tmp_path / "cells", UNITS)
    assert list(pd.read_csv(csv)) == list(pd.read_parquet(parquet)) == list(cells)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (errno.ENOSPC, "disk is full"),
        (errno.EACCES, "read-only or open in another program"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_a_failure_keeps_the_older_pair(tmp_path, cells, monkeypatch, code, message):
    csv, parquet = write_table(cells, tmp_path / "cells", UNITS)
    before = csv.read_bytes(), parquet.read_bytes()

    def refuse(self, target):
        raise OSError(code, os.strerror(code), str(self))

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OutputError, match=rf"{message}") as error:
        write_table(cells.iloc[:1], tmp_path / "cells", UNITS)
    assert "cells.csv" in str(error.value)
    assert (csv.read_bytes(), parquet.read_bytes()) == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cells.csv", "cells.parquet"]
