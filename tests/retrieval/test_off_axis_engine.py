"""Holograms with known phase are demodulated to it, on any grid and carrier."""

import numpy as np
import pytest
import scipy.ndimage

from napari_qpm.acquisition import Acquisition
from napari_qpm.errors import LayoutError, ParameterError, SidebandError
from napari_qpm.jobs import CancelToken
from napari_qpm.retrieval import make_phase_engine
from napari_qpm.retrieval.demodulation import Demodulator

SHAPE = (240, 300)


def cell(shape=SHAPE, height=6.0):
    y, x = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    return height * np.exp(-(((y - 0.1) ** 2 + (x + 0.2) ** 2) ** 2) / 0.02)


def aberration(shape=SHAPE):
    y, x = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    return 1.0 + 2 * x + 3 * y**2 + 4 * x**2 - 2 * x * y


def hologram(phase, carrier=(0.24, 0.21), noise=10.0, seed=0):
    y, x = np.mgrid[: phase.shape[0], : phase.shape[1]]
    fringes = np.cos(2 * np.pi * (carrier[0] * y + carrier[1] * x) + phase)
    shot = np.random.default_rng(seed).normal(0, noise, phase.shape)
    return 2000 * (1 + 0.7 * fringes) + shot


def retrieve(acquisition, **parameters):
    engine = make_phase_engine("fourier", **parameters)
    resolved = engine.resolve(acquisition, CancelToken())
    frames = np.stack([resolved.read(t) for t in range(resolved.n_frames)])
    return engine.retrieve(frames, resolved, CancelToken())


def on_grid(truth, phase_map):
    """Sample the truth where the pixels of a map are."""
    _, ny, nx = phase_map.shape
    y = np.arange(ny) * phase_map.grid_scale[0]
    x = np.arange(nx) * phase_map.grid_scale[1]
    return scipy.ndimage.map_coordinates(
        truth, np.meshgrid(y, x, indexing="ij"), order=3, mode="nearest"
    )


def inner(values, rim=0.06):
    """Cut the rim, where a hologram that does not repeat leaves ringing."""
    ry, rx = (int(rim * n) for n in values.shape)
    return values[ry:-ry, rx:-rx]


@pytest.mark.parametrize("grid", ["cropped", "full"])
@pytest.mark.parametrize(
    "carrier", [(0.24, 0.21), (-0.26, 0.18), (0.02, 0.3), (0.3, 0)]
)
def test_known_phase_comes_back(carrier, grid):
    frame = hologram(cell() + aberration(), carrier)
    result = retrieve(Acquisition.from_array(frame, "off-axis"), grid=grid)
    error = inner(result.phase[0] - on_grid(cell(), result))
    # 10 of 1400 counts of noise is below 10 mrad in the band; the rest is leakage of
    # a frame whose fringes do not repeat at its edges.
    assert np.std(error) < 0.04
    assert abs(np.mean(error)) < 0.04


def test_other_sideband_gives_the_same_picture():
    frame = hologram(cell() + aberration())
    one = retrieve(Acquisition.from_array(frame, "off-axis"))
    found = one.acquisition.instrument
    assert found.phase_sign == 1
    opposite = tuple(-f for f in found.sideband_cycles_per_px)
    other = retrieve(
        Acquisition.from_array(frame, "off-axis", sideband_cycles_per_px=opposite)
    )
    assert other.acquisition.instrument.phase_sign == -1
    assert np.std(inner(one.phase[0] - other.phase[0])) < 1e-3


def test_sign_rule_is_told_and_can_be_overruled():
    frame = hologram(cell() + aberration())
    automatic = retrieve(Acquisition.from_array(frame, "off-axis"))
    assert any("thicker" in note for note in automatic.acquisition.notes)
    forced = retrieve(Acquisition.from_array(frame, "off-axis", phase_sign=-1))
    assert forced.acquisition.instrument.phase_sign == -1
    assert inner(forced.phase[0]).min() < -5


def test_reference_takes_out_what_no_polynomial_can():
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    ripple = 0.8 * np.sin(x / 11) * np.cos(y / 17)
    empty = hologram(aberration() + ripple, seed=1)
    frame = hologram(cell() + aberration() + ripple)
    without = retrieve(Acquisition.from_array(frame, "off-axis"))
    with_reference = retrieve(
        Acquisition.from_array(frame, "off-axis", reference=empty)
    )
    truth = on_grid(cell(), without)
    assert np.std(inner(with_reference.phase[0] - truth)) < 0.05
    assert np.std(inner(without.phase[0] - truth)) > 0.2


def test_frames_do_not_depend_on_their_batch():
    frames = np.stack([hologram(cell(height=h) + aberration()) for h in (2, 4, 6)])
    acquisition = Acquisition.from_array(frames, "off-axis")
    together = retrieve(acquisition)
    resolved = together.acquisition
    engine = make_phase_engine("fourier")
    alone = engine.retrieve(resolved.read(1)[None], resolved, CancelToken())
    np.testing.assert_allclose(alone.phase[0], together.phase[1], atol=1e-4)


def test_amplitude_is_half_the_fringe_amplitude():
    result = retrieve(Acquisition.from_array(hologram(cell()), "off-axis"))
    assert np.median(result.amplitude) == pytest.approx(2000 * 0.7 / 2, rel=0.02)


def test_pixels_of_the_cropped_grid_are_square():
    for shape in [(1024, 1224), (200, 210), (2048, 2448), (301, 257)]:
        scale = Demodulator(shape, (0.2, 0.2), 0.28 / 3).scale
        assert scale[0] == pytest.approx(scale[1], rel=5e-3)


def test_frame_without_fringes_says_so():
    noise = np.random.default_rng(0).normal(100, 5, SHAPE)
    with pytest.raises(SidebandError, match=r"No sideband was found in 'blank'"):
        retrieve(Acquisition.from_array(noise, "off-axis", name="blank"))


def test_four_channels_are_not_holograms():
    frames = np.zeros((1, 4, 32, 32))
    with pytest.raises(LayoutError, match="one channel"):
        retrieve(Acquisition.from_array(frames, "off-axis"))


def test_filter_radius_out_of_bounds_is_refused():
    with pytest.raises(ParameterError, match="filter_radius"):
        make_phase_engine("fourier", filter_radius=3)


def test_blank_frame_in_a_series_is_told_and_the_rest_survives():
    frames = np.stack([hologram(cell()), np.zeros(SHAPE), hologram(cell())])
    result = retrieve(Acquisition.from_array(frames, "off-axis"))
    assert "problem" in result.frame_notes[1]
    assert np.isnan(result.phase[1]).all()
    assert np.isfinite(result.phase[[0, 2]]).all()


def test_frame_with_nan_pixels_is_told_and_the_rest_survives():
    frames = np.stack([hologram(cell()), hologram(cell())])
    frames[1, 40:50, 60:80] = np.nan
    result = retrieve(Acquisition.from_array(frames, "off-axis"))
    assert "NaN" in result.frame_notes[1]["warning"]
    assert np.isfinite(result.phase[0]).all()
    assert 0 < np.isnan(result.phase[1]).mean() < 0.02


def test_saturated_pixels_are_counted():
    frame = np.clip(hologram(cell()), 0, 2600).astype(np.uint16)
    raw = (frame * (255 / 2600)).astype(np.uint8)
    result = retrieve(Acquisition.from_array(raw, "off-axis", bit_depth=8))
    assert result.frame_notes[0]["saturated_share"] > 0.05
    assert "saturated" in result.frame_notes[0]["warning"]
