"""Files of a simulated recording with its truth beside it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_qpm.errors import OutputError

if TYPE_CHECKING:
    from napari_qpm.specimens.samples import Simulation

__all__ = ["write_sample"]


def write_sample(simulation: "Simulation", folder: Path) -> Path:
    """Write the recording as a microscope would leave it, with its truth beside it.

    ``NAME.ome.tif`` holds the raw frames, ``NAME.qpm.yaml`` what is known of the
    instrument, ``NAME.reference.tif`` the empty field; the folder ``truth`` holds
    ``phase.npy``, ``labels.tif`` and ``cells.json``.

    Returns
    -------
    Path
        The file to open.
    """
    import json

    import tifffile
    import yaml

    acquisition, name = simulation.acquisition, simulation.name
    folder = Path(folder)
    frames = np.stack([acquisition.read(t) for t in range(acquisition.n_frames)])
    if frames.shape[1] == 1:
        frames = frames[:, 0]
    sidecar: dict[str, Any] = {"modality": acquisition.require_modality().value}
    sidecar.update(acquisition.instrument.to_dict())
    recording = folder / f"{name}.ome.tif"
    try:
        (folder / "truth").mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(
            recording, frames, photometric="minisblack", metadata=_ome(simulation)
        )
        if acquisition.reference is not None:
            sidecar["reference"] = f"{name}.reference.tif"
            tifffile.imwrite(folder / sidecar["reference"], acquisition.reference[0])
        text = yaml.safe_dump(sidecar, sort_keys=False)
        (folder / f"{name}.qpm.yaml").write_text(text, encoding="utf-8")
        np.save(folder / "truth" / "phase.npy", simulation.phase)
        labels = folder / "truth" / "labels.tif"
        tifffile.imwrite(
            labels, simulation.labels, photometric="minisblack", compression="zlib"
        )
        truth = json.dumps({"cells": simulation.table, "lineage": simulation.lineage})
        (folder / "truth" / "cells.json").write_text(truth, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"Cannot write the sample to {folder}: {error}.") from error
    return recording


def _ome(simulation: "Simulation") -> dict[str, Any]:
    """Return OME metadata of the raw frames."""
    instrument = simulation.acquisition.instrument
    pixel, interval = instrument.pixel_size_um, instrument.frame_interval_s
    return {
        "axes": "TYX" if simulation.acquisition.shape[1] == 1 else "TCYX",
        "PhysicalSizeX": pixel,
        "PhysicalSizeXUnit": "µm",
        "PhysicalSizeY": pixel,
        "PhysicalSizeYUnit": "µm",
        "TimeIncrement": interval,
        "TimeIncrementUnit": "s",
    }
