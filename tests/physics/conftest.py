"""Smooth phase objects with known values, in float64."""

import math

import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread():
    """Compute on one thread: pictures are tiny, waiting threads only cost time."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def rng() -> torch.Generator:
    return torch.Generator().manual_seed(7)


@pytest.fixture
def bump():
    """Return a maker of Gaussian bumps ``(1, Y, X)``: peak, sd in pixels, centre."""

    def make(shape=(64, 64), peak=1.0, sd_px=8.0, offset=(0.0, 0.0)):
        y = torch.arange(shape[0], dtype=torch.float64) - shape[0] / 2 - offset[0]
        x = torch.arange(shape[1], dtype=torch.float64) - shape[1] / 2 - offset[1]
        squared = y[:, None] ** 2 + x[None, :] ** 2
        return peak * torch.exp(-squared / (2 * sd_px**2))[None]

    return make


@pytest.fixture
def band_limited(rng):
    """Return a maker of random complex fields without frequencies above a cut-off."""

    def make(n, size, cutoff_cycles_per_px):
        kind = {"dtype": torch.complex128, "generator": rng}
        field = torch.randn(n, size, size, **kind)
        f = torch.fft.fftfreq(size, dtype=torch.float64)
        radius = torch.hypot(f[:, None], f[None, :])
        spectrum = torch.fft.fft2(field) * (radius <= cutoff_cycles_per_px)
        return torch.fft.ifft2(spectrum)

    return make


@pytest.fixture
def wrapped_difference():
    """Return the difference of two phases, between -pi and pi."""
    return lambda a, b: torch.remainder(a - b + math.pi, 2 * math.pi) - math.pi
