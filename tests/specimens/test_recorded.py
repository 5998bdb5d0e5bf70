"""Measured maps as specimens: their values, labels and masses survive the drawing."""

import math

import numpy as np
import pytest
import tifffile
import torch

from napari_qpm.errors import FileFormatError, LayoutError, ParameterError
from napari_qpm.specimens.recorded import draw_recorded, read_map
from napari_qpm.specimens.samples import ALPHA_UM3_PER_PG

STRAIGHT = {"zoom": (1.0, 1.0), "strength": (1.0, 1.0), "compose": 0.0}


@pytest.fixture
def files(tmp_path):
    """Two square cells of 1 and 3 rad over a background of 0.5 rad."""
    phase = np.full((96, 96), 0.5, np.float32)
    labels = np.zeros((96, 96), np.uint8)
    for number, (y, x, height) in enumerate([(10, 12, 1.0), (50, 60, 3.0)], start=1):
        phase[y : y + 20, x : x + 24] += height
        labels[y : y + 20, x : x + 24] = 25 * number
    tifffile.imwrite(tmp_path / "phase.tif", phase)
    tifffile.imwrite(tmp_path / "labels.tif", labels)
    return tmp_path / "phase.tif", tmp_path / "labels.tif"


@pytest.mark.parametrize(
    ("unit", "factor"),
    [
        ("rad", 0.532 / (2 * math.pi)),
        ("um", 1.0),
        ("nm", 1e-3),
        ("pg/um2", ALPHA_UM3_PER_PG),
    ],
)
def test_units_become_optical_path_over_the_background(files, unit, factor):
    recorded = read_map(*files, unit=unit, wavelength_nm=532)
    assert recorded.opd_um[0, 0] == 0
    assert float(recorded.opd_um[15, 15]) == pytest.approx(factor, rel=1e-6)


def test_whole_map_keeps_its_masses(files):
    recorded = read_map(*files, unit="um", pixel_um=0.5)
    batch = draw_recorded([recorded], 5, seed=1, shape=(96, 96), **STRAIGHT)
    assert set(batch.cells.label.tolist()) == {1, 2}
    expected = 480 * np.array([1.0, 3.0]) * 0.5**2 / ALPHA_UM3_PER_PG
    for index in range(5):
        mass = batch.cells.dry_mass_pg[batch.cells.field == index].numpy()
        np.testing.assert_allclose(sorted(mass), expected, rtol=1e-5)
    flips = {tuple(image.flatten().tolist()) for image in batch.opd_um}
    assert len(flips) > 1


def test_zoom_scales_areas(files):
    recorded = read_map(*files, unit="um", pixel_um=0.5)
    batch = draw_recorded(
        [recorded], 1, shape=(192, 192), **STRAIGHT | {"zoom": (2.0, 2.0)}
    )
    areas = torch.bincount(batch.labels.flatten().long())[1:]
    np.testing.assert_allclose(areas, 4 * 480, rtol=0.05)


def test_composition_adds_cells(files):
    recorded = read_map(*files, unit="um")
    batch = draw_recorded([recorded], 4, shape=(96, 96), **STRAIGHT | {"compose": 1.0})
    counts = torch.bincount(batch.cells.field)
    assert (counts > 2).any()
    for index in range(4):
        shown = batch.labels[index].unique().tolist()
        assert shown == list(range(len(shown)))


def test_same_seed_gives_the_same_images(files):
    maps = [read_map(*files, unit="um")]
    first, again, other = (
        draw_recorded(maps, 3, seed=s, shape=(64, 48)) for s in (1, 1, 2)
    )
    assert torch.equal(first.opd_um, again.opd_um)
    assert torch.equal(first.labels, again.labels)
    assert not torch.equal(first.opd_um, other.opd_um)
    assert first.opd_um.shape == (3, 64, 48)


def test_masks_become_instances(files):
    recorded = read_map(*files, unit="um", has_instances=False)
    assert sorted(recorded.labels.unique().tolist()) == [0, 1, 2]


def test_bad_files_are_named(files, tmp_path):
    phase, _ = files
    with pytest.raises(FileFormatError, match="absent"):
        read_map(tmp_path / "absent.tif", unit="um")
    np.save(tmp_path / "small.npy", np.zeros((40, 40)))
    with pytest.raises(LayoutError, match="same field"):
        read_map(phase, tmp_path / "small.npy", unit="um")
    np.save(tmp_path / "stack.npy", np.zeros((3, 40, 40)))
    with pytest.raises(FileFormatError, match="one plane"):
        read_map(tmp_path / "stack.npy", unit="um")
    np.save(tmp_path / "holes.npy", np.full((40, 40), np.nan))
    with pytest.raises(FileFormatError, match="missing values"):
        read_map(tmp_path / "holes.npy", unit="um")


def test_missing_facts_are_named(files):
    with pytest.raises(ParameterError, match="wavelength_nm"):
        read_map(*files)
    with pytest.raises(ParameterError, match="Unit 'furlong'"):
        read_map(*files, unit="furlong")
    with pytest.raises(ParameterError, match="no measured map"):
        draw_recorded([], 1)
    maps = [read_map(*files, unit="um", pixel_um=p) for p in (0.5, 0.6)]
    with pytest.raises(ParameterError, match="different pixel sizes"):
        draw_recorded(maps, 1)


def test_measured_a2780_cells_are_specimens(shared_data):
    folder = shared_data / "qpi-a2780-masks"
    maps = [
        read_map(
            path,
            path.with_suffix(".png"),
            unit="pg/um2",
            pixel_um=0.627,
            has_instances=False,
        )
        for path in sorted(folder.glob("*.tif"))[:2]
    ]
    batch = draw_recorded(maps, 8, seed=0, shape=(256, 256))
    assert len(batch.cells) > 20
    assert torch.isfinite(batch.opd_um).all()
    assert 3 < batch.phase(650).max() < 20
    assert 50 < batch.cells.dry_mass_pg.median() < 500
