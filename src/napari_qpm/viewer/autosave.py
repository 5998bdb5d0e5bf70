"""Corrected cells are saved by themselves, and offered again after a crash; Qt-free."""

import threading
import weakref
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from napari_qpm.acquisition import Acquisition
from napari_qpm.errors import FileFormatError, QPMError
from napari_qpm.jobs import CancelToken, FinishReason, ReportProgress, Status
from napari_qpm.viewer.fields import FieldOfView, Role, field_of
from napari_qpm.viewer.label_strokes import touched_frames
from napari_qpm.viewer.newest import NewestFirst
from napari_qpm.viewer.recovery import (
    Corrections,
    corrections_of,
    new_corrections,
    recovery_folder,
)
from napari_qpm.viewer.relay import Post, call_now
from napari_qpm.viewer.results import present, show_no_cells
from napari_qpm.viewer.tasks import Task

if TYPE_CHECKING:
    from napari_qpm.viewer.workflow import Workflow

__all__ = ["Autosave"]

SETTLE_S = 1.5
"""Strokes that follow each other sooner are saved together."""


class _Saved:
    """What of one layer of cells is on disk.

    Parameters
    ----------
    layer
        The cells, ``(T, Y, X)`` or ``(Y, X)``.
    acquisition
        Their recording.
    corrections
        Where they go.
    """

    def __init__(self, layer: Any, acquisition: Acquisition, corrections: Corrections):
        self.layer = weakref.ref(layer)
        self.no_cells: weakref.ref[Any] | None = None
        self.acquisition = acquisition
        self.corrections = corrections
        self.touched: set[int] = set()
        self.done: frozenset[int] = frozenset()
        self.is_changed = False
        self.saved_at = ""
        self._digests: dict[int, int] = {}
        self._described: frozenset[int] = frozenset()
        self._lock = threading.Lock()

    @property
    def is_more_than_labels(self) -> bool:
        """Whether an export of the labels would leave something out."""
        return bool(self.done) or self.no_cells is not None

    def write(self) -> None:
        """Write the frames that differ from what is on disk."""
        layer = self.layer()
        with self._lock:
            if layer is None or not self.is_changed:
                return
            self.is_changed = False
            data, done = layer.data, self.done
            is_news = done != self._described
            for t in sorted(self.touched):
                labels = np.ascontiguousarray(data if data.ndim == 2 else data[t])
                no_cells = self._no_cells(t, labels.shape)
                digest = zlib.crc32(labels.data)
                if no_cells is not None:
                    digest = zlib.crc32(no_cells.data, digest)
                if self._digests.get(t) != digest:
                    self.corrections.save(t, labels)
                    if no_cells is not None:
                        self.corrections.save_no_cells(t, no_cells)
                    self._digests[t] = digest
                    is_news = True
            if is_news:
                shape = tuple(int(n) for n in data.shape)
                self.corrections.describe(self.acquisition, shape, done)
                self._described = done
                self.saved_at = self.corrections.when()

    def _no_cells(self, t: int, shape: tuple[int, ...]) -> Any:
        """Return where a frame has no cell, if the user said so."""
        layer = None if self.no_cells is None else self.no_cells()
        if layer is None or layer.data.shape[-2:] != shape:
            return None
        return np.ascontiguousarray(layer.data[t])

    def forget(self) -> None:
        """Remove what is on disk; the next edit saves all corrected frames anew."""
        with self._lock:
            self._digests.clear()
            self.is_changed, self.saved_at = False, ""
            self.corrections.remove()


