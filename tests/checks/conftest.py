"""Simulated recordings with their truth, and ways to spoil a phase."""

import numpy as np
import pytest
from scipy import ndimage

import napari_qpm as qpm
from napari_qpm.specimens.samples import simulate

SHAPE = (256, 256)


@pytest.fixture(scope="package")
def simulations():
    """One small frame of each kind: {kind: Simulation}."""
    return {
        kind: simulate(kind, n_frames=1, shape=SHAPE, n_cells=2, seed=5)
        for kind in ("off-axis", "polarization")
    }


@pytest.fixture(scope="package")
def classical(simulations):
    """What the classical engine of each kind retrieves: {kind: PhaseMap}."""
    return {
        kind: qpm.retrieve(simulation.acquisition)
        for kind, simulation in simulations.items()
    }


def block(image):
    """Return where a block of a fifth of the sides lies, off the centre."""
    return tuple(slice(n // 6, n // 6 + n // 5) for n in image.shape)


def with_block(image, height):
    """Return an image with this much more in the block."""
    changed = image.copy()
    changed[block(image)] += np.float32(height)
    return changed


def smoothed(image, sigma=6.0):
    return ndimage.gaussian_filter(image, sigma)
