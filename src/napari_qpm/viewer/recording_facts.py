"""The view-model of the Recording step: facts, who stated them, and what is remembered.

Gaps of a new recording are filled in with what was last stated for its folder. That is
said, noted in the results, and can be taken back; what a file states is never replaced.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from napari_qpm.acquisition import Acquisition, Modality, PhaseUnit
from napari_qpm.errors import QPMError
from napari_qpm.instrument import Instrument
from napari_qpm.viewer.fields import FieldOfView
from napari_qpm.viewer.folder_memory import FolderMemory, Remembered
from napari_qpm.viewer.number_lists import parse_numbers
from napari_qpm.viewer.relay import Post, call_now
from napari_qpm.viewer.wording import facts_in_words

if TYPE_CHECKING:
    from napari_qpm.viewer.workflow import Workflow

__all__ = ["FOCUSED", "NUMBER_LISTS", "Origin", "Recalled", "RecordingFacts"]

FILLED_IN = "Filled in as for "
FOCUSED = (Modality.THROUGH_FOCUS, Modality.CHROMATIC)
"""Kinds whose planes or colours focus at different places."""
NUMBER_LISTS = ("focus_um", "phase_steps_deg")


@dataclass(frozen=True)
class Origin:
    """Who stated a fact: in a word, and in a sentence."""

    word: str
    sentence: str


UNKNOWN = Origin("", "")
YOURS = Origin("yours", "You filled it in.")
FROM_FILE = Origin("file", "The file states it.")
ASSUMED = Origin("assumed", "Nobody states it: it is what most cameras have.")
FROM_LAYER = Origin("layer", "The layer's scale states it.")
SIMULATED = Origin("sample", "The simulated sample was made with it.")


@dataclass(frozen=True)
class Recalled:
    """What was filled in from memory.

    Parameters
    ----------
    memory
        Where it came from.
    facts
        What was filled in and not changed by the user since.
    before
        The values that it replaced.
    note
        What the results say of it.
    """

    memory: Remembered
    facts: dict[str, Any]
    before: dict[str, Any]
    note: str


class RecordingFacts:
    """Facts about the selected recording's microscope.

    Parameters
    ----------
    workflow
        The view-model of the dock.
    memory
        What was stated in other recordings' folders.
    post
        Runs a call later on the thread that owns the layers.
    """

    def __init__(
        self,
        workflow: "Workflow",
        memory: FolderMemory | None = None,
        post: Post = call_now,
    ):
        self.workflow = workflow
        self.memory = FolderMemory() if memory is None else memory
        self.post = post
        self._is_closed = False
        workflow.changed.connect(self._on_changed)
        self._on_changed()

    def close(self) -> None:
        """Let go of the workflow."""
        if not self._is_closed:
            self._is_closed = True
            self.workflow.changed.disconnect(self._on_changed)

    def set_numbers(self, name: str, text: str) -> None:
        """State one of `NUMBER_LISTS` as typed; empty forgets it."""
        recording = self.workflow.acquisition
        if recording is None:
            return
        try:
            values = parse_numbers(text, recording.shape[1])
        except QPMError as error:
            self.workflow.fail(error)
            self.workflow.changed.emit()
            return
        self.set(**{name: values})

    def set(self, **values: Any) -> None:
        """State facts; they are remembered for the folder, `None` forgets them."""
        workflow, field = self.workflow, self.workflow.field
        if field is None:
            return
        try:
            workflow.set_instrument(**values)
        except QPMError as error:
            workflow.fail(error)
            workflow.changed.emit()
            return
        self.memory.remember(field.acquisition, values)
        recalled = field.recalled
        is_replaced = recalled is not None and bool(set(values) & set(recalled.facts))
        if recalled is not None and is_replaced:
            left = {k: v for k, v in recalled.facts.items() if k not in values}
            _tell_recalled(field, recalled.memory, left, recalled.before)
        if is_replaced or self.memory.problem:
            workflow.changed.emit()

    def origin(self, name: str) -> Origin:
        """Return who stated a fact of the selected recording."""
        field = self.workflow.field
        if field is None or _is_gap(field.acquisition, name, is_assumed=False):
            return UNKNOWN
        recalled = field.recalled
        if recalled is not None and name in recalled.facts:
            return Origin("folder", f"{FILLED_IN}{_source(recalled.memory)}.")
        if name in field.edits:
            return YOURS
        return _stated_by(field, name)

    def recalled_in_words(self) -> str:
        """Return what was filled in from memory; empty when nothing was."""
        field = self.workflow.field
        recalled = None if field is None else field.recalled
        if field is None or recalled is None:
            return ""
        return recalled.note

    def undo_recalled(self) -> None:
        """Take back what was filled in from memory, for this recording."""
        field = self.workflow.field
        recalled = None if field is None else field.recalled
        if field is None or recalled is None:
            return
        before = {name: recalled.before[name] for name in recalled.facts}
        _tell_recalled(field, recalled.memory, {}, {})
        self.workflow.set_instrument(**before)
        for name in before:
            field.edits.pop(name, None)
        self.workflow.changed.emit()

    def _on_changed(self) -> None:
        if self._wanted() is not None:
            # Later: closing a viewer selects one layer after the other on its way.
            self.post(self._recall)

    def _wanted(self) -> FieldOfView | None:
        """Return the selected field if its folder was not asked yet."""
        workflow, field = self.workflow, self.workflow.field
        if self._is_closed or workflow.job is not None or field is None:
            return None
        kind = field.acquisition.modality
        if kind is None or not field.is_inspected or field.recalled_for is kind:
            return None
        return field

    def _recall(self) -> None:
        field = self._wanted()
        if field is None:
            return
        recording = field.acquisition
        field.recalled_for = recording.modality
        memory = self.memory.recall(recording)
        if memory is None or field.phase_map is not None:
            return
        facts = {
            name: _typed(name, value)
            for name, value in memory.facts.items()
            if name not in field.edits
            and _fits(recording, name, value)
            and _is_gap(recording, name, is_assumed=_is_assumed(field))
        }
        known = recording.instrument
        before = {name: getattr(known, name) for name in facts}
        facts = {k: v for k, v in facts.items() if v != before[k]}
        if not facts:
            return
        _tell_recalled(field, memory, facts, before)
        self.workflow.set_instrument(**facts)


def _tell_recalled(
    field: FieldOfView,
    memory: Remembered,
    facts: dict[str, Any],
    before: dict[str, Any],
) -> None:
    """Note what of a recording is filled in from memory, instead of an earlier note."""
    old = field.recalled
    recording = field.acquisition
    kept = tuple(n for n in recording.notes if old is None or n != old.note)
    field.recalled = None
    field.acquisition = recording.replace(notes=kept)
    if facts:
        words = facts_in_words(facts, recording.shape[1])
        note = f"{FILLED_IN}{_source(memory)}: {words}."
        field.recalled = Recalled(memory, facts, before, note)
        field.acquisition = field.acquisition.with_note(note)


def _source(memory: Remembered) -> str:
    """Return which recording facts were stated for, in words."""
    try:
        when = datetime.fromisoformat(memory.when).strftime("%d %b %Y")
    except ValueError:
        return f"{memory.recording!r} in this folder"
    return f"{memory.recording!r} in this folder ({when})"


def _is_gap(acquisition: Acquisition, name: str, *, is_assumed: bool) -> bool:
    """Whether nobody states a fact that recordings of this kind may have."""
    kind, value = acquisition.modality, getattr(acquisition.instrument, name)
    match name:
        case "polarization_layout":
            if kind is not Modality.POLARIZATION:
                return False
            return value is None or is_assumed
        case "phase_unit":
            return kind is Modality.PHASE and value in (None, PhaseUnit.UNKNOWN)
        case "frame_interval_s":
            return value is None and acquisition.n_frames > 1
        case "focus_um":
            return value is None and kind in FOCUSED
        case "phase_steps_deg":
            return value is None and kind is Modality.PHASE_SHIFTING
    return value is None


def _fits(acquisition: Acquisition, name: str, value: Any) -> bool:
    """Whether a list of numbers has one for each image of a recording."""
    return name not in NUMBER_LISTS or len(value) == acquisition.shape[1]


def _is_assumed(field: FieldOfView) -> bool:
    """Whether the order of the polarizer angles is nobody's statement."""
    return _stated_by(field, "polarization_layout") in (ASSUMED, UNKNOWN)


def _stated_by(field: FieldOfView, name: str) -> Origin:
    """Return who stated a fact before the user did."""
    history = field.acquisition.history
    opened = next((step for step in history if step.name == "open"), None)
    if opened is None:
        is_simulated = any(step.name == "simulate" for step in history)
        return SIMULATED if is_simulated else UNKNOWN
    sources = opened.parameters.get("sources", {})
    source = str(sources.get(name, ""))
    if name == "pixel_size_um" and not source:
        source = str(sources.get("camera_pixel_um", ""))
    if source == "file":
        return FROM_FILE
    if source.startswith("sidecar"):
        return Origin("sidecar", f"The {source} states it.")
    if source == "you":
        return YOURS
    if name == "polarization_layout":
        return ASSUMED
    if source or "layer" not in opened.parameters:
        return UNKNOWN
    return FROM_LAYER


def _typed(name: str, value: Any) -> Any:
    """Return a value as an instrument holds it, from what JSON holds."""
    return getattr(Instrument().replace(**{name: value}), name)
