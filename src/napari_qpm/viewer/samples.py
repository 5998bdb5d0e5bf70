"""Recordings for *File > Open Sample*: simulated, so nothing is downloaded.

The first simulation of a session takes seconds, so the dock makes it as a job. napari
wants a layer at once and gets an empty one, which the recording replaces. Without a
window the recording is made at once.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_qpm.errors import QPMError
from napari_qpm.jobs import CancelToken, Progress, ReportProgress
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
        return [sample_layer(kind)]
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


def sample_layer(kind: str) -> LayerTuple:
    """Return the layer of a simulated recording of this kind."""
    from napari_qpm.specimens.samples import simulate

    return recording_layer(simulate(kind).acquisition)


def sample_task(viewer: "ViewerModel", kind: str) -> "Task":
    """Return the task that replaces the empty layer by a simulated recording."""
    from napari_qpm.viewer.tasks import Task

    def work(token: CancelToken, report: ReportProgress) -> LayerTuple:
        report(Progress(0, 0, "", WAITING))
        layer = sample_layer(kind)
        token.raise_if_cancelled()
        return layer

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
