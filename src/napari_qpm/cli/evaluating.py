"""The command that says how good a model is."""

from pathlib import Path
from typing import Annotated

import typer

from napari_qpm.cli.options import Json
from napari_qpm.cli.output import command_output

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add this command to the application."""
    app.command()(evaluate)


def evaluate(
    model: Annotated[str, typer.Argument(help="An installed model; see models list.")],
    limit: Annotated[
        int | None,
        typer.Option("--limit", metavar="N", help="Only the first N frames; quick."),
    ] = None,
    rows: Annotated[
        list[str] | None,
        typer.Option(
            "--rows",
            metavar="NAME,NAME",
            help="Only these rows beside the model's, such as nothing,classical.",
        ),
    ] = None,
    latency: Annotated[
        bool, typer.Option(help="Time frames of 1024 x 1024, too.")
    ] = True,
    keep: Annotated[
        Path | None,
        typer.Option(
            "--keep",
            metavar="FILE",
            help="Store the rows of the network alone in this baselines.json, for "
            "comparisons with a network that is not shipped.",
        ),
    ] = None,
    record: Annotated[
        bool,
        typer.Option(
            "--record", help="Write the scores into the model, and its card anew."
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Score a model on its fixed held-out set, beside other methods."""
    with command_output(json) as output:
        from napari_qpm.evaluation import evaluate as run
        from napari_qpm.evaluation.baselines import keep_baseline
        from napari_qpm.evaluation.model_card import record as write_card
        from napari_qpm.evaluation.phase_evaluation import ALONE_ROW, keepable
        from napari_qpm.runtime import ModelStore

        names = [name.strip() for text in rows or () for name in text.split(",")]
        if rows and keep is not None:
            names.append(ALONE_ROW)
        evaluation = run(
            model,
            limit=limit,
            rows=[name for name in names if name] if rows else None,
            with_latency=latency,
            token=output.token,
            report=output.report,
        )
        if keep is not None:
            for row in keepable(ModelStore().model(model), evaluation):
                keep_baseline(row, keep)
        if record:
            write_card(ModelStore().model(model), evaluation)
        output.result(evaluation.to_dict(), evaluation.describe())
