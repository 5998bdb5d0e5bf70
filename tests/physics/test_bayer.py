"""Colours survive the mosaic where they are smooth."""

import pytest
import torch

from napari_qpm.errors import LayoutError
from napari_qpm.physics.bayer import PATTERNS, bayer_mosaic, demosaic_bayer


@pytest.mark.parametrize("pattern", PATTERNS)
def test_each_pixel_has_the_colour_of_the_pattern(pattern):
    colours = torch.arange(3.0).reshape(1, 3, 1, 1).expand(1, 3, 4, 6)
    mosaic = bayer_mosaic(colours, pattern)
    assert mosaic.shape == (1, 1, 4, 6)
    for position, letter in enumerate(pattern):
        row, column = divmod(position, 2)
        assert (mosaic[0, 0, row::2, column::2] == "RGB".index(letter)).all()


@pytest.mark.parametrize("pattern", PATTERNS)
def test_smooth_colours_come_back(pattern):
    y, x = torch.arange(12.0)[:, None], torch.arange(10.0)[None]
    colours = torch.stack([y + 2 * x, 30 - y + 0 * x, 3 * x + 0 * y])[None]
    back = demosaic_bayer(bayer_mosaic(colours, pattern), pattern)
    inner = (slice(None), slice(None), slice(1, -1), slice(1, -1))
    torch.testing.assert_close(back[inner], colours[inner])


def test_unknown_patterns_and_odd_frames_are_refused():
    with pytest.raises(LayoutError, match="RGGB, BGGR"):
        bayer_mosaic(torch.zeros(1, 3, 4, 4), "RGB")
    with pytest.raises(LayoutError, match="even sides, not 3 x 4"):
        demosaic_bayer(torch.zeros(1, 1, 3, 4))
