"""Kernels and torch expressions draw the same bodies."""

import pytest
import torch

from napari_qpm.specimens import CellKind, simulate_cells, simulate_time_lapse
from napari_qpm.specimens import _rendering as rendering


@pytest.fixture
def without_kernels(monkeypatch):
    """Let torch draw from the moment it is called."""

    def switch():
        monkeypatch.setattr(rendering, "has_kernels", lambda device: False)

    return switch


def assert_same_picture(drawn, expected):
    # Texels are looked up at rounded places: a few pixels get their neighbour's.
    difference = (drawn.opd_um - expected.opd_um).abs()
    assert float(difference.mean()) < 2e-4 * float(expected.opd_um.mean())
    assert float(difference.max()) < 0.01 * float(expected.opd_um.max())
    # Seams may move by rounding where two bodies are equally near.
    assert float((drawn.labels != expected.labels).float().mean()) < 1e-4
    assert torch.equal(drawn.cells.cell_class, expected.cells.cell_class)
    torch.testing.assert_close(
        drawn.cells.dry_mass_pg, expected.cells.dry_mass_pg, rtol=1e-3, atol=1e-3
    )


@pytest.mark.parametrize("kind", list(CellKind))
def test_kernels_draw_what_torch_draws(kind, without_kernels):
    options = {"seed": 5, "shape": (96, 128), "kinds": kind, "overlap": 0.2}
    drawn = simulate_cells(3, **options)
    without_kernels()
    assert_same_picture(drawn, simulate_cells(3, **options))


def test_kernels_draw_full_layers_and_cells_that_divide(without_kernels):
    options = {"seed": 2, "shape": (96, 96), "confluence": 0.95}
    shares = {"shares": (0.4, 0.2, 0.3, 0.1)}
    drawn = simulate_cells(3, **options, **shares)
    without_kernels()
    assert_same_picture(drawn, simulate_cells(3, **options, **shares))


def test_kernels_keep_the_mass_of_a_time_lapse(without_kernels):
    options = {"n_frames": 3, "seed": 4, "shape": (96, 96)}
    drawn = simulate_time_lapse(**options).specimens
    without_kernels()
    assert_same_picture(drawn, simulate_time_lapse(**options).specimens)
