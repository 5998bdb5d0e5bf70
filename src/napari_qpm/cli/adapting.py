"""Command that adapts a model to a microscope."""

from typing import Annotated

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

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(adapt)


def adapt(
    inputs: Inputs,
    name: Annotated[
        str, typer.Option("--name", help="Name of the new model, such as my-scope.")
    ],
    model: Annotated[
        str, typer.Option("--model", help="Model to start from; it stays as it is.")
    ] = "nas-prnet",
    minutes: Annotated[
        float, typer.Option("--minutes", help="How long it may take, about.")
    ] = 10.0,
    device: Annotated[
        str, typer.Option("--device", help="auto, cpu or cuda.")
    ] = "auto",
    scale: Annotated[
        int | None,
        typer.Option(
            "--scale",
            help="Camera pixels per pixel of the network; absent: what suits the "
            "fringes and cells.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of the simulations.")] = 0,
    folder: RunFolder = None,
    resume: Resume = False,
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
    """Make a model that fits your microscope better, from your own recordings.

    Ctrl-C ends the learning early and keeps the best until then; --set changes how it
    learns, for example --set learning_rate=1e-4.
    """
    with command_output(json) as output:
        from napari_qpm.adaptation import adapt as adapt_model

        recordings = open_inputs(
            inputs,
            modality=modality,
            channel=channel,
            reference=reference,
            set_instrument=set_instrument,
        )
        outcome = adapt_model(
            recordings,
            name=name,
            model=model,
            minutes=minutes,
            device=device,
            scale=scale,
            seed=seed,
            overwrite=overwrite,
            settings=key_values(set_parameter),
            folder=folder,
            resume=resume,
            token=output.token,
            report=output.report,
        )
        output.result(outcome.to_dict(), outcome.describe())
