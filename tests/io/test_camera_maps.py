"""A camera's pixels are measured once and taken out of every frame."""

import pickle

import numpy as np
import pytest

from napari_qpm.acquisition import Acquisition
from napari_qpm.errors import FileFormatError, LayoutError
from napari_qpm.io.camera_maps import CameraMaps
from napari_qpm.jobs import CancelToken
from napari_qpm.retrieval import make_phase_engine

SONY = (90, 45, 135, 0)
SHAPE = (64, 72)


@pytest.fixture
def camera(rng):
    """Return dark level, sensitivity and what exposes light ``(T, Y, X)``."""
    dark = 100 + rng.normal(0, 3, SHAPE)
    angles = np.array([[1.06, 0.97], [1.0, 0.97]])
    sensitivity = np.tile(angles, (SHAPE[0] // 2, SHAPE[1] // 2))
    sensitivity = sensitivity * (1 + 0.02 * rng.normal(size=SHAPE))

    def expose(light):
        noise = rng.normal(0, 2, light.shape)
        return np.clip(np.rint(dark + sensitivity * light + noise), 0, 4095).astype(
            np.uint16
        )

    return dark, sensitivity / sensitivity.mean(), expose


def recording(frames, **facts):
    return Acquisition.from_array(
        frames,
        "polarization",
        polarization_layout=SONY,
        reference_wave="separate",
        phase_sign=1,
        bit_depth=12,
        **facts,
    )


@pytest.fixture
def maps(camera):
    _, _, expose = camera
    dark = recording(expose(np.zeros((16, *SHAPE))))
    flat = recording(expose(np.full((32, *SHAPE), 2000.0)))
    return CameraMaps.measure(dark, flat)


def mosaic(phase):
    frame = np.empty(SHAPE)
    for place, angle in enumerate(SONY):
        row, column = divmod(place, 2)
        light = 1500 * (1 + 0.8 * np.cos(phase + 2 * np.deg2rad(angle)))
        frame[row::2, column::2] = light[row::2, column::2]
    return frame[None]


def test_maps_are_those_of_the_camera(camera, maps):
    dark, sensitivity, _ = camera
    assert np.std(maps.dark[0] - dark) < 0.7  # 2 counts over 4, and rounding
    assert np.std(maps.sensitivity[0] / sensitivity - 1) < 1e-3
    assert not maps.broken.any()


def test_phase_of_an_uneven_camera_is_that_of_an_even_one(camera, maps):
    _, _, expose = camera
    y, x = np.mgrid[-1 : 1 : SHAPE[0] * 1j, -1 : 1 : SHAPE[1] * 1j]
    phase = 1.5 * np.exp(-(x**2 + y**2) / 0.2) + 2 * x

    def error(acquisition):
        engine = make_phase_engine("four-step", background="none", unwrapping="none")
        frame = acquisition.read(0)[None]
        found = engine.retrieve(frame, acquisition, CancelToken()).wrapped[0]
        return np.std(np.angle(np.exp(1j * (found - phase)))[6:-6, 6:-6])

    raw = recording(expose(mosaic(phase)))
    assert error(maps.apply(raw)) < 0.3 * error(raw)


def test_step_of_known_height_has_it(camera, maps):
    _, _, expose = camera
    phase = np.zeros(SHAPE)
    phase[:, 36:] = 0.8
    corrected = maps.apply(recording(expose(mosaic(phase))))
    engine = make_phase_engine("four-step", background="none", unwrapping="none")
    found = engine.retrieve(corrected.read(0)[None], corrected, CancelToken())
    height = found.phase[0][:, 46:-6].mean() - found.phase[0][:, 6:26].mean()
    assert height == pytest.approx(0.8, abs=0.005)


def test_dead_and_hot_pixels_are_filled_from_their_own_angle(camera):
    _, _, expose = camera
    black = expose(np.zeros((8, *SHAPE)))
    white = expose(np.full((8, *SHAPE), 2000.0))
    black[:, 10, 11], white[:, 30, 31] = 3000, 90
    maps = CameraMaps.measure(recording(black), recording(white))
    assert np.argwhere(maps.broken[0]).tolist() == [[10, 11], [30, 31]]
    frame = expose(mosaic(np.zeros(SHAPE)))
    frame[0, 30, 31] = 90
    filled = maps.apply(recording(frame)).read(0)[0]
    assert filled[30, 31] == pytest.approx(filled[30, 33], rel=0.05)


def test_facts_follow_and_saturation_is_lost_light(camera, maps):
    _, _, expose = camera
    frame = expose(np.full((1, *SHAPE), 1000.0))
    frame[0, 5, 5] = 4095
    known = {"dark_counts": 100.0, "analyser_gains": (0.97, 0.97, 1.06, 1.0)}
    corrected = maps.apply(recording(frame, reference=frame, **known))
    assert corrected.instrument.dark_counts == 0
    assert corrected.instrument.analyser_gains == (1, 1, 1, 1)
    assert corrected.reference.dtype == np.float32
    assert np.isnan(corrected.read(0)[0, 5, 5])
    assert corrected.history[-1].name == "calibrate"
    pickle.loads(pickle.dumps(corrected.source)).read(0)


def test_file_round_trip_is_exact(maps, tmp_path):
    again = CameraMaps.load(maps.dump(tmp_path / "camera.npz"))
    np.testing.assert_array_equal(again.dark, maps.dark)
    np.testing.assert_array_equal(again.sensitivity, maps.sensitivity)
    assert again.notes == maps.notes


def test_another_file_is_no_calibration(tmp_path):
    np.savez(tmp_path / "other.npz", frames=np.zeros(3))
    with pytest.raises(FileFormatError, match="no calibration of a camera"):
        CameraMaps.load(tmp_path / "other.npz")


def test_other_frame_size_is_refused(maps):
    with pytest.raises(LayoutError, match="same settings"):
        maps.apply(recording(np.zeros((1, 32, 32), np.uint16)))


def test_black_flat_is_refused(camera):
    _, _, expose = camera
    black = recording(expose(np.zeros((2, *SHAPE))))
    with pytest.raises(LayoutError, match="no flat field"):
        CameraMaps.measure(black, black)
