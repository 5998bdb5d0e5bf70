"""Recordings of microscopes whose every value is known, made by the forward models."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from napari_qpm.acquisition import Acquisition, Instrument
from napari_qpm.physics.models import detector_for, model_for

SHAPE = (256, 256)

CAMERA = {
    "brightness_counts": 1400.0,
    "gain_e_per_count": 2.4,
    "read_noise_e": 12.0,
    "dark_counts": 100.0,
    "bit_depth": 12,
}


@pytest.fixture(scope="session")
def off_axis() -> Instrument:
    """A hologram microscope with a curved, aberrated background."""
    return Instrument(
        sideband_cycles_per_px=(0.2213, -0.2391),
        phase_sign=1,
        visibility=0.62,
        background_rad=(
            (0, 0, 0.4),
            (2, 0, 3.0),
            (0, 2, 4.2),
            (1, 1, -0.7),
            (3, 0, 0.5),
        ),
        wavelength_nm=532,
        **CAMERA,
    )


@pytest.fixture(scope="session")
def polarization() -> Instrument:
    """A polarization microscope with a poor camera and a tilted empty field."""
    return Instrument(
        polarization_layout=(90, 45, 135, 0),
        handedness="positive",
        reference_wave="separate",
        visibility=0.75,
        analyser_gains=(1.02, 0.99, 0.97, 1.02),
        analyser_angle_errors_deg=(0.8, -0.6, 0.4, -0.6),
        extinction_ratio=0.012,
        background_rad=((0, 0, 0.5), (1, 0, 4.0), (0, 1, 3.0), (2, 0, 1.2)),
        **CAMERA,
    )


def cells(shape: tuple[int, int], height: float = 3.0) -> torch.Tensor:
    """Three smooth bodies [rad] on an empty field, ``(1, Y, X)``."""
    y, x = torch.meshgrid(*(torch.linspace(-1, 1, n) for n in shape), indexing="ij")
    phase = torch.zeros(shape)
    for row, column, radius in (
        (-0.4, -0.5, 0.18),
        (0.3, 0.5, 0.2),
        (0.55, -0.4, 0.15),
    ):
        squared = ((y - row) ** 2 + (x - column) ** 2) / radius**2
        phase = phase + height * torch.exp(-(squared**2))
    return phase[None]


Record = Callable[..., Acquisition]

KNOWN = ("handedness", "polarization_layout", "bit_depth", "reference_wave")


@pytest.fixture(scope="session")
def record() -> Record:
    """Maker of recordings by an instrument, of which they state little.

    ``record(instrument, kind, *, phase, n_frames, reference, shape, seed, **stated)``.
    """

    def make(
        instrument: Instrument,
        kind: str,
        *,
        phase: torch.Tensor | None = None,
        n_frames: int = 1,
        reference: bool = False,
        shape: tuple[int, int] = SHAPE,
        seed: int = 0,
        noise: bool = True,
        **stated: object,
    ) -> Acquisition:
        rng = torch.Generator().manual_seed(seed)
        model = model_for(instrument, kind, shape)
        specimen = torch.zeros(1, *shape) if phase is None else phase
        frames = model(specimen.expand(n_frames, -1, -1))
        empty = model.reference() if reference else None
        if noise:
            camera = detector_for(instrument)
            frames = camera(frames, rng)
            empty = None if empty is None else camera(empty, rng)
        values = {k: getattr(instrument, k) for k in KNOWN}
        known = {k: v for k, v in values.items() if v is not None} | stated
        return Acquisition.from_array(
            frames.numpy().astype(np.uint16 if noise else np.float32),
            kind,
            name="recording",
            reference=None if empty is None else empty[0].numpy().astype(np.uint16),
            **known,
        )

    return make


@pytest.fixture(scope="session")
def dark_recording() -> Acquisition:
    """Three frames without light of `CAMERA`."""
    rng = torch.Generator().manual_seed(9)
    camera = detector_for(Instrument(**CAMERA))
    frames = camera(torch.zeros(3, 1, *SHAPE), rng).numpy().astype(np.uint16)
    return Acquisition.from_array(frames, name="dark", bit_depth=12)
