"""The frame under the time slider, made while one looks: phase, cells and companions.

A view-model, free of Qt. Requests go to two threads that work on the newest one only;
pictures go to a bounded cache, which napari's layers read from. Nothing is computed on
the thread that owns the layers, and results of former settings never show.
"""

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from napari_qpm.acquisition import PhaseMap
from napari_qpm.errors import JobCancelled, QPMError
from napari_qpm.jobs import CancelToken, Progress, ReportProgress
from napari_qpm.segmentation.outlines import outline_labels
from napari_qpm.viewer.fields import FieldOfView, Role, unwrap
from napari_qpm.viewer.frame_maker import FrameMaker, Kind
from napari_qpm.viewer.frame_views import FrameCache
from napari_qpm.viewer.newest import NewestFirst
from napari_qpm.viewer.preview_layers import PreviewLayers
from napari_qpm.viewer.relay import Post
from napari_qpm.viewer.results import outline_width, present
from napari_qpm.viewer.settings import StepName
from napari_qpm.viewer.wording import explain

if TYPE_CHECKING:
    from napari_qpm.viewer.workflow import Workflow

__all__ = ["Preview"]

PHASE_SETTLE_S = 0.02
CELLS_SETTLE_S = 0.12
"""Cells cost ten times as much as phase, so they wait until the slider rests."""
DRAWING_S = 0.03
FRAMES_AHEAD = 2
FOLLOWED = (Kind.PHASE, Kind.CELLS)


@dataclass(frozen=True)
class _Request:
    """Pictures that are wanted of a frame, and of those that come next."""

    maker: FrameMaker
    t: int
    kinds: tuple[Kind, ...]
    ahead: tuple[int, ...]


