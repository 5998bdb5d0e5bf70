import numpy as np
import pytest

from napari_qpm.acquisition import Modality
from napari_qpm.io import is_ours, open_acquisition
from napari_qpm.io.colour_mosaic import LevelledSource, colour_levels, levelled

RGGB = (0.6, 1.0, 1.0, 0.4)


@pytest.fixture
def colour_mosaic(make_mosaic):
    """Return a mosaic behind red, green and blue filters, and the one without."""
    plain = make_mosaic((256, 256))
    cell = np.kron(np.reshape(RGGB, (2, 2)), np.ones((2, 2)))
    return np.rint(plain * np.tile(cell, (64, 64))).astype(np.uint8), plain


def test_the_brightness_of_the_colours_is_found(colour_mosaic):
    assert colour_levels(colour_mosaic[0]) == pytest.approx(RGGB, abs=0.03)


def test_a_plain_mosaic_and_a_hologram_have_no_colours(make_mosaic, make_hologram):
    assert colour_levels(make_mosaic()) is None
    assert colour_levels(make_hologram()) is None


def test_levelling_gives_the_plain_mosaic_back(colour_mosaic):
    colour, plain = colour_mosaic
    level = levelled(colour[None, :254, :251], RGGB)
    assert level.shape == (1, 254, 251)
    # Rounding the dimmest colour to whole counts, over its brightness.
    assert np.abs(level[0] - plain[:254, :251]).max() <= 0.5 / 0.4 + 1e-3


def test_a_colour_polarization_camera_is_recognised(tmp_path, colour_mosaic):
    path = tmp_path / "a.npy"
    np.save(path, colour_mosaic[0])
    acquisition = open_acquisition(path)
    assert acquisition.modality is Modality.POLARIZATION
    assert acquisition.is_mosaic
    assert isinstance(acquisition.source, LevelledSource)
    assert any("colour filters" in note for note in acquisition.notes)
    assert is_ours(path)


def test_its_phase_is_that_of_a_plain_sensor(tmp_path, colour_mosaic):
    from napari_qpm.retrieval import retrieve

    phases = []
    for image in colour_mosaic:
        path = tmp_path / "a.npy"
        np.save(path, image)
        phases.append(retrieve(open_acquisition(path)).read(0))
    # Differences come from rounding the dim colours to 8 bits.
    assert np.abs(phases[0] - phases[1])[4:-4, 4:-4].mean() < 0.02
