"""What was run in the dock as a Python script that gives the same table."""

import re
from dataclasses import dataclass
from pprint import pformat
from typing import TYPE_CHECKING, Any

from napari_qpm.acquisition import Acquisition
from napari_qpm.errors import QPMError
from napari_qpm.io.channels import channels_of
from napari_qpm.provenance import Step, package_version
from napari_qpm.viewer.runs import pipeline_as_run
from napari_qpm.viewer.settings import StepName

if TYPE_CHECKING:
    from napari_qpm.pipeline import Pipeline
    from napari_qpm.viewer.fields import FieldOfView

__all__ = ["Script", "is_loose", "script_of"]

COPIED = "Copied a script to the clipboard that gives this table again."
NO_FILE = (
    "Copied a script to the clipboard. This recording is in no file: save its layer, "
    "and put the path into the script."
)
BY_HAND = (
    "Copied a script to the clipboard. Cells were corrected by hand: the script "
    "outlines them anew, without the corrections."
)
LOOSE_REFERENCE = (
    "Its reference frame is in no file: save the layer, and put the path into the "
    "script."
)
WIDTH = 88


@dataclass(frozen=True)
class Script:
    """A script, and what the user has to know about it."""

    text: str
    note: str


def script_of(field: "FieldOfView | None", reference_file: str = "") -> Script | None:
    """Return the script that makes a field's table again; `None` without a table.

    Steps, parameters and facts are those that were run, whatever the forms say by now.

    Parameters
    ----------
    reference_file
        Where a reference frame that is only in a layer is saved.
    """
    pipeline = None if field is None else pipeline_as_run(field)
    if field is None or pipeline is None or field.table is None:
        return None
    recording = field.acquisition
    in_file = _fields_in_file(recording)
    facts = _facts(recording, in_file)
    pipeline = pipeline.model_copy(update={"instrument": facts})
    opening, note = _opening(recording, pipeline, len(in_file))
    if field.is_corrected:
        note = BY_HAND
    lines_of_reference = _reference(recording, in_file, reference_file)
    if is_loose(recording) and not reference_file:
        note = f"{note} {LOOSE_REFERENCE}"
    frames = sorted(field.runs[StepName.MEASURE].frames)
    imports, lines = _running(pipeline, frames, recording)
    imports += opening.imports
    if lines_of_reference:
        imports.append("from napari_qpm.io import with_reference")
    head = f'"""Measure the cells of {recording.name}, as in napari-qpm '
    head += f'{package_version()}."""'
    body = [*opening.lines, *lines_of_reference, *lines]
    text = "\n".join([head, "", *_sorted_imports(imports), "", *body])
    return Script(text + "\n", note)


@dataclass(frozen=True)
class _Opening:
    imports: list[str]
    lines: list[str]


def _fields_in_file(recording: Acquisition) -> list[Acquisition]:
    """Return what the recording's file gives by itself; nothing without a file."""
    from napari_qpm.io import open_all

    if recording.path is None:
        return []
    try:
        return open_all(
            recording.path, modality=recording.modality, channel=_channel(recording)
        )
    except (QPMError, OSError):
        return []


def _channel(recording: Acquisition) -> str | None:
    """Return the channel that was chosen, where the file holds others too."""
    channels = channels_of(recording)
    return None if channels is None else channels.chosen


def _facts(recording: Acquisition, in_file: list[Acquisition]) -> dict[str, Any]:
    """Return the facts about the microscope that the file alone does not give."""
    known = recording.instrument.to_dict()
    alike = _alike(recording, in_file)
    stated = {} if alike is None else alike.instrument.to_dict()
    return {key: value for key, value in known.items() if value != stated.get(key)}


def _alike(recording: Acquisition, in_file: list[Acquisition]) -> Acquisition | None:
    """Return the field of view of the file that a recording is."""
    alike = [one for one in in_file if one.name == recording.name] or in_file[:1]
    return alike[0] if alike else None


def is_loose(recording: Acquisition) -> bool:
    """Whether the reference frame of a recording is in a layer only."""
    from napari_qpm.io.reference_frame import reference_origin

    return "name" in (reference_origin(recording) or {})


