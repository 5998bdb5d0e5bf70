"""Classical segmentation of real A2780 cells against hand-made outlines."""

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
from scipy import ndimage

from napari_qpm.acquisition import (
    Acquisition,
    ArraySource,
    Instrument,
    Modality,
    PhaseMap,
    PhaseUnit,
)
from napari_qpm.evaluation.cell_set import real_field, recorded_field
from napari_qpm.measurement import measure
from napari_qpm.segmentation import segment
from napari_qpm.segmentation.scores import average_precision, dice


@pytest.fixture(scope="module")
def fields(shared_data):
    folder = shared_data / "qpi-a2780-masks"
    images = sorted(folder.glob("img_*.tif"))
    if not images:
        pytest.skip(f"the A2780 images are not at {folder}")
    return [
        (tifffile.imread(path), iio.imread(path.with_suffix(".png")) > 0)
        for path in images
    ]


@pytest.fixture(scope="module")
def phase_map(fields):
    phase = np.stack([image for image, _ in fields])
    acquisition = Acquisition(
        source=ArraySource(phase),
        modality=Modality.PHASE,
        instrument=Instrument(pixel_size_um=0.627),
    )
    return PhaseMap(phase=phase, acquisition=acquisition, unit=PhaseUnit.MASS_DENSITY)


@pytest.fixture(scope="module")
def labels(phase_map):
    return segment(phase_map).compute()


def test_default_parameters_reach_the_goal_over_eight_images(fields, labels):
    assert len(fields) == 8
    truths = [ndimage.label(mask)[0] for _, mask in fields]
    overlap = [dice(t, found) for t, found in zip(truths, labels, strict=True)]
    precision = [
        average_precision(t, found) for t, found in zip(truths, labels, strict=True)
    ]
    # The goal is 0.86 and 0.52; measured 0.92 and 0.63. The gates stand between, so
    # that a change which costs quality shows.
    assert np.mean(overlap) >= 0.90
    assert np.mean(precision) >= 0.58


def test_every_cell_gets_a_mass_with_an_error(phase_map, labels):
    table = measure(phase_map, labels)
    assert len(table) == sum(int(frame.max()) for frame in labels)
    assert (table["dry_mass_pg"] > 0).all()
    assert (table["dry_mass_sd_pg"] > 0).all()
    # Mammalian cells hold some hundred pg.
    assert 50 < table["dry_mass_pg"].median() < 800
    assert "opd_sum_um3" in table.attrs["missing"]


def test_a_simulated_camera_gives_the_real_cells_angles(fields, shared_data):
    folder = shared_data / "qpi-a2780-masks"
    found = recorded_field(folder, "img_008")
    measured = real_field(folder, "img_008")

    assert found.phase_map.acquisition.modality == "polarization"
    assert np.array_equal(found.labels, measured.labels)
    phase, mass = found.phase_map.read(0), measured.phase_map.read(0)
    assert np.corrcoef(phase.ravel(), mass.ravel())[0, 1] > 0.95
