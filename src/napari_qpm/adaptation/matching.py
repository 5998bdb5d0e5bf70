"""From a fitted instrument and its cells to the simulations that match them."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from napari_qpm.acquisition import Acquisition
from napari_qpm.adaptation.own_frames import LabelledFrame, Objects
from napari_qpm.checks import compare_phases, phase_at
from napari_qpm.instrument import Instrument
from napari_qpm.jobs import CancelToken
from napari_qpm.retrieval import make_phase_engine
from napari_qpm.retrieval.demodulation import Demodulator
from napari_qpm.retrieval.network_input import FrontEnd
from napari_qpm.retrieval.object_size import large_diameter
from napari_qpm.retrieval.off_axis_engine import fill_nan
from napari_qpm.training.adapt import MatchedDomain, OwnFrame
from napari_qpm.training.holograms import HologramDomain, InputKind

__all__ = ["finest_needed", "match_domain", "on_network_grid"]

MOST_LOST_RAD = 0.12
"""Of phase in cells, by the grid alone."""
WIDE_FILTER = 0.55
"""Of the classical phase on the coarse grid: all that the hologram there holds."""
FILTER_SHARE = 1 / 3
BACKGROUND_SPREAD = 1.5
"""How much more, or less, of everything than was found is simulated."""
LEAST_BACKGROUND_RAD = 0.2
FLATTENED_BACKGROUND_RAD = 3.0
"""Background that the front end may leave."""


def finest_needed(frames: Sequence[LabelledFrame], step: int) -> int:
    """Return a step at which the grid itself costs the cells nothing that matters.

    The classical phase of the hologram written on the coarse grid is compared with that
    of the camera's: steep cells need finer grids than their size asks for.
    """
    while step > 1 and _loss_of_grid(frames[0], step) > MOST_LOST_RAD:
        step -= 1
    return step


def _loss_of_grid(frame: LabelledFrame, step: int) -> float:
    """Return the difference [rad rms] in cells that a coarser grid makes."""
    acquisition = frame.acquisition
    hologram = fill_nan(acquisition.read(0))[0].astype(np.float32)
    # As for raw inputs: a reference is divided out of the hologram itself.
    seen = FrontEnd(acquisition, step, kind="raw").frame(hologram[0])
    coarse = Acquisition.from_array(
        seen.hologram,
        "off-axis",
        sideband_cycles_per_px=seen.carrier,
        phase_sign=acquisition.instrument.phase_sign,
    )
    engine = make_phase_engine(
        "fourier", grid="full", filter_radius=WIDE_FILTER, background="quadratic"
    )
    made = engine.retrieve(coarse.read(0)[None], coarse, CancelToken())
    scaled = made.replace(grid_scale=(float(step), float(step)))
    lost = compare_phases(scaled, frame.classical).inside_rms_rad
    return lost if math.isfinite(lost) else 0.0


def on_network_grid(frame: LabelledFrame, step: int, kind: str) -> OwnFrame:
    """Return a frame as the network sees it, with its classical phase.

    Parameters
    ----------
    frame
        With sideband and sign known.
    step
        Camera pixels per pixel of the network's grid.
    kind
        Input of the network, as in its spec.
    """
    acquisition = frame.acquisition
    hologram = fill_nan(acquisition.read(0))[0].astype(np.float32)[0]
    seen = FrontEnd(acquisition, step, kind=kind).frame(hologram)
    shape = (int(seen.hologram.shape[0]), int(seen.hologram.shape[1]))
    radius = FILTER_SHARE * float(np.hypot(*seen.carrier))
    demodulator = Demodulator(shape, seen.carrier, radius, full=True)
    field = demodulator.field(seen.hologram[None])[0]
    rows, columns = (
        np.exp(2j * np.pi * f * np.arange(n)).astype(np.complex64)
        for f, n in zip(seen.carrier, shape, strict=True)
    )
    return OwnFrame(
        hologram=seen.hologram,
        fringes=field * rows[:, None] * columns,
        phase=phase_at(frame.classical, 0, shape, (float(step), float(step))),
        carrier=seen.carrier,
        phase_sign=acquisition.instrument.phase_sign or 1,
        surface=seen.surface,
    )


def match_domain(
    known: Mapping[str, Any],
    instrument: Instrument,
    objects: Objects,
    frame: OwnFrame,
    step: int,
    *,
    shape: tuple[int, int],
    input_kind: str,
    range_rad: float,
) -> MatchedDomain:
    """Return the simulations of one microscope.

    Parameters
    ----------
    known
        Settings of the domain that the base model was trained on, as far as stored.
    instrument
        As fitted.
    objects
        What the classical phase shows; without any, sizes stay those of the base.
    frame
        One frame on the network's grid.
    step
        Camera pixels per pixel of that grid.
    shape
        ``(Y, X)`` of the samples.
    input_kind
        What the network sees.
    range_rad
        Phase of its output 1.
    """
    names = {f.name for f in dataclasses.fields(HologramDomain)}
    base = {n: v for n, v in known.items() if n in names}
    sign = frame.phase_sign
    carrier = (sign * frame.carrier[0], sign * frame.carrier[1])
    if input_kind == InputKind.RAW:
        carrier = _in_octant(carrier)
    period = 1 / math.hypot(*carrier)
    matched = {
        "shape": shape,
        "input": input_kind,
        "range_rad": range_rad,
        "carrier_cycles_per_px": carrier,
        "period_px": (period, period),
        "background_rad": _background(instrument, frame, shape),
    }
    matched |= _light(instrument) | _cells(objects, step, range_rad)
    return MatchedDomain(**(base | matched))


def _in_octant(carrier: tuple[float, float]) -> tuple[float, float]:
    smaller, larger = sorted(map(abs, carrier))
    return smaller, larger


def _background(
    instrument: Instrument, frame: OwnFrame, shape: tuple[int, int]
) -> tuple[float, float]:
    """Return the range of heights [rad] that a sample's part of the frame shows."""
    if frame.surface is not None:
        return LEAST_BACKGROUND_RAD, FLATTENED_BACKGROUND_RAD
    part = max(n / whole for n, whole in zip(shape, frame.hologram.shape, strict=True))
    height = 2 * sum(
        abs(value) * min(1.0, part) ** 2
        for i, j, value in instrument.background_rad
        if i + j >= 2
    )
    return LEAST_BACKGROUND_RAD, max(1.0, BACKGROUND_SPREAD * height)


