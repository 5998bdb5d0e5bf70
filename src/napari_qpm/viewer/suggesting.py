"""Which frame to annotate next: the one whose cells are most in doubt; Qt-free."""

import weakref
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_qpm.jobs import CancelToken, Progress, ReportProgress
from napari_qpm.viewer.fields import FieldOfView, Role
from napari_qpm.viewer.settings import StepName
from napari_qpm.viewer.tasks import Task

if TYPE_CHECKING:
    from napari_qpm.pipeline import Pipeline
    from napari_qpm.viewer.workflow import Workflow

__all__ = ["Suggesting"]

MOST_FRAMES = 24
"""Frames that are looked at, spread over the recording: neighbours look alike."""


class Suggesting:
    """Looks for the frame that is worth annotating most, and shows it.

    Parameters
    ----------
    workflow
        The view-model of the dock.
    """

    def __init__(self, workflow: "Workflow"):
        self._workflow = workflow
        self._known: dict[int, float] = {}
        self._known_for: tuple[weakref.ref[Any], str] | None = None

    def obstacle(self) -> str:
        """Return why no frame can be suggested now; empty when one can."""
        workflow = self._workflow
        availability = workflow.availability(StepName.SEGMENT)
        if not availability.is_ready or workflow.field is None:
            return availability.reason
        if len(workflow.field.done.get(Role.PHASE, ())) < 2:
            return "Retrieve the phase of all frames first."
        if not self._candidates(workflow.field):
            return "There is no other frame that is not done."
        return ""

    def suggest(self) -> None:
        """Look at frames that are not done, and show the one most in doubt."""
        field = self._workflow.field
        if field is not None and not self.obstacle():
            self._workflow.start(self._task(field, self._workflow.pipeline()))

    def _candidates(self, field: FieldOfView) -> list[int]:
        """Return frames to look at: neither done nor shown."""
        frames = field.done.get(Role.PHASE, frozenset())
        left = frames - field.annotated_frames - {self._workflow.current_frame()}
        # The same ones every time, so that what is known of them serves again.
        usual = [t for t in _spread(frames) if t in left]
        return usual or _spread(left)

    def _task(self, field: FieldOfView, pipeline: "Pipeline") -> Task:
        phase_map, frames = field.phase_map, self._candidates(field)
        assert phase_map is not None
        known = self._scores(phase_map, str(pipeline.to_dict()["segment"]))

        def work(token: CancelToken, report: ReportProgress) -> None:
            from napari_qpm.pipeline import segment_step

            segmentation = segment_step(pipeline)
            for n, t in enumerate(frames):
                token.raise_if_cancelled()
                report(Progress(n, len(frames), "frames", "Looking for doubtful cells"))
                if t not in known:
                    known[t] = segmentation.doubt(phase_map, t, token)

        def commit(_: Any) -> str:
            chosen = max(frames, key=lambda t: known[t])
            self._workflow.show_frame(chosen)
            return (
                f"Of {len(frames)} frames that are not done, the cells of frame "
                f"{chosen} are most in doubt ({100 * known[chosen]:.0f} %)."
            )

        return Task("Suggest next frame", work, commit)

    def _scores(self, phase_map: Any, settings: str) -> dict[int, float]:
        """Return what is known of frames with these settings already."""
        last = self._known_for
        if last is None or last[0]() is not phase_map or last[1] != settings:
            self._known = {}
            self._known_for = weakref.ref(phase_map), settings
        return self._known


def _spread(frames: Iterable[int]) -> list[int]:
    """Return so many frames at most, evenly spread."""
    there = sorted(frames)
    if len(there) <= MOST_FRAMES:
        return there
    places = np.linspace(0, len(there) - 1, MOST_FRAMES).round().astype(int)
    return [there[n] for n in places]
