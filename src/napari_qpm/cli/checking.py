"""The command that says how far the phase of recordings can be trusted."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_qpm.cli.options import (
    Engine,
    Inputs,
    Json,
    ModalityName,
    Reference,
    SetInstrument,
    SetParameter,
    instrument_values,
    key_values,
)
from napari_qpm.cli.output import Output, command_output

if TYPE_CHECKING:
    from napari_qpm.acquisition import Acquisition
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
    engine: Engine = None,
    set_parameter: SetParameter = None,
    set_instrument: SetInstrument = None,
    frame: Annotated[
        list[int] | None, typer.Option("--frame", help="Only this frame; repeatable.")
    ] = None,
    json: Json = False,
) -> None:
    """Retrieve phase and say how far it can be trusted; nothing is written."""
    with command_output(json) as output:
        from napari_qpm.io import open_all

        known = instrument_values(set_instrument)
        parameters = key_values(set_parameter)
        records, texts = [], []
        for path in inputs:
            for acquisition in open_all(
                path, modality=modality, reference=reference, **known
            ):
                found = _check(output, acquisition, engine, parameters, frame)
                frames = [{"frame": t, **one.to_dict()} for t, one in found.items()]
                records.append({"name": acquisition.name, "frames": frames})
                texts.append(_describe(acquisition.name, found))
        output.result({"recordings": records}, "\n\n".join(texts))


def _check(
    output: Output,
    acquisition: "Acquisition",
    engine: str | None,
    parameters: dict[str, Any],
    frames: list[int] | None,
) -> dict[int, "Checks"]:
    from napari_qpm.checks import check_frame
    from napari_qpm.jobs import Progress
    from napari_qpm.retrieval import retrieve

    phase_map = retrieve(acquisition, engine, **parameters)
    wanted = sorted(set(frames)) if frames else range(acquisition.n_frames)
    found = {}
    for done, t in enumerate(wanted, start=1):
        output.token.raise_if_cancelled()
        acquisition.read(t)  # a frame that does not exist is named before any work
        found[t] = check_frame(phase_map.acquisition, phase_map, t)
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
