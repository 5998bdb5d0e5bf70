"""Commands that calibrate: a camera's pixels, and the scale on a known object."""

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
from napari_qpm.cli.options import instrument_values as values_of
from napari_qpm.cli.output import command_output

if TYPE_CHECKING:
    from napari_qpm.calibration import Bead, Step

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add these commands to the application."""
    app.command()(calibrate)
    app.command()(apply_calibration)
    app.command()(check_scale)


def calibrate(
    output_file: Annotated[
        Path, typer.Option("--output", "-o", help="Calibration (NPZ) to write.")
    ],
    dark: Annotated[
        Path | None, typer.Option("--dark", help="Recording without light.")
    ] = None,
    flat: Annotated[
        Path | None,
        typer.Option("--flat", help="Recording of even, unpolarized light."),
    ] = None,
    modality: ModalityName = None,
    json: Json = False,
) -> None:
    """Measure dark level, sensitivity and dead pixels of a camera."""
    with command_output(json) as output:
        from napari_qpm.io import open_acquisition
        from napari_qpm.io.camera_maps import CameraMaps

        recordings = [
            None if path is None else open_acquisition(path, modality=modality)
            for path in (dark, flat)
        ]
        maps = CameraMaps.measure(*recordings)
        maps.dump(output_file)
        values = {"path": str(output_file), "notes": list(maps.notes)}
        output.result(values, "\n".join([*maps.notes, "", str(output_file)]))


def apply_calibration(
    calibration: Annotated[
        Path, typer.Argument(metavar="CALIBRATION.npz", help="Made by calibrate.")
    ],
    inputs: Inputs,
    output_folder: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for corrected recordings.")
    ],
    modality: ModalityName = None,
    set_instrument: SetInstrument = None,
    json: Json = False,
) -> None:
    """Write recordings without the dark level and unevenness of their camera."""
    with command_output(json) as output:
        from napari_qpm.io import open_all
        from napari_qpm.io.camera_maps import CameraMaps
        from napari_qpm.io.recording import write_recording

        maps = CameraMaps.load(calibration)
        known: dict[str, Any] = values_of(set_instrument)
        written = []
        for path in inputs:
            for acquisition in open_all(path, modality=modality, **known):
                output.token.raise_if_cancelled()
                place = output_folder / f"{acquisition.name}.ome.zarr"
                written.append(write_recording(maps.apply(acquisition), place))
        values = {"paths": [str(path) for path in written]}
        output.result(values, "\n".join(map(str, written)))


def check_scale(
    inputs: Inputs,
    index: Annotated[
        float, typer.Option("--index", help="Refractive index of the bead or step.")
    ],
    bead_um: Annotated[
        float | None, typer.Option("--bead-um", help="Diameter of the beads [um].")
    ] = None,
    step_nm: Annotated[
        float | None, typer.Option("--step-nm", help="Height of the step [nm].")
    ] = None,
    size_sd: Annotated[
        float,
        typer.Option("--size-sd", help="Standard deviation of that size, same unit."),
    ] = 0.0,
    index_sd: Annotated[
        float, typer.Option("--index-sd", help="Standard deviation of that index.")
    ] = 0.0,
    tolerance: Annotated[
        float, typer.Option("--tolerance", help="Relative deviation that is good.")
    ] = 0.05,
    modality: ModalityName = None,
    reference: Reference = None,
    channel: Channel = None,
    engine: Engine = None,
    set_parameter: SetParameter = None,
    set_instrument: SetInstrument = None,
    json: Json = False,
) -> None:
    """Say by how much a known bead or step is measured wrong; nothing is written."""
    with command_output(json) as output:
        from napari_qpm.calibration import check_scale as check
        from napari_qpm.retrieval import retrieve

        known = _known(bead_um, step_nm, index, size_sd, index_sd)
        parameters = key_values(set_parameter)
        records, texts = [], []
        for acquisition in open_inputs(
            inputs,
            modality=modality,
            channel=channel,
            reference=reference,
            set_instrument=set_instrument,
        ):
            found = check(
                retrieve(acquisition, engine, **parameters),
                known,
                tolerance=tolerance,
                token=output.token,
                report=output.report,
            )
            records.append({"name": acquisition.name, **found.to_dict()})
            texts.append(f"{acquisition.name}\n  {found.describe()}")
        output.result({"recordings": records}, "\n\n".join(texts))


def _known(
    bead_um: float | None,
    step_nm: float | None,
    index: float,
    size_sd: float,
    index_sd: float,
) -> "Bead | Step":
    """Return the object that the options describe."""
    from napari_qpm.calibration import Bead, Step

    if bead_um is not None and step_nm is None:
        return Bead(bead_um, index, size_sd, index_sd)
    if step_nm is not None and bead_um is None:
        return Step(step_nm, index, size_sd, index_sd)
    raise typer.BadParameter(
        "Say what was recorded: either --bead-um or --step-nm.",
        param_hint="--bead-um",
    )
