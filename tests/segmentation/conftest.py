"""Simulated fields of cells with known outlines."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from napari_qpm.acquisition import Acquisition, ArraySource, Instrument, Modality
from napari_qpm.acquisition import PhaseMap as Map

Field = tuple[NDArray[np.float32], NDArray[np.int32]]


@pytest.fixture(scope="session")
def make_phase_map() -> Callable[..., Map]:
    """Wrap phase [rad] of one or more frames; keywords are instrument fields."""

    def make(phase: NDArray[np.float32], **instrument: float) -> Map:
        phase = np.asarray(phase, np.float32)
        phase = phase[None] if phase.ndim == 2 else phase
        acquisition = Acquisition(
            source=ArraySource(phase),
            modality=Modality.PHASE,
            instrument=Instrument(**instrument),
        )
        return Map(phase=phase, acquisition=acquisition)

    return make


@pytest.fixture(scope="session")
def make_noise() -> Callable[..., NDArray[np.float64]]:
    """Noise of standard deviation 1, smoothed to a correlation length in pixels."""

    def make(
        seed: int, shape: tuple[int, int], correlation_px: float = 0
    ) -> NDArray[np.float64]:
        noise = np.random.default_rng(seed).standard_normal(shape)
        if correlation_px:
            noise = ndimage.gaussian_filter(noise, correlation_px, mode="wrap")
            noise /= noise.std()
        return noise

    return make


@pytest.fixture(scope="session")
def make_field(make_noise: Callable[..., NDArray[np.float64]]) -> Callable[..., Field]:
    """Ellipses with texture, blurred, on a noisy background: phase [rad] and labels.

    `spacing` is the least distance of two centres over the sum of their radii, so that
    values below 1 let cells touch and overlap.
    """

    def make(
        seed: int,
        n_cells: int,
        radius: float = 14,
        *,
        spacing: float = 0.95,
        elongation: float = 1.5,
        noise_rad: float = 0.02,
        noise_px: float = 0,
        halo: float = 0,
        level_rad: float = 0,
        size: int = 320,
    ) -> Field:
        random = np.random.default_rng(seed)
        y, x = np.mgrid[:size, :size]
        labels = np.zeros((size, size), np.int32)
        phase = np.zeros((size, size))
        texture = make_noise(seed + 1000, (size, size), radius / 5)
        centres: list[tuple[float, float, float]] = []
        for _ in range(20_000):
            if len(centres) == n_cells:
                break
            cy, cx = random.uniform(0, size, 2)
            r = radius * random.uniform(0.8, 1.25)
            if any(np.hypot(cy - a, cx - b) < spacing * (r + c) for a, b, c in centres):
                continue
            centres.append((cy, cx, r))
            angle, stretch = random.uniform(0, np.pi), random.uniform(1, elongation)
            u = (x - cx) * np.cos(angle) + (y - cy) * np.sin(angle)
            v = (y - cy) * np.cos(angle) - (x - cx) * np.sin(angle)
            inside = 1 - (u**2 / stretch + v**2 * stretch) / r**2
            height = random.uniform(0.5, 2) * np.sqrt(np.maximum(inside, 0))
            fresh = (inside > 0) & (labels == 0)
            labels[fresh] = len(centres)
            phase[fresh] = (height * (1 + 0.1 * texture))[fresh]
        phase = ndimage.gaussian_filter(phase, 1.0)
        phase -= halo * ndimage.gaussian_filter(phase, 2.5 * radius)
        noise = noise_rad * make_noise(seed, phase.shape, noise_px)
        return (phase + noise + level_rad).astype(np.float32), labels

    return make
