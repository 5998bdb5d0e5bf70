import errno
import itertools
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from napari_qpm.acquisition import Acquisition, ArraySource, PhaseUnit
from napari_qpm.errors import (
    FileFormatError,
    JobCancelled,
    OutputError,
    QPMError,
)
from napari_qpm.jobs import CancelToken, Progress
from napari_qpm.measurement import measure
from napari_qpm.pipeline import (
    EngineStep,
    Pipeline,
    measure_step,
    retrieve_step,
    run_pipeline,
    segment_step,
)
from napari_qpm.retrieval import retrieve, stabilise
from napari_qpm.segmentation import segment
from napari_qpm.specimens import simulate

Maker = Callable[..., Acquisition]
TWO_PI = np.float32(2 * np.pi)


def cancel_after(
    n_allowed: int, token: CancelToken, seen: Iterator[int], progress: Progress
) -> None:
    if next(seen) > n_allowed:
        token.cancel()


class CountingSource(ArraySource):
    """Frames in memory; counts reads and fails where it is told to."""

    def __init__(self, array: NDArray[Any], bad: tuple[int, ...] = ()):
        super().__init__(array)
        self.reads: list[int] = []
        self.bad = bad

    def read(self, t: int) -> NDArray[Any]:
        self.reads.append(t)
        if t in self.bad:
            raise FileFormatError(f"Frame {t} is truncated.")
        return super().read(t)


def test_result_equals_the_python_functions_step_by_step(
    phase_recording: Maker, tmp_path: Path
) -> None:
    acquisition = phase_recording()
    result = run_pipeline(Pipeline(), acquisition, tmp_path)

    phase = stabilise(retrieve(acquisition))
    labels = segment(phase)
    table = measure(phase, labels)
    np.testing.assert_array_equal(result.phase_map.phase, phase.phase)
    np.testing.assert_array_equal(result.labels, labels)
    assert result.table is not None
    # Labels that are handed over alone do not tell who made them.
    unnamed = result.table.assign(segmentation_engine="")
    pd.testing.assert_frame_equal(unnamed, table)
    assert len(table) == 8


@pytest.mark.parametrize("kind", ["polarization", "off-axis"])
def test_every_modality_gives_what_the_steps_give(kind: str, tmp_path: Path) -> None:
    acquisition = simulate(kind, n_frames=2, shape=(128, 128)).acquisition
    pipeline = Pipeline()
    result = run_pipeline(pipeline, acquisition, tmp_path)

    lazy = retrieve_step(pipeline, acquisition).lazy()
    phase = stabilise(lazy)
    labels = segment_step(pipeline).lazy(phase)
    np.testing.assert_array_equal(result.phase_map.phase, phase.phase)
    np.testing.assert_array_equal(result.labels, labels)
    assert result.table is not None
    pd.testing.assert_frame_equal(result.table, measure_step(pipeline, phase, labels))
    assert result.phase_map.pixel_size_um == phase.pixel_size_um


def test_one_frame_equals_that_frame_of_the_whole(phase_recording: Maker) -> None:
    pipeline, acquisition = Pipeline(stabilise=False), phase_recording()
    retrieval = retrieve_step(pipeline, acquisition)
    whole = retrieval.lazy()
    single = retrieval.frame(2)
    np.testing.assert_array_equal(single.phase[0], whole.read(2))
    segmentation = segment_step(pipeline)
    np.testing.assert_array_equal(
        segmentation.frame(whole, 2), np.asarray(segmentation.lazy(whole)[2])
    )


def test_finished_frames_are_skipped_on_restart(
    phase_recording: Maker, tmp_path: Path
) -> None:
    acquisition = phase_recording()
    first = run_pipeline(Pipeline(), acquisition, tmp_path)
    source = CountingSource(np.asarray(acquisition.frames))
    again = run_pipeline(Pipeline(), acquisition.replace(source=source), tmp_path)
    assert again.n_resumed == 4
    assert set(source.reads) == {0}
    assert first.table is not None
    assert again.table is not None
    pd.testing.assert_frame_equal(again.table, first.table)


def test_cancel_at_every_frame_leaves_a_result_that_continues(
    phase_recording: Maker, tmp_path: Path
) -> None:
    acquisition = phase_recording()
    whole = run_pipeline(Pipeline(), acquisition, tmp_path / "whole")
    folder = tmp_path / "cancelled"
    result = None
    # Each attempt gets one report further than the one before.
    for n_allowed in range(40):
        token, seen = CancelToken(), itertools.count(1)
        stop = partial(cancel_after, n_allowed, token, seen)
        try:
            result = run_pipeline(Pipeline(), acquisition, folder, token, stop)
            break
        except JobCancelled:
            continue
    assert n_allowed >= 8
    assert result is not None
    np.testing.assert_array_equal(result.phase_map.phase, whole.phase_map.phase)
    np.testing.assert_array_equal(result.labels, whole.labels)
    assert result.table is not None
    assert whole.table is not None
    pd.testing.assert_frame_equal(result.table, whole.table)


