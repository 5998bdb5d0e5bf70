"""Commands around instruments: fit one to recordings, simulate with one."""

import json as json_module
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_qpm.cli.inputs import open_inputs
from napari_qpm.cli.options import (
    Channel,
    Inputs,
    Json,
    ModalityName,
    Reference,
    SetInstrument,
    SetParameter,
    key_values,
)
from napari_qpm.cli.output import command_output

if TYPE_CHECKING:
    from napari_qpm.calibration import InstrumentFit
    from napari_qpm.specimens import Simulation

__all__ = ["fit_instrument", "simulate"]


class SampleFormat(StrEnum):
    """How a simulated recording is written."""

    OME_ZARR = "ome-zarr"
    """OME-Zarr 0.5, truth included."""
    TIFF = "tiff"
    """OME-TIFF, truth as NumPy and TIFF files."""


def fit_instrument(
    inputs: Inputs,
    output_file: Annotated[
        Path, typer.Option("--output", "-o", help="Instrument file (YAML) to write.")
    ],
    dark: Annotated[
        Path | None, typer.Option("--dark", help="Recording without light.")
    ] = None,
    modality: ModalityName = None,
    reference: Reference = None,
    channel: Channel = None,
    set_instrument: SetInstrument = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing file.")
    ] = False,
    json: Json = False,
) -> None:
    """Find out what a simulation of your microscope needs, from its own recordings."""
    with command_output(json) as output:
        from napari_qpm.calibration import fit_instrument as fit
        from napari_qpm.errors import OutputError
        from napari_qpm.instrument_file import dump_instrument
        from napari_qpm.io import open_acquisition

        if output_file.exists() and not overwrite:
            raise OutputError(
                f"{output_file} exists. Choose another name, or replace it with "
                "--overwrite."
            )
        recordings = open_inputs(
            inputs,
            modality=modality,
            channel=channel,
            reference=reference,
            set_instrument=set_instrument,
        )
        without_light = None
        if dark is not None:
            without_light = open_acquisition(dark, modality=recordings[0].modality)
        found = fit(recordings, output.token, output.report, dark=without_light)
        names = ", ".join(recording.name for recording in recordings)
        dump_instrument(
            found.instrument,
            output_file,
            comments=_remarks(found),
            title=f"Instrument, fitted by napari-qpm to {names}",
        )
        values = {"path": str(output_file), **found.summary()}
        output.result(values, f"{found.describe()}\n\n{output_file}")


def simulate(
    kind: Annotated[
        str, typer.Argument(help="polarization, off-axis, chromatic or phase.")
    ],
    output_folder: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for recording and truth.")
    ],
    instrument: Annotated[
        Path | None,
        typer.Option("--instrument", help="Instrument file: simulate that microscope."),
    ] = None,
    file_format: Annotated[
        SampleFormat, typer.Option("--format", help="Files of recording and truth.")
    ] = SampleFormat.OME_ZARR,
    set_parameter: SetParameter = None,
    json: Json = False,
) -> None:
    """Write a simulated recording with its truth; --set takes seed, n_frames, …."""
    with command_output(json) as output:
        from napari_qpm.cli.catalogue import sample_values
        from napari_qpm.instrument_file import load_instrument
        from napari_qpm.specimens import simulate as simulate_sample
        from napari_qpm.specimens import write_sample

        options = sample_values(key_values(set_parameter))
        microscope = None if instrument is None else load_instrument(instrument)
        simulation = simulate_sample(kind, instrument=microscope, **options)
        if file_format is SampleFormat.TIFF:
            path = write_sample(simulation, output_folder)
        else:
            path = _write_zarr(simulation, output_folder)
        acquisition = simulation.acquisition
        values = {
            "path": str(path),
            "n_frames": acquisition.n_frames,
            "notes": list(acquisition.notes),
        }
        notes = "".join(f"\n  note: {note}" for note in acquisition.notes)
        output.result(values, f"{simulation.title}: {path}{notes}")


def _remarks(fit: "InstrumentFit") -> dict[str, str]:
    """Return what the instrument file says about each value, or why there is none."""
    remarks, known = {}, fit.instrument.to_dict()
    for name, finding in fit.report.items():
        text = finding.how
        if not finding.is_known:
            text = f"unknown. {text}"
        elif finding.uncertainty is not None or name not in known:
            text = f"{finding.describe()}. {text}"
        remarks[name] = text
    return remarks


def _write_zarr(simulation: "Simulation", folder: Path) -> Path:
    """Write ``NAME.ome.zarr`` with its sidecar, and the truth beside it.

    ``truth/phase.ome.zarr`` holds phase and labels, ``truth/cells.json`` the cells.
    """
    from napari_qpm.errors import OutputError
    from napari_qpm.io.ome_zarr import ResultStore
    from napari_qpm.io.recording import write_recording

    acquisition, truth = simulation.acquisition, folder / "truth"
    path = write_recording(acquisition, folder / f"{simulation.name}.ome.zarr")
    pixel = acquisition.instrument.pixel_size_um
    record: dict[str, Any] = {
        "acquisition": acquisition.record(),
        "history": [step.to_dict() for step in acquisition.history],
    }
    store = ResultStore.open(
        truth / "phase.ome.zarr",
        shape=simulation.phase.shape,
        pixel_size_um=None if pixel is None else (pixel, pixel),
        frame_interval_s=acquisition.instrument.frame_interval_s,
        record=record,
    )
    for t, (phase, labels) in enumerate(
        zip(simulation.phase, simulation.labels, strict=True)
    ):
        store.write_phase(t, phase, {})
        store.write_labels(t, labels)
    store.finalise(record)
    cells = {"cells": simulation.table, "lineage": simulation.lineage}
    try:
        text = json_module.dumps(cells)
        (truth / "cells.json").write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"Cannot write the truth to {truth}: {error}.") from error
    return path