class Preview:
    """What the shown frame looks like with the present settings.

    Parameters
    ----------
    workflow
        The dock's view-model.
    post
        Runs a call later on the thread that owns the layers.
    before
        Waited for before the first picture, off that thread (compiled code).
    """

    changed = Signal()
    """The switch, the note, or what is shown changed."""
    pictured = Signal(Kind)
    """A picture of this kind of the shown frame is there."""

    def __init__(
        self,
        workflow: "Workflow",
        post: Post,
        before: Callable[[CancelToken, ReportProgress], None] | None = None,
    ):
        self._workflow, self._post, self._before = workflow, post, before
        self.cache = FrameCache()
        self.layers = PreviewLayers(workflow.viewer, self.cache, self._on_missing)
        self.note = ""
        self.frames_ahead = FRAMES_AHEAD
        self._extras: set[Kind] = set()
        self._is_following = True
        self._is_active = False
        self._is_closed = False
        self._is_waiting = self._is_ready = False
        self._field: weakref.ref[FieldOfView] | None = None
        self._maker: FrameMaker | None = None
        self._t, self._direction = 0, 1
        self._phases = NewestFirst(
            self._make, PHASE_SETTLE_S, "qpm preview", is_eager=True
        )
        self._cells = NewestFirst(self._make, CELLS_SETTLE_S, "qpm preview cells")
        # `current_step` comes later, when napari has told its own widgets.
        workflow.viewer.dims.events.point.connect(self._on_slider)
        workflow.viewer.layers.events.removed.connect(self._on_layer_removed)
        workflow.changed.connect(self.update)
        workflow.settings_changed.connect(self._on_settings)
        self.update()

    def close(self) -> None:
        """End the threads, take the layers away and let go of the viewer."""
        if self._is_closed:
            return
        self._is_closed = True
        self._phases.close()
        self._cells.close()
        viewer = self._workflow.viewer
        viewer.dims.events.point.disconnect(self._on_slider)
        viewer.layers.events.removed.disconnect(self._on_layer_removed)
        self._workflow.changed.disconnect(self.update)
        self._workflow.settings_changed.disconnect(self._on_settings)
        # Without a preview they would show a few frames and blanks.
        self.layers.clear()
        self.cache.clear()

    # ------------------------------------------------------------ what is wanted

    @property
    def is_following(self) -> bool:
        """Whether phase and cells follow the slider."""
        return self._is_following

    @is_following.setter
    def is_following(self, value: bool) -> None:
        if value == self._is_following:
            return
        self._is_following = value
        if value:
            self._is_active = True
            self._ask()
        else:
            self._forget()
        self.changed.emit()

    @property
    def extras(self) -> frozenset[Kind]:
        """What is shown beside phase and cells."""
        return frozenset(self._extras)

    def show(self, kind: Kind) -> None:
        """Show this kind of picture of the present frame, and of all to come."""
        self._extras.add(kind)
        self._ask()
        self.changed.emit()

    def hide(self, kind: Kind) -> None:
        """Remove the layer of this kind."""
        self._extras.discard(kind)
        self.layers.remove(kind)
        self.changed.emit()

    def picture(self, kind: Kind) -> Any:
        """Return the picture ``(Y, X)`` of the shown frame, if it was made."""
        maker = self._maker
        if maker is None:
            return None
        return self.cache.get((maker.key(kind), self._t))

    @property
    def context(self) -> PhaseMap | None:
        """The last phase that was made: its grid, and what the engine found."""
        return None if self._maker is None else self._maker.context

    @property
    def frame_notes(self) -> dict[str, Any]:
        """What was found while the shown frame was retrieved."""
        return {} if self._maker is None else self._maker.notes.get(self._t, {})

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being made."""
        return self._phases.is_idle and self._cells.is_idle

    # ------------------------------------------------------------ events

    def _on_missing(self) -> None:
        """Begin while napari still slices: half of what a move costs it is to come."""
        if self._has_moved():
            self._request(self._wanted())

    def _on_slider(self) -> None:
        has_moved, wanted = self._has_moved(), self._wanted()
        if has_moved:
            self._request(wanted)
        self._show_cached(wanted)

    def _has_moved(self) -> bool:
        """Take notice of the frame that the viewer shows now."""
        if self._workflow.field is None:
            return False
        t = self._workflow.current_frame()
        if t == self._t:
            return False
        self._direction = 1 if t > self._t else -1
        self._t = t
        self._is_active = True
        return True

    def _on_settings(self) -> None:
        """Show what a change does, also where there is no slider to move."""
        self._is_active = self._is_following
        self.update()
        self._ask()

    def update(self) -> None:
        """Look at what the workflow says now; new settings ask for new pictures."""
        if self._is_closed:
            return
        field = self._workflow.field
        if field is None:
            return
        if self._field is None or self._field() is not field:
            self._field = weakref.ref(field)
            self._is_active, self._maker = False, None
            self._extras.clear()
            self.layers.clear()
            self._t = self._workflow.current_frame()
            self._forget()
        before, maker = self._maker, self._current_maker()
        for kind in self._covered_kinds():
            self.layers.remove(kind)
        if (
            maker is not None
            and (before is not maker or self._is_waiting)
            and (self._is_active or self._extras)
        ):
            self._ask()

    def _on_layer_removed(self, event: Any) -> None:
        kind = self.layers.forget(unwrap(event.value))
        if kind is None or self._is_closed:
            return
        self._extras.discard(kind)
        if kind in FOLLOWED:
            # Later: with the recording gone as well, nobody switched anything off.
            self._post(self._stop_unless_gone)
        self.changed.emit()

    def _stop_unless_gone(self) -> None:
        field = self._workflow.field
        if field is not None and present(self._workflow.viewer, field, Role.RECORDING):
            self.is_following = False

    # ------------------------------------------------------------ making

    def _current_maker(self) -> FrameMaker | None:
        """Return what makes pictures with the present settings, and keep it."""
        workflow = self._workflow
        field = workflow.field
        self._is_ready = (
            field is not None and workflow.availability(StepName.RETRIEVE).is_ready
        )
        if field is None or not self._is_ready:
            return None
        maker = FrameMaker(workflow.pipeline(), field.acquisition)
        known = self._maker
        if known is not None and known.key(Kind.CELLS) == maker.key(Kind.CELLS):
            return known
        self._maker = maker
        return maker

    def _ask(self) -> None:
        """Ask for what is wanted of the shown frame, with the settings of `update`."""
        wanted = self._wanted()
        self._request(wanted)
        self._show_cached(wanted)

    def _request(self, wanted: list[Kind]) -> None:
        """Have pictures made; the newest request counts."""
        if self._is_closed or not (self._is_active or self._extras):
            return
        maker = self._maker if self._is_ready else None
        self._is_waiting = maker is None
        if maker is None:
            # A job runs; asked again when it has ended.
            return
        ahead = self._frames_ahead()
        first = tuple(kind for kind in wanted if kind is not Kind.CELLS)
        if first:
            self._phases.ask(_Request(maker, self._t, first, ahead))
        if Kind.CELLS in wanted:
            self._cells.ask(_Request(maker, self._t, (Kind.CELLS,), ahead[:1]))

    def _show_cached(self, wanted: list[Kind]) -> None:
        """Show at once what was made before with other settings in between.

        Frames that wait in the cache are else shown by napari's own slicing.
        """
        field, maker = self._workflow.field, self._maker
        if field is not None and maker is not None and self._is_ready:
            self.layers.show_cached(field, maker, wanted, self._t)

    def _wanted(self) -> list[Kind]:
        """Return what is to be seen of the shown frame, and no result shows already."""
        is_live = self._is_following and self._is_active
        followed = [
            kind for kind in FOLLOWED if is_live and not self._is_covered(kind, self._t)
        ]
        return [*followed, *sorted(self._extras)]

    def _frames_ahead(self) -> tuple[int, ...]:
        field = self._workflow.field
        assert field is not None
        steps = (self._t + self._direction * (n + 1) for n in range(self.frames_ahead))
        n_frames = field.acquisition.n_frames
        return tuple(t for t in steps if 0 <= t < n_frames)

    def _is_covered(self, kind: Kind, t: int) -> bool:
        """Return whether results show this already, made with the same settings."""
        field = self._workflow.field
        if field is None or kind not in FOLLOWED:
            return False
        role = Role.PHASE if kind is Kind.PHASE else Role.CELLS
        step = StepName.RETRIEVE if kind is Kind.PHASE else StepName.SEGMENT
        run = field.runs.get(step)
        if run is None or present(self._workflow.viewer, field, role) is None:
            return False
        if t not in field.done.get(role, frozenset()) or field.is_outdated:
            return False
        if role is Role.CELLS and field.are_cells_kept:
            return True
        now = self._workflow.pipeline()
        if run.pipeline.retrieve != now.retrieve:
            return False
        return role is Role.PHASE or run.pipeline.segment == now.segment

    def _covered_kinds(self) -> list[Kind]:
        """Return what the results show of every frame."""
        field = self._workflow.field
        if field is None:
            return []
        n_frames = field.acquisition.n_frames
        return [
            kind
            for kind, role in ((Kind.PHASE, Role.PHASE), (Kind.CELLS, Role.CELLS))
            if len(field.done.get(role, ())) == n_frames
            and self._is_covered(kind, self._t)
        ]

    def _forget(self) -> None:
        self._phases.forget()
        self._cells.forget()

    def _make(self, request: _Request, token: CancelToken) -> None:
        """Make pictures; runs on one of the two threads."""
        if self._before is not None:
            self._before(token, _ignore)
        for kind in request.kinds:
            self._make_one(request, kind, request.t, token)
        if request.ahead:
            # Drawing what has just been made needs the processors as well.
            token.pause(DRAWING_S)
        for t in request.ahead:
            for kind in request.kinds:
                self._make_one(request, kind, t, token)

    def _make_one(
        self, request: _Request, kind: Kind, t: int, token: CancelToken
    ) -> None:
        maker, key = request.maker, (request.maker.key(kind), t)
        is_shown = t == request.t
        if self.cache.get(key) is None:
            try:
                phase = self.cache.get((maker.key(Kind.PHASE), t))
                picture = maker.make(kind, t, token, phase)
            except JobCancelled:
                raise
            # At the thread's border: engines of others may raise anything.
            except Exception as error:  # noqa: BLE001
                if is_shown:
                    told = f"Frame {t}: {explain(error)}"
                    self._post(lambda: self._on_problem(request, told))
                return
            if kind is Kind.CELLS:
                # Here, because napari would outline them on the GUI thread.
                picture = outline_labels(picture, outline_width(picture.shape))
            self.cache.put(key, np.ascontiguousarray(picture))
        if is_shown:
            self._post(lambda: self._on_picture(request, kind))

    def _on_problem(self, request: _Request, told: str) -> None:
        if self._is_stale(request):
            return
        self.note = told
        self.changed.emit()

    def _on_picture(self, request: _Request, kind: Kind) -> None:
        """Show a picture, unless settings or slider have moved on."""
        field = self._workflow.field
        if self._is_stale(request) or field is None:
            return
        if kind in FOLLOWED and not self._is_following:
            return
        if kind not in FOLLOWED and kind not in self._extras:
            return
        self.note = ""
        if kind is not Kind.SPECTRUM:
            try:
                # Adding a layer selects it and back; the dock needs to hear it once.
                with self._workflow.changed.blocked():
                    self.layers.show(field, request.maker, kind, request.t)
            except QPMError as error:
                self.note = str(error)
        self.pictured.emit(kind)
        self.changed.emit()

    def _is_stale(self, request: _Request) -> bool:
        return (
            self._is_closed or request.maker is not self._maker or request.t != self._t
        )


def _ignore(progress: Progress) -> None:
    """Nobody listens."""
