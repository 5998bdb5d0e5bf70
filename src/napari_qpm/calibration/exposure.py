"""Simulated recordings as one instrument would make them."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_qpm.acquisition import Acquisition, Modality, ReferenceWave
from napari_qpm.instrument import Instrument
from napari_qpm.provenance import Step

if TYPE_CHECKING:
    from torch import Tensor

    from napari_qpm.specimens import Simulation

__all__ = ["simulate_with"]

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
ASSUMED_LIGHT = 0.42
"""Mean light over saturation, when the instrument does not state its brightness."""
ASSUMED_FULL_WELL_E = 10_500.0
"""Electrons of a saturated pixel, when the instrument does not state its gain."""


def simulate_with(instrument: Instrument, kind: str, **options: Any) -> "Simulation":
    """Return a simulated recording of this kind as the instrument would make it.

    Parameters
    ----------
    instrument
        What it does not know is that of the plain sample, and named in the notes of the
        acquisition.
    kind, options
        As for `napari_qpm.specimens.simulate`; an option beats the instrument.

    Raises
    ------
    UnknownNameError
        There is no such kind or option.
    """
    import dataclasses

    from napari_qpm.specimens import simulate

    stated = instrument.to_dict()
    known = {s: stated[f] for f, s in SETTINGS.items() if f in stated}
    tuples = {k: tuple(v) if isinstance(v, list) else v for k, v in known.items()}
    simulation = simulate(kind, **{**tuples, **options})
    recording = simulation.acquisition
    if recording.require_modality() is Modality.PHASE:
        return simulation
    overruled = {f for f, s in SETTINGS.items() if s in options}
    given = {k: v for k, v in stated.items() if k not in overruled}
    if not simulation.settings.background:
        for name in ("background_rad", "unevenness"):
            given.pop(name, None)
    full, assumed = _completed(recording, given, overruled, simulation.settings)
    exposed = _exposed(simulation, full)
    step = Step(
        name="simulate",
        engine=kind,
        parameters=dataclasses.asdict(simulation.settings),
        inputs={"instrument": full.to_dict()},
    )
    notes = [*recording.notes, *assumed]
    return dataclasses.replace(
        simulation,
        acquisition=exposed.replace(history=(step,), notes=tuple(notes)),
    )


def _completed(
    recording: Acquisition, given: dict[str, Any], chosen: set[str], settings: Any
) -> tuple[Instrument, list[str]]:
    """Return an instrument that can be simulated, and notes on what was assumed."""
    full = Instrument.from_dict(recording.instrument.to_dict() | given)
    defaults: dict[str, Any] = {"visibility": settings.visibility}
    if recording.modality is Modality.OFF_AXIS:
        defaults["sideband_cycles_per_px"] = settings.carrier_cycles_per_px
        defaults["phase_sign"] = 1
    saturation = float((1 << (full.bit_depth or 12)) - 1)
    defaults["bit_depth"] = 12
    defaults["dark_counts"] = 0.0
    defaults["brightness_counts"] = ASSUMED_LIGHT * saturation
    defaults["gain_e_per_count"] = ASSUMED_FULL_WELL_E / saturation
    defaults["read_noise_e"] = 2.5
    missing = {k: v for k, v in defaults.items() if getattr(full, k) is None}
    borrowed = recording.instrument.to_dict() | missing
    assumed = [
        f"{name}={_plain(value)}"
        for name, value in borrowed.items()
        if name not in given and name not in chosen
    ]
    note = f"Not in the instrument file, and so assumed: {', '.join(assumed)}."
    return full.replace(**missing), [note] if assumed else []


def _plain(value: Any) -> Any:
    return f"{value:.4g}" if isinstance(value, float) else value


def _exposed(simulation: "Simulation", instrument: Instrument) -> Acquisition:
    """Return the frames of the true phase, and an empty field where one is of use."""
    import torch

    from napari_qpm.physics.models import detector_for, model_for

    settings, recording = simulation.settings, simulation.acquisition
    modality = recording.require_modality()
    shape = (int(simulation.phase.shape[1]), int(simulation.phase.shape[2]))
    model = model_for(instrument, modality, shape)
    camera = detector_for(instrument)
    rng = torch.Generator().manual_seed(settings.seed)
    kind = np.uint8 if (instrument.bit_depth or 12) <= 8 else np.uint16

    def expose(light: "Tensor") -> NDArray[Any]:
        if settings.noise:
            counts = camera(light, rng)
        else:
            level = light + float(instrument.dark_counts or 0)
            counts = level.round().clamp(0, camera.saturation_counts)
        raw: NDArray[Any] = counts.numpy().astype(kind)
        return raw << instrument.bit_shift if instrument.bit_shift else raw

    frames = [
        expose(model(torch.as_tensor(phase[None])))[0] for phase in simulation.phase
    ]
    needs_empty = modality is Modality.OFF_AXIS
    needs_empty |= instrument.reference_wave is ReferenceWave.UNSCATTERED
    reference = expose(model(model.empty_field()))[0] if needs_empty else None
    exposed = Acquisition.from_array(
        np.stack(frames), modality, name=recording.name, reference=reference
    )
    return exposed.replace(instrument=instrument)
