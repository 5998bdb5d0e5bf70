"""Adapting a model to the user's microscope. Free of Qt."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from napari_qpm.acquisition import Acquisition, ArraySource
from napari_qpm.viewer.learning import FrameRow, Learning, Preparation
from napari_qpm.viewer.settings import StepName
from napari_qpm.viewer.workflow import Availability

if TYPE_CHECKING:
    from napari_qpm.adaptation import Adaptation

__all__ = ["Adapting"]

ENGINE = "nas-prnet"
MOST_FRAMES = 8


class Adapting(Learning):
    """One adaptation at a time; see `Learning`."""

    kind: ClassVar[str] = "microscope"
    title: ClassVar[str] = "Adapt to this microscope"
    step: ClassVar[StepName] = StepName.RETRIEVE
    first_name: ClassVar[str] = "my-scope"
    default_minutes: ClassVar[int] = 10

    outcome: "Adaptation | None"

    def availability(self) -> Availability:
        """Return whether the selected recording can teach, and what to do if not."""
        if self.job is not None:
            return Availability(False, "Wait until the model has learned, or stop it.")
        if self._workflow.field is None:
            return Availability(False, "Select a recording of your microscope.")
        if not any(row.is_chosen for row in self.rows()):
            return Availability(False, "Choose a frame to learn from.")
        return Availability(
            True,
            "Make a model of your own that fits the selected recording's microscope. "
            "You can go on working meanwhile.",
        )

    def rows(self) -> list[FrameRow]:
        """Return the frames of the selected recording that are looked at."""
        field = self._workflow.field
        if field is None:
            return []
        recording = field.acquisition
        rows = []
        for t in _spread(recording.n_frames):
            name = recording.name
            if recording.n_frames > 1:
                name += f" frame {t}"
            key = (id(field), t)
            rows.append(FrameRow(key, name, 0, key not in self._left_out))
        return rows

    def summary(self) -> str:
        """Return what will teach, in a sentence."""
        return (
            "Simulations of your microscope teach, and those of the chosen frames that "
            "pass all checks."
        )

    def models(self) -> list[tuple[str, str]]:
        """Return ``(name, title)`` of the models that retrieve phase."""
        from napari_qpm.retrieval.nas_prnet_engine import NasPRNetParameters

        return list(NasPRNetParameters.choices("model") or [])

    def chosen_model(self) -> str:
        """Return the model of the Phase step."""
        return str(self._parameters().get("model", ENGINE))

    def _parameters(self) -> dict[str, Any]:
        values = self._workflow.settings.pipeline(self._workflow.modality)
        return dict(values.retrieve.parameters)

    def _preparation(self, name: str, minutes: float, model: str) -> Preparation:
        field = self._workflow.field
        assert field is not None
        # With a phase, sideband and sign are known, and possibly corrected.
        phase_map = field.phase_map
        recording = field.acquisition if phase_map is None else phase_map.acquisition
        times = [row.key[1] for row in self.rows() if row.is_chosen]
        chosen = self._parameters()
        arguments = ["--name", name, "--minutes", f"{minutes:g}", "--model", model]
        arguments += ["--device", str(chosen.get("device", "auto"))]
        if chosen.get("scale"):
            arguments += ["--scale", str(chosen["scale"])]

        def prepare(folder: Path) -> list[str]:
            path = _write_sample(recording, times, folder)
            return ["adapt", str(path), *arguments]

        return prepare

    def _take(self, result: dict[str, Any]) -> None:
        from napari_qpm.adaptation.outcome import Adaptation

        self.outcome = Adaptation.from_dict(result)
        self.message = self.outcome.describe().splitlines()[0]
        if self.outcome.name is None:
            return
        self.message += " It is chosen now: retrieve the phase again."
        self._use(ENGINE, self.outcome.name)


def _spread(n_frames: int) -> list[int]:
    """Return up to `MOST_FRAMES` frames, evenly over a recording."""
    count = min(MOST_FRAMES, n_frames)
    return [int(t) for t in np.linspace(0, n_frames - 1, count).round()]


def _write_sample(recording: Acquisition, times: list[int], folder: Path) -> Path:
    """Write some frames, the reference and all that is known for the child."""
    from napari_qpm.io.recording import write_recording

    frames = np.stack([recording.read(t) for t in times])
    sample = recording.replace(source=ArraySource(frames), times_s=None)
    return write_recording(sample, folder / "recording.ome.zarr")
