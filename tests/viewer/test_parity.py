"""What the viewer shows equals what the pipeline writes, to the last bit.

But for networks: threads may add up in another order.
"""

import numpy as np
import pandas as pd
import pytest
from tests.viewer.conftest import show_recording

import napari_qpm as qpm
from napari_qpm.pipeline import run_pipeline
from napari_qpm.specimens.samples import simulate
from napari_qpm.viewer.settings import StepName


@pytest.mark.parametrize("kind", ["polarization", "off-axis", "phase"])
def test_viewer_and_pipeline_agree(workflow, viewer, mailbox, tmp_path, kind):
    recording = simulate(kind, n_frames=2, shape=(192, 192)).acquisition
    show_recording(viewer, recording)
    model = workflow.settings.model(StepName.RETRIEVE, workflow.modality)
    values = model().model_dump(mode="json") | {"background": "tilt"}
    workflow.settings.set_values(StepName.RETRIEVE, workflow.modality, values)

    workflow.run_all()
    mailbox.follow(workflow)
    written = run_pipeline(workflow.pipeline(), recording, tmp_path / "run")

    phase = viewer.layers[f"{recording.name} phase"].data
    cells = viewer.layers[f"{recording.name} cells"].data
    assert np.array_equal(phase, np.asarray(written.phase_map.phase))
    assert np.array_equal(cells, np.asarray(written.labels))
    assert written.table is not None
    pd.testing.assert_frame_equal(
        workflow.field.table, written.table, check_exact=True, obj="table"
    )


def test_learned_phase_is_the_same_in_viewer_pipeline_and_script(
    workflow, viewer, mailbox, tmp_path, tiny_models
):
    recording = simulate("off-axis", n_frames=2, shape=(160, 160)).acquisition
    show_recording(viewer, recording)
    chosen = {"model": "tiny", "runtime": "torch"}
    workflow.settings.choose(StepName.RETRIEVE, workflow.modality, "nas-prnet")
    workflow.settings.set_values(StepName.RETRIEVE, workflow.modality, chosen)

    workflow.run(StepName.RETRIEVE)
    mailbox.follow(workflow)
    written = run_pipeline(workflow.pipeline(), recording, tmp_path / "run")
    scripted = qpm.retrieve(recording, "nas-prnet", **chosen)

    shown = viewer.layers[f"{recording.name} phase"].data
    assert np.allclose(shown, np.asarray(written.phase_map.phase), atol=1e-5)
    # A whole series is levelled afterwards; within 2 pi it is the same.
    turns = (shown - np.asarray(scripted.phase)) / (2 * np.pi)
    assert np.allclose(turns, np.rint(turns), atol=1e-6)
