from pathlib import Path
from typing import Any

import pandas as pd

from napari_qpm.pipeline import Pipeline

Run = Any
RESULT = "polarization-sample"
TABLES = ("cells", "tracks")


def test_run_and_measure_link_the_same(
    qpm_command: Run, recording: Path, tmp_path: Path
) -> None:
    Pipeline(link={"max_gap": 1}).dump(tmp_path / "pipeline.yaml")
    one = qpm_command("run", tmp_path / "pipeline.yaml", recording, "-o", tmp_path)
    assert one.code == 0
    # Two cells, of which one divides.
    assert "tracks 4, divisions 1" in one.stdout
    folder = tmp_path / RESULT
    cells, tracks = ((folder / f"{name}.csv").read_bytes() for name in TABLES)

    for arguments in (["--no-link"], ["--link", "--set-link", "max_gap=1"], []):
        assert qpm_command("measure", folder, *arguments).code == 0
        is_linked = "track_id" in pd.read_parquet(folder / "cells.parquet")
        assert is_linked == (arguments != ["--no-link"])
        assert (folder / "tracks.csv").exists() == is_linked
    assert (folder / "cells.csv").read_bytes() == cells
    assert (folder / "tracks.csv").read_bytes() == tracks


def test_mistakes_are_one_plain_line(
    qpm_command: Run, recording: Path, tmp_path: Path
) -> None:
    assert qpm_command("segment", recording, "-o", tmp_path).code == 0
    folder = tmp_path / RESULT
    outcome = qpm_command("measure", folder, "--set-link", "max_gaps=1")
    assert outcome.code == 1
    assert "Did you mean 'max_gap'" in outcome.stderr
    outcome = qpm_command("measure", folder, "--no-link", "--set-link", "max_gap=1")
    assert outcome.code == 2
    assert "--set-link needs --link" in outcome.stderr.replace("\n", " ")
