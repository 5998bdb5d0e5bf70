"""Phase as OME-TIFF, with sizes, times and unit in its OME-XML.

OME has no unit for pixel values; it lies in a map annotation, where `ome_xml` finds it.
"""

from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from napari_qpm.acquisition import PhaseMap
from napari_qpm.io.ome_xml import ANNOTATION
from napari_qpm.io.whole_file import whole_file

__all__ = ["write_ome_tiff"]

_CHANNEL = "Phase2D"


def write_ome_tiff(phase_map: PhaseMap, path: str | Path) -> Path:
    """Write phase ``(T, Y, X)`` as float32 pages, and return the path.

    Parameters
    ----------
    phase_map
        Phase; lazy frames are computed one by one.
    path
        ``….ome.tif`` to make.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    n_bytes = 4 * int(np.prod(phase_map.shape))
    with (
        whole_file(Path(path)) as partial,
        tifffile.TiffWriter(partial, ome=True, bigtiff=n_bytes > 1 << 31) as writer,
    ):
        writer.write(
            (phase_map.read(t) for t in range(phase_map.n_frames)),
            shape=phase_map.shape,
            dtype=np.float32,
            compression="zlib",
            predictor=True,
            photometric="minisblack",
            metadata=_metadata(phase_map),
        )
    return Path(path)


def _metadata(phase_map: PhaseMap) -> dict[str, Any]:
    instrument = phase_map.acquisition.instrument
    pixel, interval = phase_map.pixel_size_um, instrument.frame_interval_s
    channel: dict[str, Any] = {"Name": _CHANNEL}
    if instrument.wavelength_nm is not None:
        channel["ExcitationWavelength"] = instrument.wavelength_nm
        channel["ExcitationWavelengthUnit"] = "nm"
    annotation = {"Namespace": ANNOTATION, "phase_unit": phase_map.unit.value}
    if instrument.medium_index is not None:
        annotation["medium_index"] = str(instrument.medium_index)
    metadata: dict[str, Any] = {
        "axes": "TYX",
        "Name": phase_map.acquisition.name,
        "Channel": channel,
        "MapAnnotation": annotation,
    }
    if pixel is not None:
        for axis, size in zip("YX", pixel, strict=True):
            metadata[f"PhysicalSize{axis}"] = size
            metadata[f"PhysicalSize{axis}Unit"] = "µm"
    if interval is not None:
        metadata["TimeIncrement"] = interval
        metadata["TimeIncrementUnit"] = "s"
        n_frames = range(phase_map.n_frames)
        times = [phase_map.acquisition.time_s(t) for t in n_frames]
        metadata["Plane"] = {"DeltaT": times, "DeltaTUnit": ["s"] * len(times)}
    return metadata
