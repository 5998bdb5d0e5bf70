"""Kind of a recording, found from what one frame looks like.

The averaged power spectrum of small tiles decides: a polarization mosaic beats at half
the sampling frequency along one axis (never along both at once), a hologram has exactly
one carrier, crossed fringes have several. Working on tiles makes curved fringes,
cells and blank corners harmless.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from napari_qpm.acquisition import Modality
from napari_qpm.io.colour_mosaic import Levels, colour_levels, levelled

__all__ = ["SONY_LAYOUT", "Detection", "detect_modality", "four_angle_layout"]

SONY_LAYOUT = (90, 45, 135, 0)
"""Reading order of the 2x2 cell of the Sony IMX250MZR and its relatives."""
READY_LAYOUT = (0, 45, 90, 135)
"""Usual order of images that were taken apart already."""

_CROP = 1024
_DC_RADIUS = 0.07
"""Below this frequency [cycles/px] lie the objects themselves."""
_LOWEST_CARRIER = 0.09
_PEAK_RADIUS = 0.065
_HOLOGRAM_SHARE = 0.55
_SECOND_PEAK = 0.25
_MOSAIC_SHARE = 0.1
_BAYER_BOTH = 0.003
_BAYER_RATIO = 0.02
_FRINGE_SHARE = 0.1
"""Fringes make at least this share of what varies within a tile; in smooth pictures
even the pattern of their outlines does not."""
_MOST_NOISE = 0.93
"""Above this share of white noise, what is left of the spectrum means nothing."""


@dataclass(frozen=True)
class Detection:
    """What a frame looks like.

    Parameters
    ----------
    modality
        `None` when nothing speaks clearly.
    reason
        One sentence for the user.
    carrier
        ``(fy, fx)`` of the fringes of a hologram [cycles/px], to about 0.01.
    layout
        Polarizer angles to assume for polarization data.
    colour_levels
        Of a colour polarization sensor, see `colour_mosaic`.
    confidence
        0 to 1: share of the fine structure of the frame that fits.
    """

    modality: Modality | None
    reason: str
    carrier: tuple[float, float] | None = None
    layout: tuple[int, int, int, int] | None = None
    colour_levels: Levels | None = None
    confidence: float = 0.0


@dataclass(frozen=True)
class _Peak:
    """A peak of the spectrum and the share of fine structure around it."""

    fy: float
    fx: float
    share: float


def detect_modality(frame: NDArray[Any]) -> Detection:
    """Return what kind of recording a raw frame ``(C, Y, X)`` comes from.

    Parameters
    ----------
    frame
        One frame as the file holds it; a copy in float32 of its centre is examined.
    """
    n_channels = frame.shape[0]
    if n_channels == 4:
        return _detect_angles(frame)
    if n_channels == 3:
        return Detection(
            Modality.CHROMATIC,
            "It has three different colour channels.",
            confidence=0.6,
        )
    if n_channels != 1:
        return Detection(None, f"It has {n_channels} channels, which no kind expects.")
    return _detect_single(frame[0])


def _detect_single(image: NDArray[Any]) -> Detection:
    centre = _centre(image)
    finite = np.isfinite(centre)
    if not finite.all():
        fill = float(centre[finite].mean()) if finite.any() else 0.0
        centre = np.where(finite, centre, np.float32(fill))
    if min(centre.shape) < 32:
        return Detection(None, "The frame is too small to recognise its kind.")
    if float(centre.max()) == float(centre.min()):
        return Detection(None, "The first frame is blank.")
    colours = _find_colour_mosaic(image)
    if colours is not None:
        return colours
    spectrum = _TileSpectrum(centre)
    has_pattern = spectrum.noise < _MOST_NOISE
    found = _find_interference(centre, spectrum) if has_pattern else None
    if found is not None:
        return found
    if image.dtype.kind == "f" and not _is_counts(centre):
        return Detection(
            Modality.PHASE,
            "Floating-point values without fringes or mosaic: retrieved phase.",
            confidence=0.6,
        )
    return Detection(
        None, "It shows neither a polarizer mosaic nor one clear set of fringes."
    )


def _find_colour_mosaic(image: NDArray[Any]) -> Detection | None:
    """Return a colour sensor behind polarizers: a mosaic once its colours are level."""
    centre = _centre(image, step=4)
    levels = colour_levels(centre)
    if levels is None or not np.isfinite(centre).all():
        return None
    spectrum = _TileSpectrum(levelled(centre, levels))
    mosaic = _find_mosaic(spectrum) if spectrum.noise < _MOST_NOISE else 0.0
    if not mosaic or _is_bayer(centre, spectrum):
        return None
    return Detection(
        Modality.POLARIZATION,
        "Blocks of 2x2 polarizers alternate in colour.",
        layout=SONY_LAYOUT,
        colour_levels=levels,
        confidence=mosaic,
    )


def _find_interference(
    centre: NDArray[np.float32], spectrum: "_TileSpectrum"
) -> Detection | None:
    """Return what mosaic or fringes a spectrum shows; a mosaic with fringes is one."""
    mosaic = _find_mosaic(spectrum)
    if mosaic > 0 and _is_bayer(centre, spectrum):
        return Detection(
            None,
            "It looks like the raw mosaic of a colour camera (Bayer), not of a "
            "polarization camera.",
        )
    if mosaic > 0:
        return Detection(
            Modality.POLARIZATION,
            "Neighbouring pixels alternate like behind a 2x2 polarizer mosaic.",
            layout=SONY_LAYOUT,
            confidence=mosaic,
        )
    if spectrum.fine_share < _FRINGE_SHARE:
        return None
    first, second = spectrum.peaks(2)
    if (
        first.share >= _HOLOGRAM_SHARE
        and second.share <= _SECOND_PEAK * first.share
        and np.hypot(first.fy, first.fx) >= _LOWEST_CARRIER
    ):
        period = 1 / float(np.hypot(first.fy, first.fx))
        return Detection(
            Modality.OFF_AXIS,
            f"One set of fringes, {period:.1f} px apart, covers the frame.",
            carrier=(first.fy, first.fx),
            confidence=min(1.0, first.share),
        )
    if _are_crossed(first, second):
        return Detection(
            None,
            "Crossed fringes cover the frame, as in shearing interferometry (QLSI), "
            "which cannot be retrieved yet.",
        )
    return None


def _centre(image: NDArray[Any], step: int = 2) -> NDArray[np.float32]:
    """Return the central crop, at multiples of `step`: a mosaic keeps its order."""
    y, x = (max(0, (size - _CROP) // (2 * step) * step) for size in image.shape)
    return image[y : y + _CROP, x : x + _CROP].astype(np.float32)


def _is_counts(image: NDArray[np.float32]) -> bool:
    """Whether floats are camera counts or labels: whole and not negative."""
    return bool(image.min() >= 0 and np.array_equal(image, np.rint(image)))


class _TileSpectrum:
    """Mean power spectrum of windowed tiles, each scaled to its own fine structure.

    Parameters
    ----------
    image
        ``(Y, X)`` float32, finite.
    """

    def __init__(self, image: NDArray[np.float32]):
        from scipy import fft

        size = 64 if min(image.shape) >= 192 else 32
        step = size if min(image.shape) >= 512 else size // 2
        tiles = sliding_window_view(image, (size, size))[::step, ::step]
        tiles = tiles.reshape(-1, size, size)
        window = np.hanning(size + 2)[1:-1].astype(np.float32)
        tiles = (tiles - tiles.mean((1, 2), keepdims=True)) * np.outer(window, window)
        power = np.abs(fft.rfft2(tiles)) ** 2
        self.fy = fft.fftfreq(size)[:, None]
        self.fx = fft.rfftfreq(size)[None]
        is_fine = np.hypot(self.fy, self.fx) > _DC_RADIUS
        # rfft2 leaves out one of each pair of conjugate frequencies.
        pairs = np.full(self.fx.shape, 2.0, np.float32)
        pairs[0, [0, -1]] = 1
        everything = float((power * pairs).sum())
        power *= is_fine * pairs
        total = power.sum((1, 2))
        self.fine_share = float(total.sum()) / max(everything, 1e-30)
        has_structure = total > 1e-6 * max(float(total.max()), 1e-30)
        share = (power[has_structure] / total[has_structure, None, None]).mean(0)
        # White noise is no structure: take its floor away before judging shares.
        floor = np.median(share[is_fine] / np.broadcast_to(pairs, share.shape)[is_fine])
        self.noise = float(np.clip(floor * (pairs * is_fine).sum(), 0, 1))
        cleaned = np.clip(share - floor * pairs * is_fine, 0, None)
        self.power = cleaned / max(float(cleaned.sum()), 1e-30)
        self.size = size

    def share_near(self, fy: float, fx: float) -> float:
        """Return the share of the power around a frequency and its conjugate."""
        return float(self.power[self._near(fy, fx)].sum())

    def _near(self, fy: float, fx: float) -> NDArray[np.bool_]:
        near = np.zeros(self.power.shape, bool)
        for sign in (1, -1):
            dy = (self.fy - sign * fy + 0.5) % 1 - 0.5
            dx = (self.fx - sign * fx + 0.5) % 1 - 0.5
            near |= np.hypot(dy, dx) <= _PEAK_RADIUS
        return near

    def peaks(self, n: int) -> list[_Peak]:
        """Return the `n` strongest peaks, without overlap, refined below a bin."""
        left, found = self.power.copy(), []
        for _ in range(n):
            row, column = np.unravel_index(int(left.argmax()), left.shape)
            fy, fx = float(self.fy[row, 0]), float(self.fx[0, column])
            near = self._near(fy, fx)
            share = float(left[near].sum())
            refined = self._centroid(int(row), int(column))
            found.append(_Peak(*refined, share))
            left[near] = 0
        return found

    def _centroid(self, row: int, column: int) -> tuple[float, float]:
        """Return the centre of mass of the 3x3 bins around a peak [cycles/px]."""
        offsets = np.arange(-1, 2)
        rows, columns = (row + offsets) % self.size, column + offsets
        inside = (columns >= 0) & (columns < self.power.shape[1])
        box = self.power[np.ix_(rows, columns[inside])]
        weight = max(float(box.sum()), 1e-30)
        dy = float((box.sum(1) * offsets).sum()) / weight
        dx = float((box.sum(0) * offsets[inside]).sum()) / weight
        fy = float(self.fy[row, 0]) + dy / self.size
        return fy, float(self.fx[0, column]) + dx / self.size


def _find_mosaic(spectrum: _TileSpectrum) -> float:
    """Return the confidence that a frame is a 2x2 polarizer mosaic, 0 for no.

    Behind the polarizers I = a - b / sqrt(2) [(-1)^x cos(phi + pi/4) + (-1)^y
    cos(phi - pi/4)]: peaks at (0, 1/2) and (1/2, 0), none at (1/2, 1/2). A tilt of phi
    moves both by its carrier, so that they stay (1/2, 1/2) apart.
    """
    along_x = spectrum.share_near(0, 0.5)
    along_y = spectrum.share_near(0.5, 0)
    both = spectrum.share_near(0.5, 0.5)
    share = along_x + along_y - 2 * both
    if share >= _MOSAIC_SHARE and min(along_x, along_y) >= 1.5 * both + 0.01:
        return min(1.0, 2 * share)
    first, second = spectrum.peaks(2)
    tolerance = 2.5 / spectrum.size
    if first.share + second.share < _HOLOGRAM_SHARE or second.share < 0.5 * first.share:
        return 0.0
    for sign in (1, -1):
        dy = abs(first.fy - sign * second.fy) % 1 - 0.5
        dx = abs(first.fx - sign * second.fx) % 1 - 0.5
        if np.hypot(dy, dx) <= tolerance:
            return min(1.0, first.share + second.share)
    return 0.0


def _is_bayer(centre: NDArray[np.float32], spectrum: _TileSpectrum) -> bool:
    """Whether one diagonal of each 2x2 cell holds the same colour, green, twice.

    Behind polarizers both diagonals differ, and nothing alternates along both axes.
    """
    if spectrum.share_near(0.5, 0.5) < _BAYER_BOTH:
        return False
    y, x = (size // 8 * 8 for size in centre.shape)
    cells = centre[:y, :x].reshape(y // 8, 4, 2, x // 8, 4, 2).mean((1, 4))
    falling = np.square(cells[:, 1, :, 1] - cells[:, 0, :, 0]).mean()
    rising = np.square(cells[:, 1, :, 0] - cells[:, 0, :, 1]).mean()
    return bool(min(falling, rising) < _BAYER_RATIO * max(falling, rising))


def _are_crossed(first: _Peak, second: _Peak) -> bool:
    """Whether two equally strong sets of fringes cross at a large angle."""
    radii = np.hypot(first.fy, first.fx), np.hypot(second.fy, second.fx)
    if min(radii) < _LOWEST_CARRIER or second.share < 0.5 * first.share:
        return False
    if first.share + second.share < _HOLOGRAM_SHARE:
        return False
    cosine = abs(first.fy * second.fy + first.fx * second.fx) / (radii[0] * radii[1])
    return bool(cosine < 0.7)


def four_angle_layout(images: NDArray[Any]) -> tuple[int, int, int, int] | None:
    """Return the order of angles that four images ``(4, Y, X)`` fit, or `None`.

    Opposite angles add up to the same intensity, I0 + I90 = I45 + I135, while each pair
    differs. Only the pairing can be seen: (0, 45, 90, 135) stands for every order with
    opposite angles two apart, (90, 45, 135, 0) for those of a Sony cell.
    """
    centre = np.stack([_centre(image) for image in images])
    centre = np.nan_to_num(centre)
    for layout, (a, b, c, d) in (
        (READY_LAYOUT, (0, 2, 1, 3)),
        (SONY_LAYOUT, (0, 3, 1, 2)),
    ):
        imbalance = centre[a] + centre[b] - centre[c] - centre[d]
        contrast = (centre[a] - centre[b]) ** 2 + (centre[c] - centre[d]) ** 2
        if np.square(imbalance).mean() < 0.25 * contrast.mean():
            return layout
    return None


def _detect_angles(frame: NDArray[Any]) -> Detection:
    layout = four_angle_layout(frame)
    if layout is None:
        return Detection(
            None,
            "It has four channels, but they do not add up like polarizer angles "
            "(I0 + I90 = I45 + I135).",
        )
    return Detection(
        Modality.POLARIZATION,
        "Its four channels add up like polarizer angles (I0 + I90 = I45 + I135).",
        layout=layout,
        confidence=0.9,
    )
