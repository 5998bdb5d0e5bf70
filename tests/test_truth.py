"""The whole path on simulations, against their truth: phase, level and drift."""

import numpy as np
import pytest

import napari_qpm as qpm
from napari_qpm.retrieval import stabilise
from napari_qpm.specimens.samples import simulate

N_FRAMES = 200


def truth_on_grid(simulation, phase_map):
    """Return true phase and labels at the pixels of a map."""
    _, ny, nx = phase_map.shape
    rows = (np.arange(ny) * phase_map.grid_scale[0]).round().astype(int)
    columns = (np.arange(nx) * phase_map.grid_scale[1]).round().astype(int)
    pick = np.ix_(range(len(simulation.phase)), rows, columns)
    return simulation.phase[pick], simulation.labels[pick]


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("polarization", {"shape": (144, 144), "n_cells": 2}),
        ("off-axis", {"shape": (288, 288), "n_cells": 2}),
    ],
)
def test_long_series_keeps_its_level(kind, options):
    simulation = simulate(
        kind, n_frames=N_FRAMES, seed=4, frame_interval_s=120.0, **options
    )
    phase_map = stabilise(qpm.retrieve(simulation.acquisition))
    truth, labels = truth_on_grid(simulation, phase_map)
    error = phase_map.phase.compute() - truth
    assert np.mean(np.abs(error) > np.pi) == 0  # no 2 pi jump anywhere
    levels = [np.median(e[label == 0]) for e, label in zip(error, labels, strict=True)]
    trend = np.polyfit(np.arange(N_FRAMES), levels, 1)[0] * (N_FRAMES - 1)
    assert abs(trend) < 5e-3  # rad over the whole series
    assert np.abs(levels).max() < 5e-3


@pytest.mark.parametrize("kind", ["polarization", "off-axis"])
def test_sphere_has_its_optical_path(kind):
    radius_um, step = 6.0, 0.03
    simulation = simulate(
        kind,
        n_frames=1,
        specimen="sphere",
        sphere_radius_um=radius_um,
        sphere_index_step=step,
        noise=False,
    )
    phase_map = qpm.retrieve(simulation.acquisition)
    phase = phase_map.phase.compute()[0]
    dy, dx = phase_map.pixel_size_um
    wavelength_um = simulation.settings.wavelength_nm / 1000
    opd_um3 = phase.sum() * dy * dx * wavelength_um / (2 * np.pi)
    exact = step * 4 / 3 * np.pi * radius_um**3
    assert opd_um3 == pytest.approx(exact, rel=0.03)
    peak = 2 * radius_um * step * 2 * np.pi / wavelength_um
    assert np.percentile(phase, 99.95) == pytest.approx(peak, rel=0.05)


def test_wrapped_phase_is_the_truth_modulo_two_pi():
    simulation = simulate("polarization", n_frames=1, noise=False, background=False)
    phase_map = qpm.retrieve(simulation.acquisition)
    difference = np.exp(1j * (phase_map.wrapped.compute() - simulation.phase))
    difference *= np.conj(difference.mean()) / np.abs(difference.mean())
    assert np.sqrt(np.mean(np.angle(difference) ** 2)) < 0.02
