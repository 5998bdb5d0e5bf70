"""Scattered light of a hologram microscope, from the spectrum between the orders.

Speckle of share q of the object's light and band b around the object wave puts the
power ``q [S(f) / 2 + V^2 / 4 (S(f - c) + S(f + c))]`` into the spectrum of the relative
light, S being a Gaussian of unit volume, c the carrier and V the visibility; white
noise adds the same everywhere. Both are fitted to medians over tiles of the spectrum,
clear of the orders and of the axes, where a frame's edges leave their lines.
"""

from typing import Any

import numpy as np
import scipy.fft
import scipy.optimize
from numpy.typing import NDArray

from napari_qpm.calibration.finding import Finding, unknown
from napari_qpm.calibration.noise_spectrum import window

__all__ = ["fit_scattered_light"]

MOST_TILES = 32
LEAST_TILE_PX = 7
CLEAR_SHARE = 0.4
"""Distance from an order that is left to the specimen, over the carrier frequency."""
MIN_TILES = 40
LEAST_SIGNIFICANCE = 4.0
"""Share over its uncertainty; noise alone reaches 1.5."""
TOLERANCE = 0.3
"""Misfit, in logarithms, from which a tile is an outlier."""
NARROWEST, WIDEST = 0.01, 0.35
"""Bands [cycles/px] that can be told from an order, and from white noise."""
PARTS = 4


def fit_scattered_light(
    frame: NDArray[Any],
    carrier: tuple[float, float],
    visibility: Finding,
    dark: Finding,
) -> dict[str, Finding]:
    """Return share and band of the scattered light of a hologram ``(Y, X)``.

    Parameters
    ----------
    frame
        Raw counts; best of an empty field.
    carrier
        Of the fringes [cycles/px].
    visibility, dark
        Fringe contrast, and dark level [counts], known or not.
    """
    names = ("scattered_share", "scattered_cycles_per_px")
    if visibility.value is None:
        none = unknown("Not identifiable without the fringe contrast.")
        return dict.fromkeys(names, none)
    tiles = _Tiles.of(frame, carrier, float(visibility.value), float(dark.value or 0))
    if tiles.power.size < MIN_TILES:
        none = unknown("Not identifiable: the orders fill the spectrum.")
        return dict.fromkeys(names, none)
    everything = np.ones(tiles.power.size, bool)
    found, misfit = tiles.fit(everything)
    numbers = np.arange(tiles.power.size) * 7 % PARTS
    # In logarithms: strength and band are as uncertain as they are large.
    parts = np.log([tiles.fit(numbers != part)[0][1:] for part in range(PARTS)])
    errors = np.std(parts, axis=0) * np.sqrt(PARTS - 1)
    if errors[0] * LEAST_SIGNIFICANCE > 1:
        none = unknown(
            "Not seen: between the orders the spectrum is as flat as white noise."
        )
        return dict.fromkeys(names, none)
    how = (
        f"Light between the orders in {tiles.power.size} tiles of the spectrum; misfit "
        f"{misfit:.2f} decades, {tiles.misfit_of_noise():.2f} without it. Fine detail "
        "of a specimen, if any, is part of it."
    )
    return {
        name: Finding(float(value), float(max(error, 0.05) * value), how)
        for name, value, error in zip(names, found[1:], errors, strict=True)
    }


