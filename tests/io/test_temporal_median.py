"""Cells that move leave an empty field behind, if one waits."""

import numpy as np
import pytest
import tifffile

from napari_qpm.acquisition import Acquisition
from napari_qpm.errors import LayoutError
from napari_qpm.io import open_acquisition
from napari_qpm.io.temporal_median import temporal_median
from napari_qpm.retrieval import retrieve

SHAPE, N_FRAMES = (160, 200), 9
Y, X = np.mgrid[: SHAPE[0], : SHAPE[1]]
RIPPLE = 0.8 * np.sin(X / 11) * np.cos(Y / 17)
"""Phase of the empty field [rad], which no polynomial fits."""


def cells(t):
    """Return the phase of cells that cover a fifth of the field and wander."""
    rng = np.random.default_rng(t)
    phase = np.zeros(SHAPE)
    for y, x in rng.uniform((0, 0), SHAPE, (9, 2)):
        phase += 2.5 * np.exp(-((((Y - y) ** 2 + (X - x) ** 2) / 170) ** 2))
    return phase


def hologram(phase, seed=0):
    fringes = np.cos(2 * np.pi * (0.24 * Y + 0.21 * X) + phase)
    noise = np.random.default_rng(seed).normal(0, 10, SHAPE)
    return (2000 * (1 + 0.7 * fringes) + noise).astype(np.uint16)


@pytest.fixture(scope="module")
def series():
    return np.stack([hologram(cells(t) + RIPPLE, t) for t in range(N_FRAMES)])


def test_median_is_the_empty_field(series):
    found = temporal_median(Acquisition.from_array(series, "off-axis"))
    assert found.shape == (1, *SHAPE)
    # Where more than half of the frames are empty: all but a few places.
    error = np.abs(found[0] - hologram(RIPPLE))
    assert np.median(error) < 20


def misfit(phase_map):
    _, ny, nx = phase_map.shape
    rows, columns = np.arange(ny) * SHAPE[0] // ny, np.arange(nx) * SHAPE[1] // nx
    errors = [
        phase_map.read(t) - cells(t)[np.ix_(rows, columns)] for t in range(N_FRAMES)
    ]
    inner = np.stack(errors)[:, ny // 8 : -ny // 8, nx // 8 : -nx // 8]
    return float(np.median(np.abs(inner - np.median(inner))) * 1.4826)


def test_median_as_reference_takes_out_what_no_polynomial_can(series, tmp_path):
    path = tmp_path / "series.tif"
    tifffile.imwrite(path, series, metadata={"axes": "TYX"})
    known = {"modality": "off-axis", "phase_sign": 1}
    plain = open_acquisition(path, **known)
    corrected = open_acquisition(path, reference="median", **known)
    assert any("median over time" in note for note in corrected.notes)
    assert misfit(retrieve(corrected)) < 0.3 * misfit(retrieve(plain))


def test_few_frames_have_no_median(series):
    with pytest.raises(LayoutError, match="needs 5 or more"):
        temporal_median(Acquisition.from_array(series[:3], "off-axis"))
