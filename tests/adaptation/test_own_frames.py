import numpy as np
import pytest

from napari_qpm.acquisition import Acquisition
from napari_qpm.adaptation.own_frames import label_frames, measure_objects
from napari_qpm.errors import SidebandError
from napari_qpm.jobs import CancelToken

SHAPE = (192, 224)
CARRIER = (0.2, 0.15)


def ignore(progress):
    del progress


def hologram(radius=30.0, height=4.0, noise=5.0, seed=1):
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    distance = np.hypot(y - 90, x - 100) / radius
    phase = height * np.sqrt(np.clip(1 - distance**2, 0, None))
    straight = 2 * np.pi * (CARRIER[0] * y + CARRIER[1] * x)
    counts = 500 * (1 + 0.7 * np.cos(straight + phase))
    return counts + np.random.default_rng(seed).normal(0, noise, SHAPE)


def label(*frames):
    recording = Acquisition.from_array(np.stack(frames), "off-axis", name="dish")
    return label_frames([recording], CancelToken(), ignore)


def test_clear_frames_are_trusted_and_named():
    found = label(hologram(), hologram(seed=2))
    assert [frame.name for frame in found] == ["dish frame 0", "dish frame 1"]
    assert all(frame.is_trusted for frame in found)
    assert found[0].classical.shape == (1, *SHAPE)
    assert found[0].acquisition.n_frames == 1
    assert found[0].acquisition.instrument.phase_sign == 1


def test_frames_without_fringes_are_left_out():
    found = label(hologram(), np.full(SHAPE, 500.0))
    assert [frame.name for frame in found] == ["dish frame 0"]


def test_frames_that_fail_a_check_teach_nothing():
    # Stripes of light that are no part of the sideband: nothing explains this frame.
    y = np.arange(SHAPE[0])[:, None]
    (found,) = label(hologram() + 80 * np.cos(2 * np.pi * 0.45 * y))
    assert not found.is_trusted


def test_no_carrier_at_all_is_an_error(rng):
    with pytest.raises(SidebandError):
        label(rng.normal(500, 5, SHAPE))


def test_long_recordings_are_sampled_evenly():
    frames = [hologram()] * 20
    found = label(*frames)
    assert len(found) == 8
    assert found[0].name.endswith("frame 0")
    assert found[-1].name.endswith("frame 19")


def test_objects_have_the_size_and_height_of_the_cells():
    objects = measure_objects(label(hologram(radius=30, height=4)))
    # The rim of a sphere lies below the threshold.
    assert objects.diameters_px == pytest.approx([60], rel=0.1)
    assert objects.top_rad == pytest.approx(4, rel=0.1)
    assert objects.share == pytest.approx(np.pi * 30**2 / np.prod(SHAPE), rel=0.2)


def test_empty_frames_have_no_objects():
    objects = measure_objects(label(hologram(height=0.0)))
    assert objects.diameters_px.size == 0
    assert objects.top_rad == 0