def test_other_pipeline_does_not_overwrite_a_result(
    phase_recording: Maker, tmp_path: Path
) -> None:
    acquisition = phase_recording()
    first = run_pipeline(Pipeline(), acquisition, tmp_path)
    other = Pipeline(retrieve=EngineStep(parameters={"background": "tilt"}))
    with pytest.raises(OutputError, match=r"phase\.ome\.zarr"):
        run_pipeline(other, acquisition, tmp_path)
    again = run_pipeline(Pipeline(), acquisition, tmp_path)
    np.testing.assert_array_equal(again.phase_map.phase, first.phase_map.phase)


def test_other_recording_does_not_overwrite_a_result(
    phase_recording: Maker, tmp_path: Path
) -> None:
    acquisition = phase_recording()
    run_pipeline(Pipeline(), acquisition, tmp_path)
    brighter = phase_recording(np.asarray(acquisition.frames)[:, 0] * 1.1)
    with pytest.raises(OutputError):
        run_pipeline(Pipeline(), brighter, tmp_path)


def test_overwrite_replaces_a_result(phase_recording: Maker, tmp_path: Path) -> None:
    acquisition = phase_recording()
    run_pipeline(Pipeline(), acquisition, tmp_path)
    other = Pipeline(retrieve=EngineStep(parameters={"background": "tilt"}))
    result = run_pipeline(other, acquisition, tmp_path, overwrite=True)
    expected = retrieve(acquisition, background="tilt")
    np.testing.assert_array_equal(result.phase_map.phase, expected.phase)


def test_segmentation_is_added_to_a_retrieved_result(
    phase_recording: Maker, tmp_path: Path
) -> None:
    acquisition = phase_recording()
    run_pipeline(Pipeline(segment=None), acquisition, tmp_path)
    result = run_pipeline(Pipeline(), acquisition, tmp_path)
    assert result.n_resumed == 4
    assert int(np.asarray(result.labels).max()) == 2


def test_other_segmentation_does_not_mix_with_earlier_cells(
    phase_recording: Maker, tmp_path: Path
) -> None:
    acquisition = phase_recording()
    run_pipeline(Pipeline(), acquisition, tmp_path)
    step = EngineStep(engine="watershed", parameters={"fill_holes": False})
    with pytest.raises(OutputError, match="outlined with other settings"):
        run_pipeline(Pipeline(segment=step), acquisition, tmp_path)


def test_frame_on_another_level_is_shifted_once(
    phase_recording: Maker, tmp_path: Path
) -> None:
    acquisition = phase_recording()
    frames = np.asarray(acquisition.frames)[:, 0].copy()
    truth = frames.copy()
    frames[2] += TWO_PI
    shifted = phase_recording(frames)
    for _ in range(2):
        result = run_pipeline(Pipeline(), shifted, tmp_path)
        # One float32 rounding of a value near 2 pi.
        np.testing.assert_allclose(result.phase_map.phase, truth, atol=2e-6)
    steps = {step.name: step for step in result.phase_map.history}
    offsets = steps["stabilise"].parameters["offsets"]
    np.testing.assert_allclose(offsets, [0, 0, -TWO_PI, 0])


def test_levels_are_left_alone_when_not_wanted(
    phase_recording: Maker, tmp_path: Path
) -> None:
    frames = np.asarray(phase_recording().frames)[:, 0].copy()
    frames[2] += TWO_PI
    pipeline = Pipeline(stabilise=False)
    result = run_pipeline(pipeline, phase_recording(frames), tmp_path)
    np.testing.assert_array_equal(result.phase_map.phase, frames)


def test_levels_of_optical_path_are_left_alone(
    phase_recording: Maker, tmp_path: Path
) -> None:
    frames = 100 * np.asarray(phase_recording().frames)[:, 0]
    frames[2] += TWO_PI
    acquisition = phase_recording(frames).with_instrument(
        phase_unit="nm", wavelength_nm=None
    )
    result = run_pipeline(Pipeline(), acquisition, tmp_path)
    assert result.phase_map.unit is PhaseUnit.NANOMETRES
    np.testing.assert_array_equal(result.phase_map.phase, frames)


