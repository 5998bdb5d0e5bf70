"""The same pipeline on a real dask scheduler with a worker process of its own."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import napari_qpm as qpm
from napari_qpm.errors import JobCancelled, QPMError
from napari_qpm.jobs import CancelToken, Progress
from napari_qpm.pipeline import Pipeline, run_pipeline
from napari_qpm.pipeline.workers import start_workers
from napari_qpm.specimens import simulate, write_sample

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=1, threads_per_worker=2, processes=True, dashboard_address=None
    ) as cluster:
        yield cluster.scheduler_address


@pytest.mark.parametrize("kind", ["polarization", "off-axis"])
def test_cluster_gives_what_threads_give(
    scheduler: str, kind: str, tmp_path: Path
) -> None:
    sample = simulate(kind, n_frames=3, shape=(160, 160), n_cells=2)
    recording = qpm.open(write_sample(sample, tmp_path / "raw"))
    here = run_pipeline(Pipeline(), recording, tmp_path / "here")
    there = run_pipeline(Pipeline(), recording, tmp_path / "there", scheduler=scheduler)
    np.testing.assert_array_equal(there.phase_map.phase, here.phase_map.phase)
    np.testing.assert_array_equal(there.labels, here.labels)
    assert there.table is not None
    assert here.table is not None
    pd.testing.assert_frame_equal(there.table, here.table)


def test_cancelled_cluster_run_continues_on_threads(
    scheduler: str, tmp_path: Path
) -> None:
    recording = simulate("polarization", n_frames=4, shape=(96, 96)).acquisition
    token = CancelToken()

    def cancel_at_two(progress: Progress) -> None:
        if progress.done >= 2:
            token.cancel()

    with pytest.raises(JobCancelled):
        run_pipeline(
            Pipeline(), recording, tmp_path, token, cancel_at_two, scheduler=scheduler
        )
    result = run_pipeline(Pipeline(), recording, tmp_path)
    assert 2 <= result.n_resumed < 4
    assert result.failures == {}


def test_scheduler_without_workers_is_named() -> None:
    from distributed import LocalCluster

    with (
        LocalCluster(n_workers=0, dashboard_address=None, processes=False) as cluster,
        pytest.raises(QPMError, match="has no workers"),
        start_workers(cluster.scheduler_address),
    ):
        pass
