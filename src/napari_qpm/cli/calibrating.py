"""Commands around cameras: measure their pixels, take them out of recordings."""

from pathlib import Path
from typing import Annotated, Any

import typer

from napari_qpm.cli.options import Inputs, Json, ModalityName, SetInstrument
from napari_qpm.cli.options import instrument_values as values_of
from napari_qpm.cli.output import command_output

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add these commands to the application."""
    app.command()(calibrate)
    app.command()(apply_calibration)


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