def test_bad_frames_are_recorded_and_the_series_goes_on(
    phase_recording: Maker, tmp_path: Path
) -> None:
    acquisition = phase_recording()
    frames = np.asarray(acquisition.frames)[:, 0].copy()
    frames[3] = np.nan
    source = CountingSource(frames, bad=(0,))
    result = run_pipeline(Pipeline(), acquisition.replace(source=source), tmp_path)
    assert result.failures == {
        0: "Frame 0 is truncated.",
        3: "The frame holds no finite value.",
    }
    assert np.isnan(result.phase_map.read(0)).all()
    assert not np.asarray(result.labels[0]).any()
    assert result.table is not None
    assert sorted(result.table["frame"].unique()) == [1, 2]
    sidecar = json.dumps(result.summary())
    assert "Frame 0 is truncated." in sidecar


def test_saturated_frame_is_measured_and_its_cells_are_marked(tmp_path: Path) -> None:
    sample = simulate("polarization", n_frames=2, shape=(128, 128))
    frames = np.stack([sample.acquisition.read(t)[0] for t in range(2)])
    cell = sample.labels[1] == np.bincount(sample.labels[1].ravel())[1:].argmax() + 1
    y, x = (int(np.median(axis)) for axis in np.nonzero(cell))
    frames[1, y - 2 : y + 2, x - 2 : x + 2] = 4095
    acquisition = sample.acquisition.replace(source=ArraySource(frames))
    result = run_pipeline(Pipeline(), acquisition, tmp_path)
    assert result.failures == {}
    assert result.table is not None
    saturated = result.table.groupby("frame")["saturated"].any()
    assert saturated.tolist() == [False, True]


def test_recording_without_a_usable_frame_says_why(
    phase_recording: Maker, tmp_path: Path
) -> None:
    frames = np.full((2, 16, 16), np.nan, np.float32)
    with pytest.raises(QPMError, match=r"None of the 2 frames .* no finite value"):
        run_pipeline(Pipeline(), phase_recording(frames), tmp_path)


def test_missing_wavelength_leaves_out_picograms_only(
    phase_recording: Maker, tmp_path: Path
) -> None:
    acquisition = phase_recording().with_instrument(wavelength_nm=None)
    result = run_pipeline(Pipeline(), acquisition, tmp_path)
    assert result.table is not None
    assert "area_um2" in result.table
    assert "dry_mass_pg" not in result.table
    (reason,) = (
        why for why, columns in result.left_out.items() if "dry_mass_pg" in columns
    )
    assert "needs wavelength_nm" in reason


def test_doubtful_frames_are_told_with_their_reason(tmp_path: Path) -> None:
    crowded = simulate("polarization", n_frames=2, shape=(128, 128), n_cells=12)
    pipeline = Pipeline(segment=None)
    result = run_pipeline(pipeline, crowded.acquisition, tmp_path)
    assert set(result.warnings) == {0, 1}
    assert "The background is doubtful" in result.warnings[0]
    assert result.summary()["warnings"]["1"] == result.warnings[1]


def test_progress_counts_frames_in_each_stage(
    phase_recording: Maker, tmp_path: Path
) -> None:
    seen: list[Progress] = []
    run_pipeline(Pipeline(), phase_recording(), tmp_path, report=seen.append)
    stages = list(dict.fromkeys(p.message for p in seen))
    assert stages == [
        "Retrieving phase",
        "Comparing frames",
        "Segmenting cells",
        "Measuring cells",
    ]
    for stage in stages:
        done = [p.done for p in seen if p.message == stage]
        assert done == sorted(done)
        assert done[-1] == 4
    assert {(p.total, p.unit) for p in seen} == {(4, "frames")}


def test_provenance_says_what_made_the_result(
    phase_recording: Maker, tmp_path: Path
) -> None:
    from napari_qpm.io.zarr_reader import own_record

    result = run_pipeline(Pipeline(), phase_recording(), tmp_path)
    record = own_record(result.paths["phase"])
    assert record is not None
    steps = {step["name"]: step for step in record["history"]}
    assert steps["retrieve"]["engine"] == "as-is"
    assert steps["segment"]["parameters"]["fill_holes"] is True
    assert "numpy" in steps["measure"]["versions"]
    assert record["acquisition"]["instrument"]["wavelength_nm"] == 532
    assert record["pipeline"]["input"]["shape_tcyx"] == [4, 1, 64, 64]
    assert Pipeline.load(result.paths["pipeline"]).measure


