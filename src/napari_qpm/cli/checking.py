"""The command that says how far the phase of recordings can be trusted."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_qpm.cli.inputs import open_inputs
from napari_qpm.cli.options import (
    Channel,
    Engine,
    Inputs,
    Json,
    ModalityName,
    Reference,
    SetInstrument,
    SetParameter,
    key_values,
)
from napari_qpm.cli.output import Output, command_output
from napari_qpm.errors import ParameterError

if TYPE_CHECKING:
    from napari_qpm.acquisition import Acquisition, PhaseMap
    from napari_qpm.checks import Checks

__all__ = ["register"]

MOST_FRAMES = 3
"""Frames that are described; of more, the worst."""


def register(app: typer.Typer) -> None:
    """Add this command to the application."""
    app.command()(check)


def check(
    inputs: Inputs,
    modality: ModalityName = None,
    reference: Reference = None,
    channel: Channel = None,
    engine: Engine = None,
    set_parameter: SetParameter = None,
    set_instrument: SetInstrument = None,
    frame: Annotated[
        list[int] | None, typer.Option("--frame", help="Only this frame; repeatable.")
    ] = None,
    phase: Annotated[
        Path | None,
        typer.Option(
            "--phase",
            help="Judge this phase of one recording, retrieving none; in radians "
            "where the file states no unit.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Retrieve phase and say how far it can be trusted; nothing is written."""
    with command_output(json) as output:
        parameters = key_values(set_parameter)
        if phase is not None and (len(inputs) > 1 or engine or parameters):
            raise ParameterError(
                "--phase judges the given phase of one recording: leave --engine, "
                "--set and other recordings away."
            )
        records, texts = [], []
        acquisitions = open_inputs(
            inputs,
            modality=modality,
            channel=channel,
            reference=reference,
            set_instrument=set_instrument,
        )
        for acquisition in acquisitions:
            phase_map = _phase_of(acquisition, phase, engine, parameters)
            found = _check(output, phase_map, frame)
            frames = [{"frame": t, **one.to_dict()} for t, one in found.items()]
            records.append({"name": acquisition.name, "frames": frames})
            texts.append(_describe(acquisition.name, found))
        output.result({"recordings": records}, "\n\n".join(texts))


def _phase_of(
    acquisition: "Acquisition",
    given: Path | None,
    engine: str | None,
    parameters: dict[str, Any],
) -> "PhaseMap":
    """Return the phase that is to be judged: retrieved, or read from a file."""
    from napari_qpm.acquisition import PhaseUnit
    from napari_qpm.checks.residual import as_phase_map
    from napari_qpm.io import open_acquisition
    from napari_qpm.retrieval import retrieve

    if given is None:
        return retrieve(acquisition, engine, **parameters)
    images = open_acquisition(given, modality="phase")
    if images.instrument.phase_unit in (None, PhaseUnit.UNKNOWN):
        images = images.with_instrument(phase_unit=PhaseUnit.RADIANS)
    read = retrieve(images, "as-is")
    scale = (
        acquisition.shape[2] / read.shape[1],
        acquisition.shape[3] / read.shape[2],
    )
    return as_phase_map(
        acquisition,
        dataclasses.replace(read, acquisition=acquisition, grid_scale=scale),
    )


def _check(
    output: Output, phase_map: "PhaseMap", frames: list[int] | None
) -> dict[int, "Checks"]:
    from napari_qpm.checks import check_frame
    from napari_qpm.jobs import Progress

    acquisition = phase_map.acquisition
    wanted = sorted(set(frames)) if frames else range(acquisition.n_frames)
    found = {}
    for done, t in enumerate(wanted, start=1):
        output.token.raise_if_cancelled()
        acquisition.read(t)  # a frame that does not exist is named before any work
        found[t] = check_frame(acquisition, phase_map, t)
        output.report(Progress(done, len(wanted), "frames", "Checking the phase"))
    return found


def _describe(name: str, found: dict[int, "Checks"]) -> str:
    """Return the verdicts of a recording: all of a few frames, the worst of many."""
    shown = list(found)
    lines = [f"{name}: {len(found)} frames" if len(found) > 1 else name]
    if len(found) > MOST_FRAMES:
        shown = [max(found, key=lambda t: found[t].verdict.rank)]
        counts: dict[str, int] = {}
        for one in found.values():
            counts[one.verdict.value] = counts.get(one.verdict.value, 0) + 1
        told = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
        lines.append(f"  {told}; the worst is frame {shown[0]}:")
    for t in shown:
        if len(found) > 1:
            lines.append(f"  frame {t}: {found[t].verdict.value}")
        lines += [f"  {line}" for line in found[t].describe().splitlines()]
    return "\n".join(lines)
