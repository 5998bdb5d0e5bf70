"""Small frames of each kind, with the pattern that the detection looks for."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

SONY = np.deg2rad([[90, 45], [135, 0]])


def cells(shape: tuple[int, int], seed: int = 0) -> NDArray[np.float64]:
    """Return the phase of a few round cells [rad]."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]].astype(float)
    phase = np.zeros(shape)
    for _ in range(max(3, phase.size // 8000)):
        cy, cx = rng.uniform(0, shape[0]), rng.uniform(0, shape[1])
        radius = rng.uniform(8, 16)
        square = 1 - ((y - cy) ** 2 + (x - cx) ** 2) / radius**2
        phase += 2.5 * np.sqrt(np.clip(square, 0, None))
    return phase


def as_uint8(intensity: NDArray[np.float64], seed: int = 0) -> NDArray[np.uint8]:
    """Return intensities 0 to 2 as 8-bit counts with shot noise of 1000 electrons."""
    noisy = np.random.default_rng(seed).poisson(1000 * np.clip(intensity, 0, None))
    return np.clip(noisy / 1000 * 100, 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def make_mosaic() -> Callable[..., NDArray[np.uint8]]:
    """Return a maker of raw polarization mosaics."""

    def make(
        shape: tuple[int, int] = (128, 128),
        visibility: float = 0.8,
        tilt: tuple[float, float] = (0.0, 0.01),
        seed: int = 0,
    ) -> NDArray[np.uint8]:
        y, x = np.mgrid[: shape[0], : shape[1]]
        phase = cells(shape, seed) + 2 * np.pi * (tilt[0] * y + tilt[1] * x) + 0.4
        angle = SONY[y % 2, x % 2]
        return as_uint8(1 + visibility * np.cos(phase + 2 * angle), seed)

    return make


@pytest.fixture(scope="session")
def make_hologram() -> Callable[..., NDArray[np.uint8]]:
    """Return a maker of off-axis holograms."""

    def make(
        shape: tuple[int, int] = (128, 128),
        visibility: float = 0.8,
        carrier: tuple[float, float] = (0.25, 0.2),
        seed: int = 0,
    ) -> NDArray[np.uint8]:
        y, x = np.mgrid[: shape[0], : shape[1]]
        fringes = 2 * np.pi * (carrier[0] * y + carrier[1] * x)
        return as_uint8(1 + visibility * np.cos(cells(shape, seed) + fringes), seed)

    return make


@pytest.fixture(scope="session")
def make_angles() -> Callable[..., NDArray[np.uint8]]:
    """Return a maker of four images (4, Y, X) behind 0, 45, 90, 135 degrees."""

    def make(shape: tuple[int, int] = (96, 96), seed: int = 0) -> NDArray[np.uint8]:
        phase = cells(shape, seed) + 0.4
        doubled = 2 * np.deg2rad([0, 45, 90, 135])
        images = [as_uint8(1 + 0.8 * np.cos(phase + angle), seed) for angle in doubled]
        return np.stack(images)

    return make


@pytest.fixture(scope="session")
def phase_image() -> NDArray[np.float32]:
    """Return a noisy phase image [rad]."""
    noise = np.random.default_rng(3).normal(0, 0.05, (128, 128))
    return (cells((128, 128), 1) + noise).astype(np.float32)


@pytest.fixture
def stack() -> NDArray[np.uint16]:
    """Return twelve-bit frames (10, 64, 48) of noise; their brightest is 4095."""
    frames = np.random.default_rng(4).integers(0, 4096, (10, 64, 48))
    frames[:, 0, 0] = 4095
    return frames.astype(np.uint16)