def _light(instrument: Instrument) -> dict[str, Any]:
    """Return contrast and noise, as far as the fit found them."""
    found: dict[str, Any] = {}
    if instrument.visibility is not None:
        low = instrument.visibility / BACKGROUND_SPREAD
        high = instrument.visibility * BACKGROUND_SPREAD
        found["visibility"] = (max(0.02, low), min(1.0, high))
    if instrument.brightness_counts and instrument.gain_e_per_count:
        level = instrument.brightness_counts * instrument.gain_e_per_count
        found["electrons"] = (level / BACKGROUND_SPREAD, level * BACKGROUND_SPREAD)
    if instrument.read_noise_e:
        noise = instrument.read_noise_e
        found["read_noise_e"] = (noise / BACKGROUND_SPREAD, noise * BACKGROUND_SPREAD)
    if instrument.bit_depth:
        found["bit_depths"] = (instrument.bit_depth,)
    return found


def _cells(objects: Objects, step: int, range_rad: float) -> dict[str, Any]:
    """Return sizes on the network's grid, heights and shares around those found."""
    if not objects.diameters_px.size:
        return {}
    small, large = np.quantile(objects.diameters_px, (0.1, 0.9)) / step
    large = max(large, large_diameter(objects.diameters_px) / step)
    top = min(range_rad, max(1.0, BACKGROUND_SPREAD * objects.top_rad))
    share = max(objects.share, 0.02)
    return {
        "size_px": (
            max(8.0, float(small) / BACKGROUND_SPREAD),
            max(16.0, float(large) * BACKGROUND_SPREAD),
        ),
        "phase_rad": (0.3 * top, top),
        "confluence": (max(0.02, share / 3), min(0.8, 2 * share + 0.1)),
    }
