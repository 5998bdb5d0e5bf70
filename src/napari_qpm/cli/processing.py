"""Commands that process recordings: info, retrieve, segment, measure, run, export."""

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
    OutputFolder,
    Overwrite,
    PixelSize,
    Reference,
    Scheduler,
    SetInstrument,
    SetLinking,
    SetParameter,
    Wavelength,
    instrument_values,
    key_values,
)
from napari_qpm.cli.output import EXIT_FAILED, Output, command_output

if TYPE_CHECKING:
    from napari_qpm.pipeline import BatchResult, Pipeline

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add these commands to the application."""
    for command in (info, retrieve, segment, measure, run, export):
        app.command()(command)


def info(
    inputs: Inputs,
    modality: ModalityName = None,
    reference: Reference = None,
    channel: Channel = None,
    set_instrument: SetInstrument = None,
    json: Json = False,
) -> None:
    """Say what was understood of recordings, and what is missing."""
    with command_output(json) as output:
        from napari_qpm.io.describe import describe

        acquisitions = open_inputs(
            inputs,
            modality=modality,
            channel=channel,
            reference=reference,
            set_instrument=set_instrument,
        )
        records = [acquisition.record() for acquisition in acquisitions]
        text = "\n\n\n".join(map(describe, acquisitions))
        output.result({"recordings": records}, text)


def retrieve(
    inputs: Inputs,
    output_folder: OutputFolder,
    modality: ModalityName = None,
    wavelength_nm: Wavelength = None,
    pixel_size_um: PixelSize = None,
    reference: Reference = None,
    channel: Channel = None,
    engine: Engine = None,
    set_parameter: SetParameter = None,
    set_instrument: SetInstrument = None,
    stabilise: Annotated[
        bool, typer.Option(help="Keep a series at one 2 pi level.")
    ] = True,
    overwrite: Overwrite = False,
    scheduler: Scheduler = None,
    json: Json = False,
) -> None:
    """Turn raw recordings into phase."""
    with command_output(json) as output:
        pipeline = _pipeline(
            modality=modality,
            instrument=instrument_values(set_instrument, wavelength_nm, pixel_size_um),
            retrieve={"engine": engine, "parameters": key_values(set_parameter)},
            stabilise=stabilise,
            segment=None,
        )
        _run(
            output,
            pipeline,
            inputs,
            output_folder,
            reference,
            channel,
            overwrite,
            scheduler,
        )


def segment(
    inputs: Inputs,
    output_folder: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder, unless inputs are results."),
    ] = None,
    modality: ModalityName = None,
    wavelength_nm: Wavelength = None,
    pixel_size_um: PixelSize = None,
    reference: Reference = None,
    channel: Channel = None,
    engine: Engine = None,
    set_parameter: SetParameter = None,
    set_instrument: SetInstrument = None,
    overwrite: Overwrite = False,
    scheduler: Scheduler = None,
    json: Json = False,
) -> None:
    """Outline cells: in a result folder, or in recordings (then with -o)."""
    with command_output(json) as output:
        from napari_qpm.pipeline.results import extend_results, is_result

        step = {"engine": engine, "parameters": key_values(set_parameter)}
        if all(is_result(path) for path in inputs):
            pipeline = _pipeline(segment=step, measure=None)
            batch = extend_results(
                pipeline,
                inputs,
                token=output.token,
                report=output.report,
                overwrite=overwrite,
                scheduler=scheduler,
            )
            _tell(output, batch)
            return
        pipeline = _pipeline(
            modality=modality,
            instrument=instrument_values(set_instrument, wavelength_nm, pixel_size_um),
            segment=step,
            measure=None,
        )
        folder = _needed(output_folder)
        _run(output, pipeline, inputs, folder, reference, channel, overwrite, scheduler)


def measure(
    inputs: Annotated[list[Path], typer.Argument(help="Result folders with cells.")],
    set_parameter: SetParameter = None,
    link: Annotated[
        bool | None,
        typer.Option(
            help="Follow cells over time, for growth and divisions; as before if "
            "absent."
        ),
    ] = None,
    set_linking: SetLinking = None,
    json: Json = False,
) -> None:
    """Measure the cells of results that are segmented: one row a cell and frame."""
    with command_output(json) as output:
        from napari_qpm.pipeline.results import extend_results

        if link is False and set_linking:
            raise typer.BadParameter("--set-link needs --link.", param_hint="--no-link")
        linking = key_values(set_linking, "--set-link")
        pipeline = _pipeline(
            measure=key_values(set_parameter),
            link=linking if link or linking else None,
        )
        batch = extend_results(
            pipeline,
            inputs,
            only_measure=True,
            keep_links=link is None,
            token=output.token,
            report=output.report,
        )
        _tell(output, batch)


def run(
    pipeline_file: Annotated[
        Path, typer.Argument(metavar="PIPELINE.yaml", help="What to do.")
    ],
    inputs: Inputs,
    output_folder: OutputFolder,
    modality: ModalityName = None,
    wavelength_nm: Wavelength = None,
    pixel_size_um: PixelSize = None,
    reference: Reference = None,
    channel: Channel = None,
    set_instrument: SetInstrument = None,
    overwrite: Overwrite = False,
    scheduler: Scheduler = None,
    json: Json = False,
) -> None:
    """Run a pipeline on recordings; finished frames of earlier runs are kept."""
    with command_output(json) as output:
        from napari_qpm.pipeline import Pipeline

        described = Pipeline.load(pipeline_file).to_dict()
        known = instrument_values(set_instrument, wavelength_nm, pixel_size_um)
        described["instrument"] |= known
        described["modality"] = modality or described["modality"]
        pipeline = Pipeline.parse(described)
        _run(
            output,
            pipeline,
            inputs,
            output_folder,
            reference,
            channel,
            overwrite,
            scheduler,
        )


def export(
    result: Annotated[Path, typer.Argument(help="Result folder.")],
    targets: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="Phase as ….h5 (qpimage) or ….ome.tif; cells as ….tif (masks) or "
            "…_seg.npy (Cellpose).",
        ),
    ],
    json: Json = False,
) -> None:
    """Write phase or cells of a result into files that other programs read."""
    with command_output(json) as output:
        from napari_qpm.pipeline.exporting import export_result

        made = [str(path) for path in export_result(result, targets)]
        output.result({"files": made}, "\n".join(made))


def _pipeline(**values: Any) -> "Pipeline":
    from napari_qpm.pipeline import Pipeline

    return Pipeline.parse(values)


def _needed(folder: Path | None) -> Path:
    if folder is None:
        raise typer.BadParameter(
            "Say where the results go with -o FOLDER.", param_hint="--output"
        )
    return folder


def _run(
    output: Output,
    pipeline: "Pipeline",
    inputs: list[Path],
    folder: Path,
    reference: Path | None,
    channel: str | None,
    overwrite: bool,
    scheduler: str | None,
) -> None:
    from napari_qpm.pipeline import run_batch

    batch = run_batch(
        pipeline,
        inputs,
        folder,
        reference=reference,
        channel=channel,
        token=output.token,
        report=output.report,
        overwrite=overwrite,
        scheduler=scheduler,
    )
    _tell(output, batch)


def _tell(output: Output, batch: "BatchResult") -> None:
    """Give the result; recordings that failed make the exit code 1."""
    from napari_qpm.cli.wording import describe_result

    if not batch.results and len(batch.failures) == 1:
        raise batch.failures[0][1]
    values: dict[str, Any] = {
        "results": [result.summary() for result in batch.results],
        "failed": [
            {"input": str(path), "message": str(error)}
            for path, error in batch.failures
        ],
    }
    if batch.failures:
        values["message"] = batch.describe_failures()
    output.result(values, "\n".join(map(describe_result, batch.results)))
    if batch.failures:
        if not output.as_json:
            output.error(batch.describe_failures())
        raise typer.Exit(EXIT_FAILED)
