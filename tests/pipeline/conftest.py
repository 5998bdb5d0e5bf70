from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_qpm.acquisition import Acquisition


def two_cells(n_frames: int = 4) -> NDArray[np.float32]:
    """Return phase ``(T, 64, 64)``: two smooth cells of 1.5 and 2 rad that grow."""
    y, x = np.indices((64, 64))
    frames = np.zeros((n_frames, 64, 64), np.float32)
    for t in range(n_frames):
        for height, cy, cx in ((1.5, 20, 20), (2.0, 44, 42)):
            squared = ((y - cy) ** 2 + (x - cx) ** 2) / 8.0**2
            frames[t] += (1 + 0.02 * t) * height * np.maximum(0, 1 - squared)
    noise = np.random.default_rng(3).normal(0, 0.01, frames.shape)
    return frames + noise.astype(np.float32)


@pytest.fixture
def phase_recording() -> Callable[..., Acquisition]:
    """Maker of small phase recordings with everything known."""

    def make(frames: NDArray[np.float32] | None = None) -> Acquisition:
        return Acquisition.from_array(
            two_cells() if frames is None else frames,
            "phase",
            name="two cells",
            wavelength_nm=532,
            pixel_size_um=0.5,
            frame_interval_s=60,
            phase_unit="rad",
        )

    return make