class _Tiles:
    """Typical power of tiles of a frame's spectrum, and where they lie.

    Parameters
    ----------
    frequency
        ``(n, 2)`` middle of each tile [cycles/px].
    power
        ``(n,)`` over that of white noise of variance 1.
    carrier, visibility
        Of the fringes.
    """

    def __init__(
        self,
        frequency: NDArray[np.float64],
        power: NDArray[np.float64],
        carrier: tuple[float, float],
        visibility: float,
    ):
        self.frequency = frequency
        self.power = power
        self.carrier = np.asarray(carrier)
        self.visibility = visibility

    @classmethod
    def of(
        cls,
        frame: NDArray[Any],
        carrier: tuple[float, float],
        visibility: float,
        dark: float,
    ) -> "_Tiles":
        """Return the tiles of the half plane that are clear of all orders."""
        image = np.asarray(frame, np.float32)
        weights = window(image.shape)
        relative = (image - dark) / max(float(image.mean()) - dark, 1e-6) - 1
        power = np.abs(scipy.fft.fft2(relative * weights)) ** 2
        power /= float((weights**2).sum())
        count = min(MOST_TILES, min(image.shape) // LEAST_TILE_PX)
        rows, columns = (
            np.floor((scipy.fft.fftfreq(n) + 0.5) * count).astype(int)
            for n in image.shape
        )
        middles = (np.arange(count) + 0.5) / count - 0.5
        places, values = [], []
        for i in range(count):
            for j in range(count // 2, count):
                tile = power[np.ix_(rows == i, columns == j)]
                places.append((middles[i], middles[j]))
                # Noise power is exponential: its median is ln 2 of the mean.
                values.append(float(np.median(tile)) / np.log(2))
        frequency, typical = np.array(places), np.array(values)
        keep = _is_clear(frequency, np.asarray(carrier), 1 / count) & (typical > 0)
        return cls(frequency[keep], typical[keep], carrier, visibility)

    def model(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the power for white noise, share and band."""
        noise, share, band = values
        around = [_unit_gaussian(self.frequency, band)]
        for side in (1, -1):
            moved = self.frequency - side * self.carrier
            around.append(self.visibility**2 / 2 * _unit_gaussian(moved, band))
        return np.asarray(noise + share / 2 * sum(around))

    def fit(self, use: NDArray[np.bool_]) -> tuple[NDArray[np.float64], float]:
        """Return white noise, share and band, and the misfit [decades]."""
        target = np.log(self.power[use])
        quiet, typical = np.quantile(self.power[use], (0.02, 0.5))
        low = np.log([quiet / 3, 1e-9, NARROWEST])
        high = np.log([10 * typical, 10.0, WIDEST])

        def misfit(logarithms: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.asarray(np.log(self.model(np.exp(logarithms))[use]) - target)

        best = None
        for band in (0.05, 0.1, 0.2):
            share = max(float(np.quantile(self.power[use], 0.9)), 1e-8) * band**2 * 12
            start = np.clip(np.log([typical, share, band]), low + 1e-3, high - 1e-3)
            one = scipy.optimize.least_squares(
                misfit, start, bounds=(low, high), loss="soft_l1", f_scale=TOLERANCE
            )
            best = one if best is None or one.cost < best.cost else best
        assert best is not None
        return np.exp(best.x), _spread(misfit(best.x))

    def misfit_of_noise(self) -> float:
        """Return the misfit [decades] of white noise alone."""
        logarithms = np.log(self.power)
        return _spread(logarithms - np.median(logarithms))


def _is_clear(
    frequency: NDArray[np.float64], carrier: NDArray[np.float64], tile: float
) -> NDArray[np.bool_]:
    """Return which tiles are clear of the orders, their harmonics and the axes."""
    nearest = CLEAR_SHARE * float(np.hypot(*carrier)) + tile / 2
    is_clear = (np.abs(frequency) > 0.6 * tile).all(axis=1)
    for order in (-2, -1, 0, 1, 2):
        away = (frequency - order * carrier + 0.5) % 1 - 0.5
        is_clear &= np.hypot(*away.T) > nearest
    return np.asarray(is_clear)


def _unit_gaussian(frequency: NDArray[np.float64], band: float) -> NDArray[np.float64]:
    """Return a Gaussian of unit volume on the periodic plane of frequencies."""
    near = (frequency + 0.5) % 1 - 0.5
    total = np.zeros(len(near))
    for i in (-1, 0, 1):
        for j in (-1, 0, 1):
            squared = ((near + np.array((i, j))) ** 2).sum(axis=1)
            total += np.exp(-squared / (2 * band**2))
    return np.asarray(total / (2 * np.pi * band**2))


def _spread(misfit: NDArray[np.float64]) -> float:
    """Return the rms [decades] of natural logarithms."""
    return float(np.sqrt(np.mean(misfit**2)) / np.log(10))
