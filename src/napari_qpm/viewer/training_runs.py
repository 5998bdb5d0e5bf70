"""Trainings on disk: what was asked, how they go, and which wait to go on; Qt-free."""

import contextlib
import csv
import json
import logging
import shutil
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import filelock
import numpy as np
from numpy.typing import NDArray

from napari_qpm.adaptation.run_folder import PREVIEW
from napari_qpm.errors import QPMError
from napari_qpm.files import write_atomically
from napari_qpm.viewer.state_file import state_folder

__all__ = ["SHOWN", "Curves", "TrainingRun", "training_folder", "waiting_runs"]

logger = logging.getLogger(__name__)

ABOUT, TRAINING, SHOWN = "about.json", "training", "preview"
LOSSES, JUDGED = "training.csv", "validation.csv"
SCORES = {
    "dice_less_distance_error": "Dice less distance error",
    "mean_psnr_db": "Mean PSNR (dB)",
    "psnr_db": "PSNR (dB)",
}
"""What decides which weights are kept, by its name in the table."""


def training_folder() -> Path:
    """Return where trainings of the viewer lie."""
    return state_folder() / "trainings"


@dataclass(frozen=True)
class Curves:
    """How a training goes.

    Parameters
    ----------
    steps, losses
        Of what teaches.
    judged_steps, scores
        Of what judges, the higher the better.
    score_title
        What the scores are.
    """

    steps: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    judged_steps: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    score_title: str = "Score"

    @property
    def best(self) -> tuple[float, float] | None:
        """Step and score of the weights that are kept."""
        if not self.scores:
            return None
        number = int(np.argmax(self.scores))
        return self.judged_steps[number], self.scores[number]


@dataclass(frozen=True)
class TrainingRun:
    """One training.

    Parameters
    ----------
    folder
        With all that it needs to go on.
    """

    folder: Path

    @classmethod
    def new(cls, root: Path) -> "TrainingRun":
        """Return a run in a folder of its own, which is not made yet."""
        return cls(root / f"{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:6]}")

    @property
    def training(self) -> Path:
        """Folder that the trainer writes to."""
        return self.folder / TRAINING

    @property
    def has_learned(self) -> bool:
        """Whether there is something to go on from."""
        return (self.training / "checkpoint.pt").is_file()

    @contextlib.contextmanager
    def held(self, patience_s: float = 1.0) -> Iterator[None]:
        """Keep the run to this viewer; the system lets go of it after a crash, too.

        Where a disk knows no locks, it works without.

        Raises
        ------
        QPMError
            Another viewer holds it.
        """
        lock = filelock.FileLock(self._lock_path, timeout=patience_s)
        try:
            lock.acquire()
        except filelock.Timeout:
            raise QPMError(
                "This training goes on in another window of napari. Pause it there, "
                "or wait until it has ended."
            ) from None
        except (OSError, NotImplementedError):
            logger.warning("No lock for %s", self.folder, exc_info=True)
        try:
            yield
        finally:
            lock.release()

    @property
    def is_held(self) -> bool:
        """Whether a viewer works on it."""
        try:
            with self.held(patience_s=0):
                return False
        except QPMError:
            return True

    @property
    def _lock_path(self) -> Path:
        # Beside the folder, which can then be removed while it is held.
        return self.folder.with_suffix(".lock")

    def describe(self, **about: Any) -> None:
        """Write what was asked: ``kind``, ``name``, ``model``, ``arguments``.

        Raises
        ------
        OutputError
            The disk is full or read-only.
        """
        write_atomically(self.folder / ABOUT, json.dumps(about).encode())

    def about(self) -> dict[str, Any]:
        """Return what was asked; empty where that cannot be read."""
        try:
            about = json.loads((self.folder / ABOUT).read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return about if isinstance(about, dict) else {}

    def written(self) -> tuple[int, ...]:
        """Return how long the tables are, to see that they grew; empty = no table."""
        paths = [self.training / LOSSES, self.training / JUDGED]
        return tuple(path.stat().st_size for path in paths if path.is_file())

    def curves(self) -> Curves:
        """Return how it goes, as far as it is written."""
        learned = _rows(self.training / LOSSES)
        judged = _rows(self.training / JUDGED)
        names = [name for name in SCORES if judged and name in judged[0]]
        score = names[0] if names else ""
        return Curves(
            [row["step"] for row in learned],
            [row["loss"] for row in learned],
            [row["step"] for row in judged] if score else [],
            [row[score] for row in judged] if score else [],
            SCORES.get(score, "Score"),
        )

    def preview(self) -> tuple[NDArray[np.float32], NDArray[np.integer]] | None:
        """Return phase and cells ``(Y, X)`` of one frame by the best weights so far."""
        from napari_qpm.segmentation.annotated import load_frames

        try:
            labels: NDArray[np.integer] = np.load(self.training / PREVIEW)
            (frame, *_) = load_frames(self.folder / SHOWN)
        except (OSError, ValueError, EOFError, QPMError):
            return None
        return frame.phase_map.read(0), labels

    def preview_time(self) -> float:
        """Return when the cells of that frame were found last [s]; 0 = not yet."""
        try:
            return (self.training / PREVIEW).stat().st_mtime
        except OSError:
            return 0.0

    def remove(self) -> None:
        """Delete it."""
        shutil.rmtree(self.folder, ignore_errors=True)
        with contextlib.suppress(OSError):
            self._lock_path.unlink()


def waiting_runs(root: Path, kind: str) -> list[TrainingRun]:
    """Return the runs of a kind that can go on here, the newest first."""
    found = [TrainingRun(path.parent) for path in root.glob(f"*/{ABOUT}")]
    runs = [
        run
        for run in found
        if run.has_learned and run.about().get("kind") == kind and not run.is_held
    ]
    return sorted(runs, key=lambda run: run.folder.name, reverse=True)


def _rows(path: Path) -> list[dict[str, float]]:
    """Return the rows of a table that may be growing right now."""
    rows = []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                rows.append({key: float(value) for key, value in row.items()})
    except (OSError, ValueError, TypeError):
        # The last row is half written; it is whole at the next look.
        pass
    return rows
