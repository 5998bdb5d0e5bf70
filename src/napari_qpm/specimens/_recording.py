"""From a scene to raw frames: one instrument a kind of sample, or the one given.

Everything passes through the forward models of `napari_qpm.physics`. A plain sample
keeps what its microscope would not know (light, gain, background) to itself.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_qpm.acquisition import (
    Acquisition,
    Instrument,
    Modality,
    PhaseUnit,
    ReferenceWave,
)
from napari_qpm.physics import (
    ChromaticBrightfield,
    coefficient_matrix,
    detector_for,
    model_for,
)
from napari_qpm.physics.legendre import legendre_surface
from napari_qpm.specimens._scenes import Scene
from napari_qpm.specimens._settings import SampleSettings
from napari_qpm.specimens.cells import blur

__all__ = ["Recorded", "record", "record_with"]

Terms = tuple[tuple[int, int, float], ...]

SETTINGS = {
    "wavelength_nm": "wavelength_nm",
    "pixel_size_um": "pixel_size_um",
    "numerical_aperture": "numerical_aperture",
    "medium_index": "medium_index",
    "frame_interval_s": "frame_interval_s",
    "visibility": "visibility",
    "handedness": "handedness",
    "polarization_layout": "layout",
    "sideband_cycles_per_px": "carrier_cycles_per_px",
}
"""Fields of an instrument, and what the settings of a sample call them."""


@dataclass(frozen=True)
class _Bench:
    """Camera and empty field of a kind of sample.

    Parameters
    ----------
    bit_depth, light, full_well_e, read_noise_e
        Of the camera; `light` is the mean over saturation.
    tilt_rad, piston_rad
        Rise of the phase to the border, in a direction of its own, and drift a frame.
    background_rad
        Legendre terms of the rest of the empty field's phase.
    """

    bit_depth: int = 12
    light: float = 0.42
    full_well_e: float = 10_500.0
    read_noise_e: float = 2.5
    tilt_rad: float = 0.0
    piston_rad: float = 0.0
    background_rad: Terms = ()


VIGNETTING: Terms = ((0, 1, 0.032), (1, 0, -0.016), (0, 2, -0.053), (2, 0, -0.053))
BENCHES = {
    Modality.POLARIZATION: _Bench(
        tilt_rad=3.0,
        piston_rad=0.25,
        background_rad=((0, 2, 0.8), (2, 0, 0.72), (1, 1, 0.18)),
    ),
    # Curvature of 6 rad at the border, and 1 rad of coma and spherical aberration.
    Modality.OFF_AXIS: _Bench(
        bit_depth=8,
        light=0.45,
        full_well_e=15_000.0,
        tilt_rad=1.5,
        piston_rad=0.25,
        background_rad=(
            *((0, 2, 4.5), (2, 0, 4.1), (1, 1, 0.9)),
            *((0, 1, 0.93), (0, 3, 0.4), (2, 1, 0.67)),
            *((2, 2, 0.44), (0, 4, 0.11), (4, 0, 0.11)),
        ),
    ),
    Modality.CHROMATIC: _Bench(full_well_e=16_000.0, read_noise_e=5.0),
    Modality.PHASE: _Bench(
        tilt_rad=0.03,
        piston_rad=0.005,
        background_rad=((0, 2, 0.013), (2, 0, 0.012), (1, 1, 0.003)),
    ),
}
PHASE_NOISE_RAD = 0.015
"""Of already retrieved phase, beside which as much again varies over some pixels."""


@dataclass(frozen=True, eq=False)
class Recorded:
    """Frames, what made them, and what of it had to be assumed."""

    acquisition: Acquisition
    instrument: Instrument
    assumed: tuple[str, ...] = ()


def record(modality: Modality, settings: SampleSettings, scene: Scene) -> Recorded:
    """Return the scene as the microscope of this kind of sample records it."""
    stated = _stated(modality, settings)
    full = _completed(modality, settings, stated)
    bench = BENCHES[modality]
    drift = torch.zeros(settings.n_frames)
    if settings.background:
        rng = np.random.default_rng([settings.seed, 1])
        way = float(rng.uniform(0, 2 * math.pi))
        tilt = (
            (0, 1, bench.tilt_rad * math.cos(way)),
            (1, 0, bench.tilt_rad * math.sin(way)),
        )
        full = full.replace(
            unevenness=VIGNETTING, background_rad=(*tilt, *bench.background_rad)
        )
        steps = rng.normal(size=settings.n_frames)
        drift = torch.from_numpy(bench.piston_rad * (2 + np.cumsum(steps))).float()
    if modality is Modality.PHASE:
        frames, empty = _phase_images(settings, scene, full, drift), None
    else:
        frames, empty = _expose(modality, settings, scene, full, drift)
    acquisition = Acquisition.from_array(frames, modality, reference=empty)
    return Recorded(acquisition.replace(instrument=stated), full)


def record_with(
    instrument: Instrument,
    modality: Modality,
    settings: SampleSettings,
    scene: Scene,
    chosen: frozenset[str],
) -> Recorded:
    """Return the scene as this instrument records it.

    Parameters
    ----------
    chosen
        Settings that were asked for: they beat the instrument. What neither states is
        that of the plain sample, and named.
    """
    overruled = {f for f, name in SETTINGS.items() if name in chosen}
    if not settings.background:
        overruled |= {"background_rad", "unevenness"}
    # The colours' foci are those of the sample's focus curve.
    overruled.add("focus_um")
    facts = instrument.to_dict()
    given = {name: value for name, value in facts.items() if name not in overruled}
    stated = _stated(modality, settings).to_dict()
    full = _completed(modality, settings, Instrument.from_dict(stated | given))
    assumed = [
        f"{name}={_plain(value)}"
        for name, value in full.to_dict().items()
        if name not in given and name not in overruled
    ]
    still = torch.zeros(settings.n_frames)
    frames, empty = _expose(modality, settings, scene, full, still)
    acquisition = Acquisition.from_array(frames, modality, reference=empty)
    note = f"Not in the instrument file, and so assumed: {', '.join(assumed)}."
    return Recorded(
        acquisition.replace(instrument=full), full, (note,) if assumed else ()
    )


def _stated(modality: Modality, s: SampleSettings) -> Instrument:
    """Return what the recording of a plain sample says of its microscope."""
    facts: dict[str, Any] = {
        "wavelength_nm": s.wavelength_nm,
        "pixel_size_um": s.pixel_size_um,
        "numerical_aperture": s.numerical_aperture,
        "medium_index": s.medium_index,
        "frame_interval_s": s.frame_interval_s,
    }
    if modality is Modality.PHASE:
        return Instrument(phase_unit=PhaseUnit.RADIANS, **facts)
    if modality is Modality.POLARIZATION:
        facts["polarization_layout"] = s.layout
        facts["handedness"] = s.handedness
        facts["reference_wave"] = ReferenceWave.SEPARATE
    if modality is Modality.CHROMATIC:
        facts["focus_um"] = _colour_focus(s)
    return Instrument(bit_depth=BENCHES[modality].bit_depth, **facts)


def _colour_focus(s: SampleSettings) -> tuple[float, ...]:
    """Return where red, green and blue focus in the medium [um], as a bead tells it."""
    model = ChromaticBrightfield(
        (16, 16),
        na=s.numerical_aperture,
        pixel_um=s.pixel_size_um,
        focus_curve_um=s.focus_curve_um,
    )
    like = torch.zeros(1, 16, 16)
    focus = (model.channel_weights(like) * model.focus_um(like)[:, None]).sum(-1)[0]
    return tuple(round(float(z) * s.medium_index, 4) for z in focus)


def _completed(modality: Modality, s: SampleSettings, known: Instrument) -> Instrument:
    """Return the instrument with everything that a simulation needs."""
    if modality is Modality.PHASE:
        return known
    bench = BENCHES[modality]
    saturation = float((1 << (known.bit_depth or bench.bit_depth)) - 1)
    needed: dict[str, Any] = {
        "dark_counts": 0.0,
        "brightness_counts": bench.light * saturation,
        "gain_e_per_count": bench.full_well_e / saturation,
        "read_noise_e": bench.read_noise_e,
    }
    if modality is not Modality.CHROMATIC:
        needed["visibility"] = s.visibility
    if modality is Modality.OFF_AXIS:
        needed["sideband_cycles_per_px"] = s.carrier_cycles_per_px
        needed["phase_sign"] = 1
    missing = {k: v for k, v in needed.items() if getattr(known, k) is None}
    return known.replace(**missing)


def _plain(value: Any) -> Any:
    return f"{value:.4g}" if isinstance(value, float) else value


def _expose(
    modality: Modality,
    s: SampleSettings,
    scene: Scene,
    instrument: Instrument,
    drift: Tensor,
) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Return raw frames ``(T, C, Y, X)``, and an empty field where one is of use.

    Parameters
    ----------
    drift
        ``(T,)`` piston of the frames [rad], on top of the instrument's background.
    """
    values: dict[str, Any] = {}
    if modality is Modality.CHROMATIC:
        values["focus_curve_um"] = s.focus_curve_um
        values["coherence_ratio"] = s.coherence_ratio
        if instrument.unevenness:
            values["unevenness"] = coefficient_matrix(instrument.unevenness)
    model = model_for(instrument, modality, s.shape, **values)
    camera = detector_for(instrument)
    kind = np.uint8 if (instrument.bit_depth or 16) <= 8 else np.uint16
    scale = 1.0 if modality is Modality.CHROMATIC else s.radians_per_um

    def expose(light: Tensor, frame: int) -> NDArray[Any]:
        if s.noise:
            counts = camera(light, _random_numbers(s.seed, frame))
        else:
            level = light + float(instrument.dark_counts or 0)
            counts = level.round().clamp(0, camera.saturation_counts)
        raw: NDArray[Any] = counts[0].numpy().astype(kind)
        return raw << instrument.bit_shift if instrument.bit_shift else raw

    frames = []
    with torch.no_grad():
        for t, opd_um in enumerate(scene.opd_um):
            # To fringes, a drifting piston is more of the object's phase.
            object_ = (opd_um * scale + drift[t])[None]
            frames.append(expose(model(object_), t + 1))
        needs_empty = modality is Modality.OFF_AXIS
        needs_empty |= instrument.reference_wave is ReferenceWave.UNSCATTERED
        if not needs_empty:
            return np.stack(frames), None
        empty = model(model.empty_field() + drift[0])
        return np.stack(frames), expose(empty, 0)


def _phase_images(
    s: SampleSettings, scene: Scene, instrument: Instrument, drift: Tensor
) -> NDArray[np.float32]:
    """Return already retrieved phase with noise and a weak residual background."""
    frames = scene.opd_um * s.radians_per_um + drift[:, None, None]
    if terms := instrument.background_rad:
        coefficients = torch.as_tensor(coefficient_matrix(terms), dtype=frames.dtype)
        frames = frames + legendre_surface(coefficients[None], frames)
    if s.noise:
        for t in range(s.n_frames):
            rng = _random_numbers(s.seed, t + 1)
            noise = torch.randn(1, *s.shape, generator=rng)
            frames[t] += PHASE_NOISE_RAD * (noise + 8 * blur(noise, 6.0))[0]
    images: NDArray[np.float32] = frames.numpy()
    return images


def _random_numbers(seed: int, frame: int) -> torch.Generator:
    """Return the random numbers of one frame."""
    (start,) = np.random.SeedSequence([seed, 2, frame]).generate_state(1)
    return torch.Generator().manual_seed(int(start))
