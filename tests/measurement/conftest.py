"""Phase maps of known optical path difference."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_qpm.acquisition import (
    Acquisition,
    ArraySource,
    Instrument,
    Modality,
    PhaseMap,
    PhaseUnit,
)


@pytest.fixture(scope="session")
def make_phase_map() -> Callable[..., PhaseMap]:
    """Wrap values of one or more frames; other keywords are instrument fields."""

    def make(
        values: NDArray[Any],
        unit: PhaseUnit = PhaseUnit.RADIANS,
        grid_scale: tuple[float, float] = (1.0, 1.0),
        **instrument: Any,
    ) -> PhaseMap:
        values = np.asarray(values, np.float32)
        values = values[None] if values.ndim == 2 else values
        acquisition = Acquisition(
            source=ArraySource(values),
            modality=Modality.PHASE,
            instrument=Instrument(**instrument),
            name="field 1",
        )
        return PhaseMap(
            phase=values, acquisition=acquisition, unit=unit, grid_scale=grid_scale
        )

    return make


@pytest.fixture
def square() -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Values of 1 in a square of 100 pixels, and its label, 5, in 60 x 50 pixels."""
    labels = np.zeros((60, 50), np.int32)
    labels[20:30, 10:20] = 5
    return (labels > 0).astype(np.float32), labels
