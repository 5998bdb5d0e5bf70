"""What was run to make the results of a field, whatever the forms say by now.

The table of a field may come from three clicks with other settings in between; its
pipeline takes each step as it was when it ran.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_qpm.viewer.fields import FieldOfView, Role
from napari_qpm.viewer.settings import StepName

if TYPE_CHECKING:
    from napari_qpm.pipeline import Pipeline

__all__ = ["Run", "note_run", "pipeline_as_run"]


@dataclass(frozen=True)
class Run:
    """One step as it ran.

    Parameters
    ----------
    pipeline
        What the forms said then.
    frames
        What it worked on.
    """

    pipeline: "Pipeline"
    frames: frozenset[int]


def note_run(
    field: FieldOfView,
    step: StepName,
    pipeline: "Pipeline",
    frames: frozenset[int],
    n_asked: int | None = None,
) -> None:
    """Remember how a step was run; call it once its result is committed.

    Frames that joined earlier ones were made like those, but for the levelling of a
    whole series: the earlier run is kept then.

    Parameters
    ----------
    frames
        What was made.
    n_asked
        Number of frames that were asked for, when some may have failed.
    """
    role = Role.PHASE if step is StepName.RETRIEVE else Role.CELLS
    earlier = field.runs.get(step)
    is_joined = step is not StepName.MEASURE and field.done.get(role) != frames
    if is_joined and earlier is not None:
        field.runs[step] = Run(earlier.pipeline, earlier.frames | frames)
        return
    is_whole = (n_asked or len(frames)) == field.acquisition.n_frames
    if step is StepName.RETRIEVE and not is_whole:
        # Single frames have no series that they could be levelled with.
        pipeline = pipeline.model_copy(update={"stabilise": False})
    if step is StepName.MEASURE and len(frames) < 2:
        pipeline = pipeline.model_copy(update={"link": None})
    field.runs[step] = Run(pipeline, frames)


def pipeline_as_run(field: FieldOfView) -> "Pipeline | None":
    """Return the pipeline that made a field's table; `None` without a table."""
    measured = field.runs.get(StepName.MEASURE)
    if field.table is None or measured is None:
        return None
    retrieved = field.runs.get(StepName.RETRIEVE, measured).pipeline
    segmented = field.runs.get(StepName.SEGMENT, measured).pipeline
    return measured.pipeline.model_copy(
        update={
            "modality": retrieved.modality,
            "retrieve": retrieved.retrieve,
            "stabilise": retrieved.stabilise,
            "segment": segmented.segment,
        }
    )
