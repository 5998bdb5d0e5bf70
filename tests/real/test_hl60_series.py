"""A real cell seen from 140 angles keeps its dry mass."""

import h5py
import numpy as np
import pytest

import napari_qpm as qpm


@pytest.fixture(scope="module")
def rotating_cell(shared_data):
    path = shared_data / "qpi-series-hl60-rotation" / "series.h5"
    with h5py.File(path) as file:
        frames = np.stack([file[f"qpi_{k}/phase/raw"][:] for k in range(140)])
    return qpm.Acquisition.from_array(
        frames,
        "phase",
        name="HL60 rotation",
        phase_unit="rad",
        wavelength_nm=647,
        pixel_size_um=0.139,
        medium_index=1.335,
    )


def test_mass_of_a_turning_cell_is_constant_to_one_percent(rotating_cell):
    phase_map = qpm.retrieve(rotating_cell)
    labels = qpm.segment(phase_map)
    table = qpm.measure(phase_map, labels)
    cells = table.groupby("frame").size()
    assert len(cells) == 140
    assert (cells == 1).all()
    mass = table["dry_mass_pg"]
    assert mass.std() / mass.mean() < 0.01
    assert (table["dry_mass_sd_pg"] > 0).all()
    # The frame's whole phase, no mask, no error: the cell holds nearly all of it.
    whole = phase_map.phase.sum(axis=(1, 2)).compute()
    factor = 0.647 / (2 * np.pi) * 0.139**2 / table["refractive_increment_ml_g"].iloc[0]
    assert mass.mean() == pytest.approx(np.mean(whole) * factor, rel=0.05)
