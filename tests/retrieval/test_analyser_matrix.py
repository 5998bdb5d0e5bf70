"""Imperfect analysers that are known give the phase of perfect ones."""

import numpy as np
import pytest

from napari_qpm.acquisition import Acquisition
from napari_qpm.instrument import Instrument
from napari_qpm.jobs import CancelToken
from napari_qpm.retrieval import make_phase_engine
from napari_qpm.retrieval.analyser_matrix import analyser_weights
from napari_qpm.retrieval.demosaic import PERFECT

SONY = (90, 45, 135, 0)
CAMERA = {
    "analyser_gains": (1.05, 0.97, 1.0, 0.98),
    "analyser_angle_errors_deg": (1.5, -1.0, 0.5, -1.0),
    "extinction_ratio": 0.01,
    "retardance_error_deg": 5.0,
}
SHAPE = (96, 112)


def phase():
    y, x = np.mgrid[-1 : 1 : SHAPE[0] * 1j, -1 : 1 : SHAPE[1] * 1j]
    return 2 * np.exp(-((x - 0.2) ** 2 + y**2) / 0.1) + 6 * x


def images():
    """Return ``(4, Y, X)`` behind these analysers at 0, 45, 90, 135 degrees."""
    contrast = np.full(4, (1 - 0.01) / (1 + 0.01))
    contrast[1::2] *= np.cos(np.deg2rad(5))
    angles = np.array([0, 45, 90, 135]) + CAMERA["analyser_angle_errors_deg"]
    turn = 2 * np.deg2rad(angles)[:, None, None]
    fringes = 1 + 0.9 * contrast[:, None, None] * np.cos(phase() + turn)
    return 2000 * np.asarray(CAMERA["analyser_gains"])[:, None, None] * fringes


def mosaic():
    raw = np.empty(SHAPE)
    for place, angle in enumerate(SONY):
        row, column = divmod(place, 2)
        raw[row::2, column::2] = images()[angle // 45][row::2, column::2]
    return raw[None]


def wrapped_error(frame, **facts):
    layout = SONY if len(frame) == 1 else (0, 45, 90, 135)
    acquisition = Acquisition.from_array(
        frame[None],
        "polarization",
        polarization_layout=layout,
        reference_wave="separate",
        phase_sign=1,
        **facts,
    )
    engine = make_phase_engine("four-step", background="none", unwrapping="none")
    result = engine.retrieve(acquisition.read(0)[None], acquisition, CancelToken())
    error = np.angle(np.exp(1j * (result.wrapped[0] - phase())))
    return float(np.std(error[8:-8, 8:-8]))


@pytest.mark.parametrize("frame", [images, mosaic], ids=["angles", "mosaic"])
def test_known_analysers_give_the_phase_of_perfect_ones(frame):
    # Interpolation alone leaves about 1 mrad of these fringes.
    assert wrapped_error(frame()) > 0.02
    assert wrapped_error(frame(), **CAMERA) < 0.002


def test_perfect_analysers_cost_nothing():
    assert analyser_weights(Instrument()) is None
    weights = analyser_weights(Instrument(analyser_gains=(1, 1, 1, 1)))
    np.testing.assert_allclose(weights, PERFECT, atol=1e-12)