class Autosave:
    """Saves corrections of a workflow's cells, and offers those of earlier sessions.

    Parameters
    ----------
    workflow
        The view-model of the dock.
    root
        Where corrections are kept; the platform's place by default.
    settle_s
        How long no stroke must follow before anything is written.
    post
        Runs a call later on the thread that owns the layers.
    """

    changed = Signal()
    """There is something else to restore, or to tell about what was saved."""
    corrected = Signal(frozenset)
    """Something was painted; carries the frames."""

    def __init__(
        self,
        workflow: "Workflow",
        root: Path | None = None,
        settle_s: float = SETTLE_S,
        post: Post = call_now,
    ):
        self._workflow = workflow
        self._root = recovery_folder() if root is None else root
        self.offer: Corrections | None = None
        self.problem = ""
        self._failure = ""
        self._post = post
        self._is_closed = False
        self._saved: weakref.WeakKeyDictionary[Any, _Saved] = (
            weakref.WeakKeyDictionary()
        )
        self._asked: weakref.ref[FieldOfView] | None = None
        self._writer: NewestFirst[tuple[_Saved, ...]] = NewestFirst(
            self._write, settle_s, "napari-qpm autosave"
        )
        workflow.changed.connect(self._on_workflow)
        workflow.finished.connect(self._on_finished)
        self._on_workflow()

    @property
    def settle_s(self) -> float:
        """How long no stroke must follow before anything is written."""
        return self._writer.settle_s

    @settle_s.setter
    def settle_s(self, seconds: float) -> None:
        self._writer.settle_s = seconds

    def close(self) -> None:
        """Save what is not saved yet, and let go of the layers."""
        if self._is_closed:
            return
        self._is_closed = True
        self._workflow.changed.disconnect(self._on_workflow)
        self._workflow.finished.disconnect(self._on_finished)
        self._writer.close()
        for layer, saved in list(self._saved.items()):
            layer.events.paint.disconnect(self._on_paint)
            layer.events.set_data.disconnect(self._on_drawn)
            self._write((saved,), CancelToken())
        self._saved.clear()

    def corrected_frames(self, cells: Any) -> frozenset[int]:
        """Return the frames of a layer of cells in which something was changed."""
        saved = None if cells is None else self._saved.get(cells)
        return frozenset() if saved is None else frozenset(saved.touched)

    # ------------------------------------------------------------ restoring

    def sentence(self) -> str:
        """Return what can be restored or was saved; empty when there is nothing."""
        if self._failure or self.problem or self.offer is None:
            return self._failure or self.problem or self._state()
        frames = _counted(len(self.offer.frames))
        text = f"Your corrections of {frames} from {self.offer.when()} were kept"
        n_done = len(self.offer.about()["done"])
        text += f", {n_done} of them marked as done." if n_done else "."
        return f"{text} {self.obstacle()}".rstrip()

    def _state(self) -> str:
        """Return whether the corrections of the shown cells are on disk."""
        cells = self._cells()
        saved = None if cells is None else self._saved.get(cells)
        if saved is None or not saved.touched:
            return ""
        if saved.is_changed:
            return "Saving your corrections…"
        frames = _counted(len(saved.touched))
        return saved.saved_at and (
            f"Your corrections of {frames} are saved ({saved.saved_at})."
        )

    def obstacle(self) -> str:
        """Return what to do before corrections can be restored; empty when nothing."""
        cells = self._cells()
        if self.offer is None:
            return "There is nothing to restore."
        if cells is None:
            return "Segment the cells of all frames, then restore them."
        if self._workflow.job is not None or not cells.editable:
            return "Wait for the running job, or cancel it."
        kept, now = self.offer.about()["shape"], tuple(cells.data.shape)
        if kept != now:
            return (
                f"They belong to cells of shape {kept}, these have {now}: retrieve "
                "and segment with the same settings as then."
            )
        return ""

    def restore(self) -> None:
        """Write the kept frames into the cells, as one step that can be undone."""
        field, cells, offer = self._workflow.field, self._cells(), self.offer
        if field is None or cells is None or offer is None or self.obstacle():
            return
        self._workflow.start(self._restoring(field, cells, offer))

    def dismiss(self) -> None:
        """Delete what could be restored."""
        if self.offer is not None:
            self.offer.remove()
        self._look_again()

    def _restoring(self, field: FieldOfView, cells: Any, offer: Corrections) -> Task:
        data, done = cells.data, offer.about()["done"]
        shape = (1, *data.shape)[-3:]

        def work(token: CancelToken, report: ReportProgress) -> Any:
            places: list[Any] = []
            values: list[Any] = []
            for t, labels in offer.read():
                token.raise_if_cancelled()
                if t >= shape[0] or labels.shape != shape[1:]:
                    raise FileFormatError(
                        f"Frame {t} of the saved corrections in {offer.folder} has "
                        f"shape {labels.shape}, which does not fit these cells. "
                        "Nothing was changed."
                    )
                now = np.asarray(data if data.ndim == 2 else data[t])
                pixels = np.nonzero(labels != now)
                first = (np.full_like(pixels[0], t),) if data.ndim == 3 else ()
                places.append((*first, *pixels))
                values.append(labels[pixels])
            empty = [_where(t, mask) for t, mask in offer.read_no_cells()]
            return _joined(places), np.concatenate(values), _joined(empty)

        def commit(result: Any) -> str:
            if cells.data is not data:
                return "The cells changed meanwhile: restore again."
            where, values, empty = result
            if where is not None:
                cells.data_setitem(where, values.astype(data.dtype))
            if empty is not None:
                no_cells = show_no_cells(self._workflow.viewer, field, shape)
                no_cells.data_setitem(empty, 1)
            field.annotate(done)
            saved = self._saved.get(cells)
            if saved is not None:
                self._watch_no_cells(field, saved)
                saved.touched |= set(offer.frames)
                saved.done, saved.is_changed = field.annotated_frames, True
                # On disk under the new name before the old one goes.
                self._write((saved,), CancelToken())
            if not self._failure:
                offer.remove()
            self._look_again()
            return "Your corrections are back; Ctrl+Z takes them out again."

        return Task("Restore corrections", work, commit)

    def _look_again(self) -> None:
        self._asked = None
        self._on_workflow()
        self._workflow.changed.emit()

    # ------------------------------------------------------------ events

    def _cells(self) -> Any:
        field = self._workflow.field
        if field is None:
            return None
        return present(self._workflow.viewer, field, Role.CELLS)

    def _on_workflow(self) -> None:
        field, cells = self._workflow.field, self._cells()
        if field is not None and cells is not None and cells not in self._saved:
            corrections = new_corrections(field.acquisition, self._root)
            self._saved[cells] = _Saved(cells, field.acquisition, corrections)
            cells.events.paint.connect(self._on_paint)
            cells.events.set_data.connect(self._on_drawn)
        if field is not None and cells is not None:
            self._watch_no_cells(field, self._saved[cells])
            self._save_marks(field, self._saved[cells])
        if field is not None and (self._asked is None or self._asked() is not field):
            self._asked = weakref.ref(field)
            self._find_offer(field)
        self.changed.emit()

    def _find_offer(self, field: FieldOfView) -> None:
        """Look for corrections that another session left."""
        self.offer, self.problem = None, ""
        ours = {saved.corrections for saved in self._saved.values()}
        for one in corrections_of(field.acquisition, self._root):
            if one in ours:
                continue
            try:
                one.about()
            except QPMError as error:
                self.problem = str(error)
                continue
            if one.frames:
                self.offer, self.problem = one, ""
                return

    def _on_paint(self, event: Any) -> None:
        """Save the frames of an edit once no other follows."""
        cells = event.source
        saved = self._saved.get(cells)
        field = field_of(cells)
        if saved is None or field is None:
            return
        frames = touched_frames(event.value, cells.ndim)
        if frames is None:
            frames = frozenset(range(int(cells.data.shape[0])))
        saved.touched |= frames
        self._ask(saved)
        self.corrected.emit(frames)

    def _watch_no_cells(self, field: FieldOfView, saved: _Saved) -> None:
        """Save what the user says of places without cells along with the cells."""
        layer = present(self._workflow.viewer, field, Role.NO_CELLS)
        if layer is None or self._saved.get(layer) is saved:
            return
        if layer not in self._saved:
            layer.events.paint.connect(self._on_paint)
            layer.events.set_data.connect(self._on_drawn)
        self._saved[layer], saved.no_cells = saved, weakref.ref(layer)

    def _save_marks(self, field: FieldOfView, saved: _Saved) -> None:
        """Save which frames are done, and their cells even if none was corrected."""
        if saved.done != field.annotated_frames:
            saved.done = field.annotated_frames
            saved.touched |= saved.done
            self._ask(saved)

    def _on_drawn(self, event: Any) -> None:
        """Save again after an undo, which only redraws the layer."""
        saved = self._saved.get(event.source)
        if saved is not None and saved.touched:
            self._ask(saved)

    def _ask(self, saved: _Saved) -> None:
        if not saved.is_changed:
            saved.is_changed = True
            self.changed.emit()
        self._writer.ask(tuple(one for one in self._saved.values() if one.is_changed))

    def _write(self, changed: tuple[_Saved, ...], token: CancelToken) -> None:
        for saved in changed:
            self._failure = ""
            try:
                saved.write()
            except QPMError as error:
                self._failure = f"Your corrections are not saved automatically. {error}"
                saved.is_changed = True
            if not self._is_closed:
                self._post(self.changed.emit)

    def _on_finished(self, title: str, status: Status) -> None:
        """Forget what was exported, unless it tells more than the labels do."""
        cells = self._cells()
        is_export = title == "Export table" and status.reason is FinishReason.COMPLETED
        saved = None if cells is None else self._saved.get(cells)
        if is_export and saved is not None and not saved.is_more_than_labels:
            saved.forget()


def _counted(n_frames: int) -> str:
    return "a frame" if n_frames == 1 else f"{n_frames} frames"


def _where(t: int, mask: Any) -> Any:
    """Return the pixels of a mask ``(Y, X)`` of frame `t`, as ``(t, y, x)``."""
    rows, columns = np.nonzero(mask)
    return np.full_like(rows, t), rows, columns


def _joined(places: list[Any]) -> Any:
    """Return pixels of several frames as one index; `None` where there are none."""
    if not any(place[0].size for place in places):
        return None
    return tuple(np.concatenate(axis) for axis in zip(*places, strict=True))