def _reference(
    recording: Acquisition, in_file: list[Acquisition], reference_file: str
) -> list[str]:
    """Return the lines that take the reference which the file alone does not give."""
    from napari_qpm.io.reference_frame import reference_origin

    origin, alike = reference_origin(recording), _alike(recording, in_file)
    by_itself = None if alike is None else reference_origin(alike)
    if origin is None or origin == by_itself:
        return []
    if not origin:
        has_one = alike is None or alike.reference is not None
        return ["recording = with_reference(recording, None)"] if has_one else []
    if "path" in origin:
        place = repr(origin["path"])
        if "position" in origin:
            place = f"{place}, position={origin['position']!r}"
        return [f"recording = with_reference(recording, {place})"]
    if "median" in origin:
        return ["recording = with_reference(recording, 'median')"]
    if reference_file:
        return [f"recording = with_reference(recording, {reference_file!r})"]
    return [
        f"# Put the path of the saved layer {origin['name']!r} here.",
        "recording = with_reference(recording, 'reference.tif')",
    ]


def _opening(
    recording: Acquisition, pipeline: "Pipeline", n_fields: int
) -> tuple[_Opening, str]:
    """Return the lines that open a recording, and what the user has to know."""
    simulated = next((s for s in recording.history if s.name == "simulate"), None)
    modality = None if pipeline.modality is None else pipeline.modality.value
    if recording.path is None and simulated is not None:
        return _simulation(simulated), COPIED
    if recording.path is None:
        line = f"recording = qpm.open('recording.tif', modality={modality!r})"
        return _Opening([], ["# Put the path of the saved recording here.", line]), (
            NO_FILE
        )
    path, channel = repr(str(recording.path)), _channel(recording)
    said = f"modality={modality!r}" + (f", channel={channel!r}" if channel else "")
    if n_fields > 1:
        choice = f"field for field in fields if field.name == {recording.name!r}"
        lines = [
            f"fields = qpm.open_all({path}, {said})",
            f"recording = next({choice})",
        ]
        return _Opening([], lines), COPIED
    line = f"recording = qpm.open({path}, {said})"
    return _Opening([], [line]), COPIED


def _simulation(step: Step) -> _Opening:
    options = pformat(_plain(step.parameters), width=WIDTH, sort_dicts=False)
    return _Opening(
        ["from napari_qpm.specimens.samples import simulate"],
        [
            f"options = {options}",
            f"recording = simulate({step.engine!r}, **options).acquisition",
        ],
    )


def _plain(value: Any) -> Any:
    """Return a value without enumerations, whose names a script would not know."""
    import enum

    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_plain(one) for one in value)
    return value.value if isinstance(value, enum.Enum) else value


def _running(
    pipeline: "Pipeline", frames: list[int], recording: Acquisition
) -> tuple[list[str], list[str]]:
    """Return the imports and lines that run a pipeline on these frames."""
    imports = [
        "import napari_qpm as qpm",
        "from napari_qpm.pipeline import run_pipeline",
    ]
    is_whole = len(frames) == recording.n_frames
    whole = pipeline if is_whole else pipeline.model_copy(update={"link": None})
    values = pformat(whole.to_dict(), width=WIDTH, sort_dicts=False)
    folder = re.sub(r"[^\w.-]+", "-", recording.name).strip("-.") or "recording"
    lines = [
        f"pipeline = qpm.Pipeline.parse(\n{_indented(values)}\n)",
        "# Phase, cells and table are kept here; running again goes on from them.",
        f"result = run_pipeline(pipeline, recording, Path({f'{folder}-result'!r}))",
        "table = result.table",
    ]
    imports.append("from pathlib import Path")
    if not is_whole:
        lines += [
            f"frames = {frames!r}",
            'table = table[table["frame"].isin(frames)].reset_index(drop=True)',
        ]
        if pipeline.link is not None:
            options = "".join(f", {k}={v!r}" for k, v in pipeline.link.items())
            lines.append(f"table = qpm.link(table, result.labels{options})")
    lines.append("print(table)")
    return imports, lines


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())


def _sorted_imports(imports: list[str]) -> list[str]:
    """Return imports as a script has them: the standard library first."""
    standard = [line for line in imports if "pathlib" in line]
    others = [line for line in imports if line not in standard]
    return [*standard, "", *sorted(others, key=lambda line: line.startswith("from"))]
