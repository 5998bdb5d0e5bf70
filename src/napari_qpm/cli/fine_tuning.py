"""Command that teaches a network cells that somebody outlined."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_qpm.cli.inputs import open_inputs
from napari_qpm.cli.options import (
    Channel,
    Inputs,
    Json,
    ModalityName,
    Reference,
    Resume,
    RunFolder,
    SetInstrument,
    SetParameter,
    key_values,
)
from napari_qpm.cli.output import command_output

if TYPE_CHECKING:
    from napari_qpm.acquisition import Acquisition
    from napari_qpm.segmentation.annotated import AnnotatedFrame

__all__ = ["register"]

ALL = "all"


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("fine-tune")(fine_tune)


def fine_tune(
    inputs: Inputs,
    name: Annotated[
        str, typer.Option("--name", help="Name of the new model, such as my-cells.")
    ],
    labels: Annotated[
        list[Path] | None,
        typer.Option(
            "--labels",
            help="Outlined cells of each input, in order: mask images or Cellpose's "
            "_seg.npy. Absent: the inputs are folders of annotated frames.",
        ),
    ] = None,
    done: Annotated[
        str,
        typer.Option(
            "--done",
            help="Frames in which all that has no label is background: numbers such "
            "as 0,3,7, or all of those with a label.",
        ),
    ] = ALL,
    model: Annotated[
        str, typer.Option("--model", help="Model to start from; it stays as it is.")
    ] = "dm-qpmnet-phase",
    minutes: Annotated[
        float, typer.Option("--minutes", help="How long it may take, about.")
    ] = 5.0,
    device: Annotated[
        str, typer.Option("--device", help="auto, cpu or cuda.")
    ] = "auto",
    seed: Annotated[int, typer.Option("--seed", help="Of the samples.")] = 0,
    engine: Annotated[
        str | None,
        typer.Option("--engine", help="What retrieves the phase of raw recordings."),
    ] = None,
    set_segment: Annotated[
        list[str] | None,
        typer.Option(
            "--set-segment",
            metavar="KEY=VALUE",
            help="How cells are parted, such as cell_diameter=18; repeatable.",
        ),
    ] = None,
    folder: RunFolder = None,
    resume: Resume = False,
    preview: Annotated[
        Path | None,
        typer.Option(
            "--preview", help="Folder of one annotated frame to show meanwhile."
        ),
    ] = None,
    keep_worse: Annotated[
        bool, typer.Option("--keep-worse", help="Save the model even if no better.")
    ] = False,
    modality: ModalityName = None,
    reference: Reference = None,
    channel: Channel = None,
    set_instrument: SetInstrument = None,
    set_parameter: SetParameter = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace your model of this name.")
    ] = False,
    json: Json = False,
) -> None:
    """Make a model that finds your cells better, from cells that you outlined.

    Ctrl-C ends the learning early and keeps the best until then; --set changes how it
    learns, for example --set learning_rate=1e-4.
    """
    with command_output(json) as output:
        from napari_qpm.adaptation import fine_tune as teach
        from napari_qpm.segmentation.annotated import load_frames

        if labels is None:
            frames = [frame for path in inputs for frame in load_frames(path)]
        else:
            recordings = open_inputs(
                inputs,
                modality=modality,
                channel=channel,
                reference=reference,
                set_instrument=set_instrument,
            )
            frames = _outlined(recordings, labels, _numbers(done), engine)
        shown = None if preview is None else load_frames(preview)[0].phase_map
        outcome = teach(
            frames,
            name=name,
            model=model,
            minutes=minutes,
            device=device,
            seed=seed,
            overwrite=overwrite,
            keep_worse=keep_worse,
            parameters=key_values(set_segment, "--set-segment"),
            settings=key_values(set_parameter),
            folder=folder,
            resume=resume,
            preview=shown,
            token=output.token,
            report=output.report,
        )
        output.result(outcome.to_dict(), outcome.describe())


def _outlined(
    recordings: Sequence["Acquisition"],
    labels: Sequence[Path],
    done: list[int] | None,
    engine: str | None,
) -> list["AnnotatedFrame"]:
    """Return the outlined frames of recordings, with their phase."""
    from napari_qpm.io.label_files import read_labels
    from napari_qpm.retrieval import retrieve
    from napari_qpm.segmentation.annotated import annotated_frames

    if len(labels) != len(recordings):
        raise typer.BadParameter(
            f"{len(recordings)} recordings, but {len(labels)} --labels.",
            param_hint="--labels",
        )
    frames = []
    for acquisition, mask in zip(recordings, labels, strict=True):
        phase = retrieve(acquisition, engine)
        frames += annotated_frames(phase, read_labels(mask, phase.shape), done=done)
    return frames


def _numbers(text: str) -> list[int] | None:
    """Return frame numbers, None for all."""
    if text == ALL:
        return None
    try:
        return [int(one) for one in text.split(",") if one.strip()]
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is not of the form 0,3,7.", param_hint="--done"
        ) from None
