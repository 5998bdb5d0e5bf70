"""Teaching a network the cells that the user outlined. Free of Qt."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from napari_qpm.acquisition import Modality
from napari_qpm.segmentation.annotated import AnnotatedFrame, annotate, save_frames
from napari_qpm.viewer.annotations import Annotation, Annotations, annotations_of
from napari_qpm.viewer.autosave import Autosave
from napari_qpm.viewer.fields import FieldOfView, Role, field_of
from napari_qpm.viewer.learning import FrameRow, Learning, Preparation
from napari_qpm.viewer.results import present
from napari_qpm.viewer.settings import StepName
from napari_qpm.viewer.tasks import segment_task
from napari_qpm.viewer.training_runs import SHOWN
from napari_qpm.viewer.workflow import Availability

if TYPE_CHECKING:
    from napari_qpm.adaptation import FineTuning
    from napari_qpm.viewer.workflow import Workflow

__all__ = ["Teaching"]

PHASE_ENGINE, ANGLES_ENGINE = "dm-qpmnet-phase", "dm-qpmnet"
PARTING = ("cell_diameter", "threshold", "separation", "minimum_area", "thorough")
"""Parameters of the engine that hold for the new model, too."""


class Teaching(Learning):
    """One network that learns cells at a time.

    Parameters
    ----------
    workflow
        The view-model of the dock.
    autosave
        Knows which frames were corrected by hand.
    **rest
        As of `Learning`.
    """

    kind: ClassVar[str] = "cells"
    title: ClassVar[str] = "Learn from my cells"
    step: ClassVar[StepName] = StepName.SEGMENT
    first_name: ClassVar[str] = "my-cells"
    default_minutes: ClassVar[int] = 5

    outcome: "FineTuning | None"

    def __init__(
        self,
        workflow: "Workflow",
        autosave: Autosave,
        **rest: Any,
    ):
        super().__init__(workflow, **rest)
        self._autosave = autosave
        self._counts: dict[Any, int] = {}
        autosave.corrected.connect(self._on_corrected)
        workflow.changed.connect(self._on_workflow)

    def close(self) -> None:
        """Let the learning wait, and let go of what tells of corrections."""
        super().close()
        self._autosave.corrected.disconnect(self._on_corrected)
        self._workflow.changed.disconnect(self._on_workflow)

    # ------------------------------------------------------------ what there is

    def availability(self) -> Availability:
        """Return whether there are cells to learn, and what to do if not."""
        if self.job is not None:
            return Availability(False, "Wait until the model has learned, or stop it.")
        if not self.models():
            return Availability(False, "No network that finds cells is installed.")
        chosen = [row for row in self.rows() if row.is_chosen]
        if not any(row.n_cells for row in chosen):
            return Availability(
                False,
                "Correct the cells of some frames and mark each as done: a network "
                "learns from them.",
            )
        return Availability(
            True,
            "Make a model of your own that finds cells as you outlined them. You can "
            "go on working meanwhile.",
        )

    def rows(self) -> list[FrameRow]:
        """Return the frames with annotated cells, of all recordings in the viewer."""
        rows = []
        for field, annotations in self._annotated():
            for t in self._frames_of(field, annotations):
                key = (id(field), t)
                n_cells = self._count(field, annotations, t)
                is_done = t in annotations.done
                if not (is_done or n_cells):
                    continue
                name = field.acquisition.name
                if field.acquisition.n_frames > 1:
                    name += f" frame {t}"
                state = "done" if is_done else "not done: only these teach"
                cells = "1 cell" if n_cells == 1 else f"{n_cells} cells"
                rows.append(
                    FrameRow(
                        key,
                        f"{name}: {cells}, {state}",
                        n_cells,
                        key not in self._left_out,
                    )
                )
        return rows

    def summary(self) -> str:
        """Return what will teach, in a sentence."""
        chosen = [row for row in self.rows() if row.is_chosen]
        if not chosen:
            return "No frame is chosen."
        cells = sum(row.n_cells for row in chosen)
        frames = "1 frame" if len(chosen) == 1 else f"{len(chosen)} frames"
        return f"{cells} cells in {frames} teach; a part is kept back to judge."

    def models(self) -> list[tuple[str, str]]:
        """Return ``(name, title)`` of the models that fit the selected recording."""
        from napari_qpm.segmentation.cell_models import cell_models

        has_angles = self._workflow.modality is Modality.POLARIZATION
        specs = cell_models(False) + (cell_models(True) if has_angles else [])
        return [(spec.name, spec.title) for spec in specs]

    def chosen_model(self) -> str:
        """Return the model of the Cells step, or the one for any recording."""
        settings, modality = self._workflow.settings, self._workflow.modality
        if settings.engine(self.step, modality) in (PHASE_ENGINE, ANGLES_ENGINE):
            chosen = settings.values(self.step, modality).get("model")
            return str(chosen or settings.engine(self.step, modality))
        return PHASE_ENGINE

    # ------------------------------------------------------------ what is done

    def _preparation(self, name: str, minutes: float, model: str) -> Preparation:
        chosen = {row.key for row in self.rows() if row.is_chosen}
        frames = []
        for field, annotations in self._annotated():
            for t in self._frames_of(field, annotations):
                if (id(field), t) in chosen:
                    frames.append(_as_frame(field, annotations.frame(t)))
        shown = self._shown_frame()
        settings, modality = self._workflow.settings, self._workflow.modality
        values = settings.values(self.step, modality)
        if settings.engine(self.step, modality) not in (PHASE_ENGINE, ANGLES_ENGINE):
            values = dict(settings.preferred)
        arguments = ["--name", name, "--minutes", f"{minutes:g}", "--model", model]
        arguments += ["--device", str(values.get("device", "auto"))]
        for key in PARTING:
            if values.get(key) is not None:
                arguments += ["--set-segment", f"{key}={values[key]}"]

        def prepare(folder: Path) -> list[str]:
            save_frames(frames, folder / "frames")
            more = []
            if shown is not None:
                more = ["--preview", str(save_frames([shown], folder / SHOWN))]
            return ["fine-tune", str(folder / "frames"), *arguments, *more]

        return prepare

    def _take(self, result: dict[str, Any]) -> None:
        from napari_qpm.adaptation.cell_outcome import FineTuning

        outcome = self.outcome = FineTuning.from_dict(result)
        self.message = outcome.describe().splitlines()[0]
        if outcome.name is None:
            return
        engine = self._engine_of(outcome.name)
        self._workflow.settings.choose(self.step, self._workflow.modality, engine)
        self._use(engine, outcome.name)
        self.message += " It is chosen now."
        self._try_on_next_frame()

    def _try_on_next_frame(self) -> None:
        """Find the cells of the next frame that is not done by the new model."""
        workflow = self._workflow
        field = workflow.field
        if field is None or workflow.job is not None or field.phase_map is None:
            return
        n, now = field.acquisition.n_frames, workflow.current_frame()
        ready = field.done.get(Role.PHASE, frozenset()) - field.annotated_frames
        after = [(now + k) % n for k in range(1, n) if (now + k) % n in ready]
        if after and present(workflow.viewer, field, Role.CELLS) is not None:
            workflow.show_frame(after[0])
            pipeline = workflow.pipeline()
            task = segment_task(workflow.viewer, field, pipeline, after[:1], joins=True)
            workflow.start(task)

    # ------------------------------------------------------------ frames

    def _annotated(self) -> list[tuple[FieldOfView, Annotations]]:
        """Return the recordings in the viewer that have cells on their phase."""
        found: dict[int, tuple[FieldOfView, Annotations]] = {}
        for layer in self._workflow.viewer.layers:
            field = field_of(layer)
            if field is None or id(field) in found or field.phase_map is None:
                continue
            annotations = annotations_of(self._workflow.viewer, field)
            if annotations is None:
                continue
            if tuple(annotations.labels.shape) == field.phase_map.shape:
                found[id(field)] = field, annotations
        return list(found.values())

    def _frames_of(self, field: FieldOfView, annotations: Annotations) -> list[int]:
        """Return the frames that the user said anything of."""
        layer = field.layer(Role.CELLS)
        frames = annotations.done | self._autosave.corrected_frames(layer)
        return sorted(t for t in frames if t < len(annotations.labels))

    def _count(self, field: FieldOfView, annotations: Annotations, t: int) -> int:
        """Return the number of cells that count in a frame, counted once a change."""
        key = (id(field), t)
        if key not in self._counts:
            counted = annotations.frame(t).labels
            self._counts[key] = int((np.bincount(counted.ravel())[1:] > 0).sum())
        return self._counts[key]

    def _on_workflow(self) -> None:
        self._counts = {}

    def _on_corrected(self, frames: frozenset[int]) -> None:
        self._counts = {k: n for k, n in self._counts.items() if k[1] not in frames}

    def _shown_frame(self) -> AnnotatedFrame | None:
        """Return the frame in view, to see meanwhile what the network finds."""
        field = self._workflow.field
        t = self._workflow.current_frame()
        if field is None or field.phase_map is None:
            return None
        if t not in field.done.get(Role.PHASE, frozenset()):
            return None
        nothing = np.zeros(field.phase_map.shape[1:], np.int32)
        return annotate(field.phase_map, t, nothing, is_done=False)

    def _engine_of(self, model: str) -> str:
        from napari_qpm.segmentation.cell_models import cell_models

        names = {spec.name for spec in cell_models(True)}
        return ANGLES_ENGINE if model in names else PHASE_ENGINE


def _as_frame(field: FieldOfView, annotation: Annotation) -> AnnotatedFrame:
    assert field.phase_map is not None
    return annotate(
        field.phase_map,
        annotation.t,
        annotation.labels.copy(),
        is_done=annotation.is_done,
        background=None if annotation.is_done else annotation.no_cell,
    )
