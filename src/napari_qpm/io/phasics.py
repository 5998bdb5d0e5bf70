"""Phase images of Phasics cameras: TIFF files ``SID PHA….tif`` of three pages.

Page 0 is the intensity, page 1 the phase in waves, page 2 that in nm. The last two come
from different recordings; page 1 belongs to the intensity and is the one read. Its
integers span the range that private tags state.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_qpm.acquisition import Modality, PhaseUnit
from napari_qpm.errors import FileFormatError
from napari_qpm.io.field import RawField
from napari_qpm.io.tiff_pages import PARSE_ERRORS, quiet_parser
from napari_qpm.io.units import positive

__all__ = ["PhasicsSource", "is_phasics", "read_phasics"]

_XML, _MAXIMUM, _MINIMUM, _MAX_SAMPLE = 61238, 61242, 61243, 281
_WAVES = 1
_WAVELENGTH = re.compile(
    r"<[^<>]*>\s*lambda\s*\(nm\)\s*</[^<>]*>\s*<[^<>]*>\s*([\d.,eE+-]+)", re.IGNORECASE
)


def is_phasics(tif: tifffile.TiffFile) -> bool:
    """Return whether an open TIFF holds the three pages of a Phasics camera."""
    first: Any = tif.pages[0]
    return (
        all(tag in first.tags for tag in (_XML, _MAXIMUM, _MINIMUM))
        and len(tif.pages) == 3
    )


class PhasicsSource:
    """The phase image of a Phasics file, in waves.

    Parameters
    ----------
    path
        The file.
    shape
        ``(Y, X)``.
    """

    def __init__(self, path: Path, shape: tuple[int, int]):
        self._path = path
        self._size = shape

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """``(T, C, Y, X)``."""
        return 1, 1, *self._size

    @property
    def dtype(self) -> np.dtype[Any]:
        """Always float32."""
        return np.dtype(np.float32)

    def read(self, t: int) -> NDArray[Any]:
        """Return the frame as ``(C, Y, X)``."""
        try:
            with quiet_parser(), tifffile.TiffFile(self._path) as tif:
                page: Any = tif.pages.get(_WAVES, aspage=True)
                low, high, most = _scale(page)
                pixels = page.asarray()
            waves = pixels * ((high - low) / most if most else 0.0) + low
            return np.asarray(waves, np.float32).reshape(1, *self._size)
        except PARSE_ERRORS as error:
            raise FileFormatError(
                f"The phase image of {self._path} cannot be read ({error}). The file "
                "is damaged; copy it again."
            ) from error


def _scale(page: Any) -> tuple[float, float, float]:
    """Return the waves at 0 and at the highest sample, and that sample."""
    low, high, most = (
        float(page.tags[tag].value) for tag in (_MINIMUM, _MAXIMUM, _MAX_SAMPLE)
    )
    if not np.isfinite([low, high, most]).all():
        raise ValueError(f"its range is {low} to {high}")
    return low, high, most


def read_phasics(path: Path, tif: tifffile.TiffFile) -> list[RawField]:
    """Return the one field of view of a Phasics file."""
    page: Any = tif.pages.get(_WAVES, aspage=True)
    _scale(page)
    if page.ndim != 2 or 0 in page.shape:
        raise FileFormatError(
            f"{path} holds a phase image of shape {page.shape}; (Y, X) is expected. "
            "Export it again."
        )
    first: Any = tif.pages[0]
    instrument: dict[str, Any] = {"phase_unit": PhaseUnit.WAVES}
    notes = []
    wavelength = _wavelength(first.tags[_XML].value)
    if wavelength is None:
        notes.append(
            "The file does not state the wavelength that makes its waves nanometres."
        )
    else:
        instrument["wavelength_nm"] = wavelength
    return [
        RawField(
            source=PhasicsSource(path, (int(page.shape[0]), int(page.shape[1]))),
            reader="Phasics",
            instrument=instrument,
            notes=tuple(notes),
            modality=Modality.PHASE,
        )
    ]


def _wavelength(text: Any) -> float | None:
    """Return the wavelength [nm] from the settings, which are almost XML."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    match = _WAVELENGTH.search(str(text))
    return None if match is None else positive(match[1].replace(",", "."))
