import numpy as np
import pytest
from scipy import ndimage
from skimage.measure import label
from skimage.morphology import local_maxima, reconstruction

from napari_qpm.segmentation._summits import find_summits


@pytest.mark.parametrize("rise", [0.0, 0.3, 1.0])
def test_summits_are_the_maxima_that_survive_a_reconstruction(rise):
    rng = np.random.default_rng(7)
    landscape = ndimage.gaussian_filter(rng.standard_normal((90, 110)), 3)
    landscape = (landscape / landscape.std()).astype(np.float32)
    mask = landscape > -0.5
    outside = landscape.min() - np.float32(5)
    hills = np.where(mask, landscape, outside)
    lowered = hills - np.float32(rise)
    cut = reconstruction(lowered, hills, method="dilation") if rise else hills
    plateaus = label(local_maxima(cut) & mask, connectivity=2)

    summits = find_summits(landscape, mask, rise)

    found = plateaus[summits > 0]
    assert sorted(found) == list(range(1, plateaus.max() + 1))
    assert sorted(summits[summits > 0]) == list(range(1, plateaus.max() + 1))


def test_every_piece_of_the_mask_has_a_summit_however_flat():
    mask = np.zeros((8, 12), bool)
    mask[1:3, 1:4] = mask[5:7, 6:11] = True

    summits = find_summits(np.zeros(mask.shape, np.float32), mask, 1.0)

    assert summits.max() == 2
    assert (summits[mask] > 0).sum() == 2
    assert not summits[~mask].any()