def test_full_disk_keeps_earlier_frames_and_the_run_continues(
    phase_recording: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from zarr.storage import LocalStore

    write, n_chunks = LocalStore.set, itertools.count()

    async def write_until_full(self: LocalStore, key: str, value: Any) -> None:
        if "/c/" in key and next(n_chunks) >= 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        await write(self, key, value)

    acquisition = phase_recording()
    with monkeypatch.context() as full:
        full.setattr(LocalStore, "set", write_until_full)
        with pytest.raises(OutputError, match="The disk is full while writing"):
            run_pipeline(Pipeline(), acquisition, tmp_path)
    result = run_pipeline(Pipeline(), acquisition, tmp_path)
    assert result.n_resumed == 2
    np.testing.assert_array_equal(
        result.phase_map.phase, np.asarray(acquisition.frames)[:, 0]
    )


def test_table_that_cannot_be_written_leaves_phase_and_cells(
    phase_recording: Maker, tmp_path: Path
) -> None:
    acquisition = phase_recording()
    (tmp_path / "cells.csv").mkdir()
    with pytest.raises(OutputError, match=r"cells\.csv cannot be written"):
        run_pipeline(Pipeline(), acquisition, tmp_path)
    (tmp_path / "cells.csv").rmdir()
    result = run_pipeline(Pipeline(), acquisition, tmp_path)
    assert result.n_resumed == 4
    assert result.paths["csv"].is_file()


def test_folder_of_somebody_else_is_never_touched(
    phase_recording: Maker, tmp_path: Path
) -> None:
    place = tmp_path / "phase.ome.zarr"
    place.mkdir()
    (place / "precious.txt").write_text("do not delete")
    for overwrite in (False, True):
        with pytest.raises(OutputError, match=r"phase\.ome\.zarr"):
            run_pipeline(Pipeline(), phase_recording(), tmp_path, overwrite=overwrite)
    assert (place / "precious.txt").read_text() == "do not delete"


def two_cells_out_of_focus() -> Acquisition:
    """Return a hologram of two cells, 5 um behind and 4 um before the plane."""
    from napari_qpm.retrieval.propagator import Propagator

    side, pixel_um, wavelength_um = 256, 0.1, 0.55
    y, x = (np.mgrid[:side, :side] - side / 2) * pixel_um
    phase = 1.5 * np.exp(-((x**2 + y**2) ** 2) / 4**4)
    for row, column in ((0, 0), (2, -2), (-2, 1)):
        phase += 0.5 * np.exp(-((x - column) ** 2 + (y - row) ** 2) / 0.5)
    optics = Propagator((side, side), (pixel_um, pixel_um), wavelength_um, 1.337)
    field = np.ones((side, side), complex)
    for shift, distance_um in ((-50, 5.0), (60, -4.0)):
        cell = np.exp(1j * np.roll(phase, shift, axis=1))
        field += optics.at(optics.spectrum(cell), distance_um) - 1
    rows, columns = np.mgrid[:side, :side]
    carrier = np.exp(2j * np.pi * (0.24 * rows + 0.21 * columns))
    return Acquisition.from_array(
        1000 * np.abs(1 + 0.7 * field * carrier) ** 2,
        "off-axis",
        wavelength_nm=550,
        pixel_size_um=pixel_um,
        medium_index=1.337,
        phase_sign=1,
    )


FOCUS_COLUMNS = ["focus_um", "cell_focus_um"]


@pytest.mark.parametrize(
    ("parameters", "columns"),
    [
        ({}, []),
        ({"refocus_um": 2.0}, FOCUS_COLUMNS[:1]),
        ({"autofocus": "cells", "focus_range_um": 12}, FOCUS_COLUMNS),
    ],
)
def test_exported_table_has_the_focus_of_what_was_refocused(
    parameters: dict[str, Any], columns: list[str], tmp_path: Path
) -> None:
    step = EngineStep(engine="fourier", parameters=parameters)
    result = run_pipeline(Pipeline(retrieve=step), two_cells_out_of_focus(), tmp_path)
    exported = pd.read_csv(result.paths["csv"])
    assert len(exported) >= 2
    assert [name for name in exported if name in FOCUS_COLUMNS] == columns
    if columns:
        assert exported["focus_um"].notna().all()
    if parameters == {"refocus_um": 2.0}:
        assert (exported["focus_um"] == 2.0).all()
    if "cell_focus_um" in columns:
        found = exported["cell_focus_um"].dropna()
        # The propagation that brings them into focus has the other sign.
        assert found.min() == pytest.approx(-5, abs=0.5)
        assert found.max() == pytest.approx(4, abs=0.5)
