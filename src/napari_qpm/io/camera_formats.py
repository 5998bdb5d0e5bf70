"""Pixel formats of polarization cameras, as their programs put them in file names.

GenICam names such as ``PolarizedAngles_0d_45d_90d_135d_Mono8`` say what the channels
are. Images that the camera derived (Stokes, degree and angle of polarization) are
quantised: they can be looked at, but are no measurement.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from napari_qpm.acquisition import Modality

__all__ = ["CameraFormat", "camera_format"]

_ANGLES = re.compile(r"polarized?angles?_((?:\d+d_?){4})|polar4_12", re.IGNORECASE)
_DERIVED = re.compile(
    r"polarized?_?(stokes|dolp|aolp)|(?<![a-z])(stokes4?|dolp|aolp|hsv4)(?![a-z])",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class CameraFormat:
    """What the name of a file says of its pixels.

    Parameters
    ----------
    modality
        Kind of recording, when the name states it.
    layout
        Polarizer angles of the channels.
    note
        For the user; empty when there is nothing to say.
    """

    modality: Modality | None = None
    layout: tuple[int, ...] | None = None
    note: str = ""


def camera_format(path: Path, n_channels: int) -> CameraFormat | None:
    """Return what the name of a file of `n_channels` channels says, if anything."""
    name = path.stem
    match = _ANGLES.search(name)
    if match is not None and n_channels == 4:
        angles = tuple(int(a) for a in re.findall(r"\d+", match[1] or "0_45_90_135"))
        if sorted(angles) == [0, 45, 90, 135]:
            note = f"The file name says that the camera stored {match[0].rstrip('_')}."
            return CameraFormat(Modality.POLARIZATION, angles, note)
    derived = _DERIVED.search(name)
    if derived is None:
        return None
    kind = derived[1] or derived[2]
    return CameraFormat(
        note=f"The file name says that the camera derived this image ({kind}). It is "
        "rounded to few grey levels, so no phase or dry mass is taken from it: record "
        "the raw mosaic, or the four angles."
    )
