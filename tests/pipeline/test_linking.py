"""The optional last step: cells linked over time, however the pipeline is run."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import napari_qpm as qpm
from napari_qpm.acquisition import Acquisition
from napari_qpm.errors import JobCancelled, ParameterError
from napari_qpm.jobs import CancelToken, Progress
from napari_qpm.pipeline import (
    EngineStep,
    Pipeline,
    PipelineError,
    link_step,
    measure_step,
    run_pipeline,
    to_python,
)
from napari_qpm.pipeline.results import extend_results
from napari_qpm.retrieval import retrieve, stabilise
from napari_qpm.segmentation import segment

Maker = Callable[..., Acquisition]


def tables(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.csv"))}


def test_linking_is_left_out_unless_asked_for(
    phase_recording: Maker, tmp_path: Path
) -> None:
    assert Pipeline().link is None
    older = {"version": 1, "segment": "watershed", "measure": {}}
    assert Pipeline.parse(older).link is None
    result = run_pipeline(Pipeline(), phase_recording(), tmp_path)
    assert result.table is not None
    assert "track_id" not in result.table
    assert list(tables(tmp_path)) == ["cells.csv"]


def test_run_links_what_the_steps_link(phase_recording: Maker, tmp_path: Path) -> None:
    pipeline = Pipeline(link={})
    result = run_pipeline(pipeline, phase_recording(), tmp_path)

    phase = stabilise(retrieve(phase_recording()))
    labels = segment(phase)
    table = measure_step(pipeline, phase, labels)
    expected = link_step(pipeline, table, labels)
    assert result.table is not None
    pd.testing.assert_frame_equal(result.table, expected)
    assert sorted(result.table["track_id"].unique()) == [1, 2]
    # Both cells gain 2 % of their first mass a frame of one minute.
    growth = result.table["growth_pg_h"] / result.table["dry_mass_pg"]
    np.testing.assert_allclose(growth, 1.2, rtol=0.1)
    cells = pd.read_parquet(result.paths["parquet"])
    pd.testing.assert_frame_equal(cells, expected, check_dtype=False)
    tracks = pd.read_parquet(result.paths["tracks_parquet"])
    assert tracks["track_id"].tolist() == [1, 2]
    assert tracks["n_frames"].tolist() == [4, 4]


def test_provenance_names_the_linking(phase_recording: Maker, tmp_path: Path) -> None:
    result = run_pipeline(Pipeline(link={"max_gap": 1}), phase_recording(), tmp_path)
    step = result.phase_map.history[-1]
    assert (step.name, step.engine) == ("link", "laptrack")
    assert step.parameters["max_gap"] == 1
    stored = Pipeline.load(result.paths["pipeline"])
    assert stored.link is not None
    assert stored.link["max_gap"] == 1
    assert "Link cells over time (" in stored.describe()


def test_overlap_reads_the_stored_cells(phase_recording: Maker, tmp_path: Path) -> None:
    pipeline = Pipeline(link={"overlap_weight": 1})
    result = run_pipeline(pipeline, phase_recording(), tmp_path)
    assert result.table is not None
    assert result.table.groupby("track_id").size().tolist() == [4, 4]


def test_cancelled_linking_continues_to_the_same_tables(
    phase_recording: Maker, tmp_path: Path
) -> None:
    token = CancelToken()

    def cancel_when_linking(progress: Progress) -> None:
        if progress.message == "Linking cells":
            token.cancel()

    pipeline = Pipeline(link={})
    acquisition = phase_recording()
    with pytest.raises(JobCancelled):
        run_pipeline(pipeline, acquisition, tmp_path / "a", token, cancel_when_linking)
    assert not tables(tmp_path / "a")
    run_pipeline(pipeline, acquisition, tmp_path / "a")
    run_pipeline(pipeline, acquisition, tmp_path / "b")
    assert tables(tmp_path / "a") == tables(tmp_path / "b")
    assert list(tables(tmp_path / "a")) == ["cells.csv", "tracks.csv"]


def test_script_links_too(
    phase_recording: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = Pipeline(link={"max_gap": 1})
    source = run_pipeline(Pipeline(segment=None), phase_recording(), tmp_path / "raw")
    recording = qpm.open(source.paths["phase"])
    result = run_pipeline(pipeline, recording, tmp_path / "run")
    output = os.fspath(tmp_path / "script")
    exec(to_python(pipeline, source.paths["phase"], output), {})
    table = pd.read_parquet(tmp_path / "script" / "cells.parquet")
    assert result.table is not None
    expected = result.table.assign(segmentation_engine="")
    pd.testing.assert_frame_equal(table, expected, check_dtype=False)
    tracks = (tmp_path / "script" / "tracks.csv").read_bytes()
    assert tracks == (tmp_path / "run" / "tracks.csv").read_bytes()


def test_measuring_again_keeps_links_unless_told_otherwise(
    phase_recording: Maker, tmp_path: Path
) -> None:
    run_pipeline(Pipeline(link={"max_gap": 1}), phase_recording(), tmp_path)
    again = Pipeline(measure={"alpha_ml_g": 0.18})
    (kept,) = extend_results(again, [tmp_path], only_measure=True).results
    assert kept.table is not None
    assert kept.table.attrs["linking"]["parameters"]["max_gap"] == 1
    assert (tmp_path / "tracks.csv").exists()
    (dropped,) = extend_results(
        again, [tmp_path], only_measure=True, keep_links=False
    ).results
    assert dropped.table is not None
    assert "track_id" not in dropped.table
    assert list(tables(tmp_path)) == ["cells.csv"]


def test_new_cells_make_earlier_tracks_out_of_date(
    phase_recording: Maker, tmp_path: Path
) -> None:
    run_pipeline(Pipeline(link={}), phase_recording(), tmp_path)
    other = EngineStep(engine="watershed", parameters={"fill_holes": False})
    batch = extend_results(
        Pipeline(segment=other, measure=None), [tmp_path], overwrite=True
    )
    assert not batch.failures
    assert not (tmp_path / "tracks.csv").exists()
    assert not (tmp_path / "tracks.parquet").exists()


def test_tracks_of_somebody_else_stay(phase_recording: Maker, tmp_path: Path) -> None:
    (tmp_path / "tracks.csv").write_text("mine")
    run_pipeline(Pipeline(), phase_recording(), tmp_path)
    assert (tmp_path / "tracks.csv").read_text() == "mine"


def test_mistakes_name_their_entry() -> None:
    with pytest.raises(PipelineError, match="nothing to link without measurement"):
        Pipeline(measure=None, link={})
    with pytest.raises(PipelineError, match="Did you mean 'max_gap'") as caught:
        Pipeline(link={"max_gaps": 1})
    assert caught.value.keys == ("link", "max_gaps")
    with pytest.raises(ParameterError, match="does not link"):
        link_step(Pipeline(), pd.DataFrame(), None)
