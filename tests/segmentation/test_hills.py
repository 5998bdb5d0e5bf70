import numpy as np
import pytest
from scipy import ndimage
from skimage.measure import label
from skimage.morphology import local_maxima, reconstruction
from skimage.segmentation import watershed

from napari_qpm.segmentation._hills import part_hills


@pytest.fixture
def rough():
    rng = np.random.default_rng(7)
    landscape = ndimage.gaussian_filter(rng.standard_normal((90, 110)), 3)
    return (landscape / landscape.std()).astype(np.float32)


def summits_of(landscape, mask, rise):
    """Return the maxima that a grey reconstruction leaves, numbered."""
    hills = np.where(mask, landscape, landscape.min() - np.float32(5))
    lowered = hills - np.float32(rise)
    cut = reconstruction(lowered, hills, method="dilation") if rise else hills
    return label(local_maxima(cut) & mask, connectivity=2)


@pytest.mark.parametrize("rise", [0.0, 0.3, 1.0])
def test_hills_are_those_of_a_watershed_from_clear_summits(rough, rise):
    mask = rough > -0.5
    summits = summits_of(rough, mask, rise)

    hills = part_hills(rough, mask, rise)

    assert sorted(np.unique(hills[mask])) == list(range(1, summits.max() + 1))
    pairs = np.unique(np.stack([summits, hills])[:, summits > 0], axis=1)
    assert pairs.shape[1] == summits.max()
    assert not hills[~mask].any()
    flooded = watershed(-rough, summits, mask=mask)
    hill_of_summit = np.zeros(summits.max() + 1, int)
    hill_of_summit[pairs[0]] = pairs[1]
    differs = (hill_of_summit[flooded] != hills) & (flooded > 0)
    # Pixels between two hills may fall to either.
    assert differs[mask].mean() < 0.02


def test_the_highest_hill_comes_first(rough):
    mask = rough > 0

    hills = part_hills(rough, mask, 0.3)

    tops = ndimage.maximum(rough, hills, np.arange(1, hills.max() + 1))
    assert (np.diff(tops) <= 0).all()


def test_every_piece_of_the_mask_is_a_hill_however_flat():
    mask = np.zeros((8, 12), bool)
    mask[1:3, 1:4] = mask[5:7, 6:11] = True

    hills = part_hills(np.zeros(mask.shape, np.float32), mask, 1.0)

    assert hills.max() == 2
    assert (hills > 0)[mask].all()
    assert not hills[~mask].any()


def test_a_small_hill_joins_over_its_highest_saddle():
    landscape = np.array([[5, 4, 3, 1, 4, 2, 6, 5, 4]], np.float32)
    mask = np.ones(landscape.shape, bool)

    assert part_hills(landscape, mask, 0.5).max() == 3
    joined = part_hills(landscape, mask, 0.5, least_area=3)

    # The one in the middle, whose saddle to the right is higher.
    assert joined[0, 4] == joined[0, 8] != joined[0, 0]
    assert joined.max() == 2


def test_hills_that_are_all_small_stay_as_one():
    landscape = np.array([[5, 1, 5, 1, 5]], np.float32)

    hills = part_hills(landscape, np.ones(landscape.shape, bool), 0.5, least_area=9)

    assert hills.tolist() == [[1, 1, 1, 1, 1]]


def test_an_empty_mask_has_no_hill():
    hills = part_hills(np.ones((4, 5), np.float32), np.zeros((4, 5), bool), 0.5)

    assert hills.shape == (4, 5)
    assert not hills.any()
