import numpy as np
import pytest

from napari_qpm.segmentation.background_level import background_level


@pytest.mark.parametrize("level", [0.0, -3.0, 7.0])
def test_level_and_noise_of_an_empty_field(make_noise, level):
    found = background_level(level + 0.1 * make_noise(0, (200, 200)))
    # 40 000 pixels: the histogram peak is known to a fraction of a standard deviation.
    assert found.level == pytest.approx(level, abs=0.02)
    assert found.noise == pytest.approx(0.1, rel=0.15)


@pytest.mark.parametrize(
    ("n_cells", "spacing"), [(3, 0.95), (60, 0.95), (300, 0.8), (300, 0.72)]
)
def test_background_is_found_from_sparse_to_crowded_fields(
    make_field, n_cells, spacing
):
    phase, labels = make_field(1, n_cells, spacing=spacing)
    found = background_level(phase)
    assert abs(found.level) < 0.06, f"confluence {np.mean(labels > 0):.0%}"
    assert found.noise < 0.08


def test_negative_halos_do_not_pull_the_level_down(make_field):
    phase, _ = make_field(2, 40, halo=0.3)
    assert -0.12 < background_level(phase).level < 0.01


def test_tilted_background_is_levelled_in_its_middle(make_noise):
    tilted = np.linspace(0, 1, 200) + 0.05 * make_noise(3, (200, 200))
    assert background_level(tilted).level == pytest.approx(0.5, abs=0.1)


def test_unknown_pixels_and_constant_images_are_handled():
    assert background_level(np.full((20, 20), np.nan)).noise == 0
    constant = background_level(np.full((20, 20), 2.5, np.float32))
    assert constant.level == 2.5
    holed = np.full((20, 20), 2.5, np.float32)
    holed[:5] = np.nan
    assert background_level(holed).level == 2.5


def test_images_smaller_than_a_block_are_handled(make_noise):
    found = background_level(make_noise(4, (3, 3)))
    assert np.isfinite(found.level)
    assert found.noise >= 0
