"""Phase as HDF5 that qpimage reads: a QPSeries with one group for each frame.

Lengths are in metres there. What is unknown is left out; what made the phase lies in a
group of its own, because qpimage refuses keys that it does not know.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_qpm.acquisition import PhaseMap, PhaseUnit
from napari_qpm.errors import MissingMetadataError
from napari_qpm.io.frame_log import plain
from napari_qpm.io.whole_file import whole_file

if TYPE_CHECKING:
    import h5py

__all__ = ["write_qpimage"]

OWN_GROUP = "napari-qpm"
_LAYOUT = "0.9.3"
"""Version of qpimage whose layout this is; without it, qpimage wants to write its own
even into files that it opens for reading."""
_COMPRESSION = 4
"""gzip level: a third of the time of level 9 for one percent more bytes."""


def write_qpimage(phase_map: PhaseMap, path: str | Path) -> Path:
    """Write every frame as ``qpi_N`` with its phase [rad], amplitude and facts.

    Parameters
    ----------
    phase_map
        Phase; lazy frames are computed one by one.
    path
        HDF5 file to make.

    Raises
    ------
    MissingMetadataError
        The phase has no unit, or one that only a wavelength turns into radians.
    OutputError
        The file is there already or cannot be written.
    """
    import h5py

    factor = _radians(phase_map)
    with whole_file(Path(path)) as partial, h5py.File(partial, "w") as file:
        for t in range(phase_map.n_frames):
            group = file.create_group(f"qpi_{t}")
            group.attrs.update(_facts(phase_map, t))
            phase = phase_map.read(t)
            phase = phase if factor == 1 else phase * np.float32(factor)
            amplitude = np.ones_like(phase)
            if phase_map.amplitude is not None:
                amplitude = np.asarray(phase_map.amplitude[t], np.float32)
            _write(group, "phase", phase)
            _write(group, "amplitude", amplitude)
        own = file.create_group(OWN_GROUP)
        own.attrs["record"] = json.dumps(plain(phase_map.record()))
    return Path(path)


def _radians(phase_map: PhaseMap) -> float:
    """Return the factor from the values of the map to radians."""
    match phase_map.unit:
        case PhaseUnit.RADIANS:
            return 1.0
        case PhaseUnit.WAVES:
            return 2 * np.pi
    wavelength = phase_map.acquisition.instrument.wavelength_nm
    if wavelength is None:
        name = repr(phase_map.acquisition.name)
        raise MissingMetadataError("wavelength_nm", "Phase in radians", name)
    opd = phase_map.opd_nm_per_unit("Phase in radians")
    return 2 * np.pi * opd / wavelength


def _facts(phase_map: PhaseMap, t: int) -> dict[str, Any]:
    """Return the attributes of a frame in the words and units of qpimage."""
    instrument = phase_map.acquisition.instrument
    pixel, time_s = phase_map.pixel_size_um, phase_map.acquisition.time_s(t)
    wavelength = instrument.wavelength_nm
    facts = {
        "wavelength": None if wavelength is None else wavelength * 1e-9,
        "pixel size": None if pixel is None else pixel[1] * 1e-6,
        "medium index": instrument.medium_index,
        "numerical aperture": instrument.numerical_aperture,
        "time": time_s,
        "identifier": f"{phase_map.acquisition.name} {t}",
        "software": "napari-qpm",
        "qpimage version": _LAYOUT,
    }
    return {name: value for name, value in facts.items() if value is not None}


def _write(group: "h5py.Group", name: str, image: Any) -> None:
    """Write an image as qpimage does: raw values, and no backgrounds beside them."""
    inside = group.create_group(name)
    inside.create_group("bg_data")
    dataset = inside.create_dataset(
        "raw",
        data=np.asarray(image, np.float32),
        compression="gzip",
        compression_opts=_COMPRESSION,
        fletcher32=True,
    )
    marks = {
        "CLASS": np.bytes_("IMAGE"),
        "IMAGE_VERSION": np.bytes_("1.2"),
        "IMAGE_SUBCLASS": np.bytes_("IMAGE_GRAYSCALE"),
    }
    dataset.attrs.update(marks)
