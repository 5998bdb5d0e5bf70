"""A simulated recording of cells that no shipped network has seen, with the truth.

Long, thin, granular cells, fainter than those of any training, on a background that
is not quite empty: a network that knows round cells does badly on them.
"""

import numpy as np
from scipy import ndimage

SHAPE = (320, 320)
WAVELENGTH_NM, PIXEL_UM = 532.0, 0.4
LENGTH_PX, WIDTH_PX = (70, 130), (9, 14)
HEIGHT_RAD = (0.5, 0.9)
GRAINS_RAD, GRAIN_PX = 0.35, 1.2
BEND = 0.9
NOISE_RAD, ROUGHNESS_RAD, ROUGHNESS_PX = 0.04, 0.12, 14.0


def unlike_cells(
    n_frames: int, n_cells: int = 16, seed: int = 5
) -> tuple[np.ndarray, np.ndarray]:
    """Return phase [rad] ``(T, Y, X)`` and labels of its cells."""
    random = np.random.default_rng(seed)
    phase = np.zeros((n_frames, *SHAPE), np.float32)
    labels = np.zeros(phase.shape, np.int32)
    for t in range(n_frames):
        for number in range(1, n_cells + 1):
            _add_cell(phase[t], labels[t], number, random)
        rough = ndimage.gaussian_filter(random.normal(size=SHAPE), ROUGHNESS_PX)
        phase[t] = ndimage.gaussian_filter(phase[t], 1.0)
        phase[t] += ROUGHNESS_RAD * rough / rough.std()
        phase[t] += random.normal(0, NOISE_RAD, SHAPE)
    return phase, labels


def _add_cell(
    phase: np.ndarray, labels: np.ndarray, number: int, random: np.random.Generator
) -> None:
    """Draw a bent spindle where no other cell is."""
    y, x = np.indices(SHAPE)
    for _ in range(200):
        cy, cx = random.uniform(20, SHAPE[0] - 20), random.uniform(20, SHAPE[1] - 20)
        angle, bend = random.uniform(0, np.pi), random.uniform(-BEND, BEND)
        length, width = random.uniform(*LENGTH_PX), random.uniform(*WIDTH_PX)
        along = (x - cx) * np.cos(angle) + (y - cy) * np.sin(angle)
        across = (y - cy) * np.cos(angle) - (x - cx) * np.sin(angle)
        share = 2 * along / length
        across = across - bend * width * share**2
        half = width / 2 * np.sqrt(np.clip(1 - share**2, 0, None))
        inside = np.abs(across) < half
        near = ndimage.binary_dilation(inside, iterations=2)
        if not (labels[near] > 0).any():
            break
    else:
        return
    depth = np.clip(1 - (across / np.maximum(half, 1e-3)) ** 2, 0, None)
    grains = ndimage.gaussian_filter(random.normal(size=SHAPE), GRAIN_PX)
    height = random.uniform(*HEIGHT_RAD) * np.sqrt(depth)
    height += GRAINS_RAD * grains / grains.std() * np.sqrt(depth)
    phase[inside] += height[inside]
    labels[inside] = number
