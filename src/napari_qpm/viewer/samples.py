"""Recordings for *File > Open Sample*: simulated, so nothing is downloaded.

A simulation takes seconds, and importing torch for it would freeze the viewer, so the
dock lets a child process make it. napari wants a layer at once and gets an empty one,
which the recording replaces. Without a window the recording is made here and at once.
"""

import json
import tempfile
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_qpm.acquisition import Acquisition, ArraySource, Modality
from napari_qpm.errors import QPMError
from napari_qpm.jobs import CancelToken, Progress, ReportProgress, run_command
from napari_qpm.viewer.fields import METADATA_KEY
from napari_qpm.viewer.launch import add_layers
from napari_qpm.viewer.layers import LayerTuple, recording_layer

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_qpm.viewer.tasks import Task

__all__ = [
    "chromatic_sample",
    "off_axis_sample",
    "open_sample",
    "phase_sample",
    "polarization_sample",
    "simulate_apart",
]

WAITING = "Simulating cells"
WAITS = {"role": "waiting"}


def open_sample(kind: str) -> list[LayerTuple]:
    """Return the layer of a simulated recording, in a window an empty one to begin.

    Raises
    ------
    QPMError
        The dock is busy.
    """
    import napari

    viewer = napari.current_viewer()
    if viewer is None:
        from napari_qpm.specimens.samples import simulate

        return [recording_layer(simulate(kind).acquisition)]
    from napari_qpm.viewer.commands import dock_of

    workflow = dock_of(viewer).workflow
    if workflow.job is not None:
        raise QPMError(
            f"Wait for the running job ({workflow.job.title}), or cancel it; then open "
            "the sample again."
        )
    workflow.start(sample_task(workflow.viewer, kind))
    # Points, because an image would be taken for a recording.
    keywords = {"name": f"{WAITING}…", "metadata": {METADATA_KEY: WAITS}}
    return [(np.empty((0, 2)), keywords, "points")]


def simulate_apart(
    kind: str, token: CancelToken, report: ReportProgress, **options: Any
) -> Acquisition:
    """Return a recording that a child process simulates, as `simulate` would.

    Parameters
    ----------
    kind
        As of `napari_qpm.specimens.samples.simulate`, like the options.

    Raises
    ------
    JobCancelled
        `token` was cancelled, which ends the child process.
    QPMError
        It could not be simulated.
    """
    from napari_qpm.io import open_acquisition
    from napari_qpm.specimens.samples import SampleSettings, named_sample

    settings = SampleSettings.of(Modality(kind), options)
    chosen = [f"--set={name}={json.dumps(value)}" for name, value in options.items()]
    with tempfile.TemporaryDirectory(prefix="napari-qpm-") as folder:
        command = ["simulate", kind, "--output", folder, "--format", "tiff", *chosen]
        made = run_command(command)(token, report)
        opened = open_acquisition(made["path"])
        frames = np.stack([opened.read(t) for t in range(opened.n_frames)])
    inside = opened.replace(source=ArraySource(frames), path=None, times_s=None)
    return named_sample(inside, kind, settings)


def sample_task(viewer: "ViewerModel", kind: str) -> "Task":
    """Return the task that replaces the empty layer by a simulated recording."""
    from napari_qpm.viewer.tasks import Task

    def work(token: CancelToken, report: ReportProgress) -> LayerTuple:
        report(Progress(0, 0, "", WAITING))
        recording = simulate_apart(kind, token, report)
        token.raise_if_cancelled()
        return recording_layer(recording)

    def keep() -> str:
        waiting = [
            one for one in viewer.layers if one.metadata.get(METADATA_KEY) == WAITS
        ]
        for layer in waiting:
            viewer.layers.remove(layer)
        return ""

    def commit(made: Any) -> str:
        # First: the recording is then fitted into the window as if it had come alone.
        keep()
        add_layers(viewer, [made])
        return ""

    return Task("Open sample", work, commit, keep=keep, is_compiled=False)


def polarization_sample() -> list[LayerTuple]:
    """Return a time-lapse of growing cells behind a polarization camera."""
    return open_sample("polarization")


def off_axis_sample() -> list[LayerTuple]:
    """Return an off-axis hologram of cells with its cell-free reference."""
    return open_sample("off-axis")


def chromatic_sample() -> list[LayerTuple]:
    """Return colour pictures of cells in which focus depends on the colour."""
    return open_sample("chromatic")


def phase_sample() -> list[LayerTuple]:
    """Return phase images that were retrieved elsewhere."""
    return open_sample("phase")
