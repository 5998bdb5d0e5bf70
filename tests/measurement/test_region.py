"""Totals of drawn regions against known masses."""

import numpy as np
import pytest
from scipy import ndimage

from napari_qpm.errors import LayoutError, ParameterError
from napari_qpm.measurement import measure, region_total
from napari_qpm.measurement.mass_error import ErrorMethod

OPTICS = {"wavelength_nm": 532, "pixel_size_um": 0.3}
PG_PER_RAD_PX = 0.532 / (2 * np.pi) * 0.09 / 0.19
SHAPE = (160, 160)


def disk(centre=(60, 70), radius=14.0):
    y, x = np.indices(SHAPE)
    distance = np.hypot(y - centre[0], x - centre[1])
    return distance < radius, np.where(
        distance < radius, 1 - (distance / radius) ** 2, 0
    )


def test_the_total_is_that_of_a_cell_with_the_same_outline(make_phase_map, rng):
    mask, dome = disk()
    phase_map = make_phase_map(dome + rng.normal(0, 0.01, SHAPE), **OPTICS)

    total = region_total(phase_map, 0, mask, is_levelled=False)
    row = measure(phase_map, mask.astype(np.int32)).iloc[0]

    assert total.dry_mass_pg == pytest.approx(row["dry_mass_pg"])
    # Other places of the background are looked at.
    assert total.dry_mass_sd_pg == pytest.approx(row["dry_mass_sd_pg"], rel=0.05)
    assert total.opd_sum_um3 == pytest.approx(row["opd_sum_um3"])
    assert total.area_um2 == pytest.approx(row["area_um2"])
    assert total.background == 0


def test_the_level_of_the_surroundings_is_subtracted(make_phase_map):
    mask, dome = disk()
    phase_map = make_phase_map(dome + 0.3, **OPTICS)

    total = region_total(phase_map, 0, mask)

    assert total.background == pytest.approx(0.3, abs=1e-6)
    assert total.dry_mass_pg == pytest.approx(dome.sum() * PG_PER_RAD_PX, rel=1e-5)


def test_neighbours_are_no_background(make_phase_map):
    mask, dome = disk()
    other, neighbour = disk((60, 100))
    labels = np.where(mask, 1, np.where(other, 2, 0))
    phase_map = make_phase_map(dome + 5 * neighbour + 0.1, **OPTICS)

    total = region_total(phase_map, 0, mask, labels=labels)

    assert total.background == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize("correlation_px", [0, 2, 6])
def test_error_bars_hold_with_a_subtracted_background(
    make_phase_map, rng, correlation_px
):
    mask, dome = disk()
    # Wide of the dome, so that the outline itself is certain.
    drawn = ndimage.binary_dilation(mask, iterations=3)
    truth = dome.sum() * PG_PER_RAD_PX
    scores = []
    for _ in range(60):
        noise = rng.standard_normal(SHAPE)
        if correlation_px:
            noise = ndimage.gaussian_filter(noise, correlation_px, mode="wrap")
            noise /= noise.std()
        frame = dome + 0.03 * noise + rng.normal(0, 0.05)
        total = region_total(make_phase_map(frame, **OPTICS), 0, drawn)
        assert total.method is ErrorMethod.MOVED_MASK
        scores.append((total.dry_mass_pg - truth) / total.dry_mass_sd_pg)
    # 60 scores scatter by 9 %.
    assert 0.7 < np.sqrt(np.mean(np.square(scores))) < 1.4


def test_without_calibration_there_is_phase_but_no_mass(make_phase_map):
    mask, dome = disk()
    total = region_total(make_phase_map(dome), 0, mask)

    assert total.dry_mass_pg is None
    assert total.area_um2 is None
    assert total.phase_sum == pytest.approx(dome.sum(), rel=1e-5)


def test_impossible_regions_are_explained(make_phase_map):
    phase_map = make_phase_map(disk()[1], **OPTICS)
    with pytest.raises(ParameterError, match="no phase"):
        region_total(phase_map, 0, np.zeros(SHAPE, bool))
    with pytest.raises(ParameterError, match="no empty background"):
        region_total(phase_map, 0, np.ones(SHAPE, bool))
    with pytest.raises(LayoutError, match="does not fit"):
        region_total(phase_map, 0, np.ones((3, 3), bool))
