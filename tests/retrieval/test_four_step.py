"""Four-step phase against the truth, its error table and its own checks."""

import itertools

import numpy as np
import pytest

from napari_qpm.errors import LayoutError
from napari_qpm.retrieval._demosaic_kernels import mosaic_fringe_rows
from napari_qpm.retrieval.demosaic import ANGLES, Demosaicing
from napari_qpm.retrieval.four_step import (
    AngleSampling,
    check_fringes,
    difference_images,
    fringes,
    saturated_mask,
    subtract_phase,
    warm,
    wrapped_phase,
)

SONY = (90, 45, 135, 0)
READY = AngleSampling(ANGLES)
MOSAIC = AngleSampling(SONY)


def wrap(phase):
    return np.angle(np.exp(1j * np.asarray(phase, dtype=np.float64)))


def cell_phase(height=96, width=112, peak=2.5, tilt=0.02):
    y, x = np.mgrid[:height, :width]
    bump = (y - height / 2) ** 2 + (x - width / 3) ** 2
    return peak * np.exp(-bump / (2 * 18**2)) + tilt * x


def behind(phase, angle_deg, mean=1000.0, contrast=900.0):
    """Intensity behind an analyser; contrast / mean is the visibility."""
    return mean + contrast * np.cos(phase + 2 * np.deg2rad(angle_deg))


def ready(phase, order=ANGLES, **light):
    return np.stack([behind(phase, angle, **light) for angle in order])


def mosaic(phase, layout=SONY, offset=(0, 0), **light):
    rows, columns = np.indices(phase.shape) + np.reshape(offset, (2, 1, 1))
    angles = np.reshape(layout, (2, 2))[rows % 2, columns % 2]
    return behind(phase, angles, **light)[None]


def test_arctangent_is_exact_to_a_few_roundings(rng):
    # P7 allows 1e-5 rad; the polynomial has 2.5e-7, a float32 at pi rounds by 2.4e-7.
    truth = np.linspace(-np.pi, np.pi, 400 * 500).reshape(400, 500)
    radius = 10 ** rng.uniform(-3, 4, truth.shape)
    i0, i135 = radius * np.cos(truth), radius * np.sin(truth)
    frame = np.stack([i0, 0 * i0, 0 * i0, i135]).astype(np.float32)
    expected = np.arctan2(frame[3].astype(np.float64), frame[0])
    assert np.abs(wrap(wrapped_phase(frame, READY) - expected)).max() < 1e-6


@pytest.mark.parametrize("offset", [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_every_layout_and_roi_offset_recovers_the_phase(offset):
    truth = cell_phase()
    for layout in itertools.permutations(ANGLES):
        sampling = AngleSampling(layout, offset)
        found = wrapped_phase(mosaic(truth, layout, offset), sampling)
        # Mirrored borders bend the tilt; inside, bicubic is exact to 1e-3 rad here.
        assert np.abs(wrap(found - truth))[4:-4, 4:-4].max() < 1e-3


def test_every_order_of_ready_images_recovers_the_phase():
    truth = cell_phase()
    for order in itertools.permutations(ANGLES):
        found = wrapped_phase(ready(truth, order), AngleSampling(order))
        assert np.abs(wrap(found - truth)).max() < 1e-5


@pytest.mark.parametrize("shape", [(95, 112), (96, 111), (95, 111)])
def test_odd_sized_mosaic_keeps_its_size_and_phase(shape):
    truth = cell_phase(*shape)
    found = wrapped_phase(mosaic(truth), MOSAIC)
    assert found.shape == shape
    error = np.abs(wrap(found - truth))
    assert error[4:-4, 4:-4].max() < 1e-3
    # At the edge the mirror sees a kink in the tilt of 0.02 rad/px.
    assert error.max() < 0.03


def test_demosaicing_errors_rank_as_specified():
    # Peak 2.5 rad, sd 30 px, tilt 0.02 rad/px, 10 % ripple of the illumination.
    y, x = np.mgrid[:256, :256]
    truth = 2.5 * np.exp(-((y - 128) ** 2 + (x - 120) ** 2) / (2 * 30**2)) + 0.02 * x
    lamp = 1 + 0.1 * np.cos(2 * np.pi * x / 40)
    frame = mosaic(truth, mean=1000 * lamp, contrast=900 * lamp)
    rms = {}
    for method in Demosaicing:
        found = wrapped_phase(frame, AngleSampling(SONY, method=method))
        rms[method] = np.std(wrap(found - truth)[8:-8, 8:-8])
    assert rms["bicubic"] < 2e-5
    assert 5e-5 < rms["bilinear"] < 1e-3
    assert rms["bilinear"] < rms["fourier"] < 3e-3


def test_fourier_demosaicing_is_the_least_noisy(rng):
    truth = cell_phase()
    frame = mosaic(truth)
    frame += rng.normal(0, 10, frame.shape)
    rms = {}
    for method in Demosaicing:
        found = wrapped_phase(frame, AngleSampling(SONY, method=method))
        rms[method] = np.std(wrap(found - truth)[8:-8, 8:-8])
    assert rms["fourier"] < rms["bilinear"] < rms["bicubic"]


def test_shot_noise_follows_the_law(rng):
    visibility, electrons = 0.9, 1e4
    truth = np.tile(np.linspace(-3, 3, 300), (300, 1))
    light = ready(truth, mean=electrons, contrast=visibility * electrons)
    found = wrapped_phase(rng.poisson(light).astype(np.uint16), READY)
    expected = 1 / (visibility * np.sqrt(2 * electrons))
    # 90 000 samples: the estimate of a standard deviation is good to 0.3 %.
    assert np.std(wrap(found - truth)) == pytest.approx(expected, rel=0.05)


def polarimeter(phase, *, retardance_error_deg=0.0, extinction=0.0):
    """Ready images of waves 1 and 0.7 through a quarter-wave plate, Jones calculus."""

    def turned(angle):
        c, s = np.cos(angle), np.sin(angle)
        return np.array([[c, s], [-s, c]])

    retardance = np.pi / 2 + np.deg2rad(retardance_error_deg)
    plate = turned(np.pi / 4) @ np.diag([1, np.exp(1j * retardance)])
    plate = plate @ turned(-np.pi / 4)
    waves = np.stack([np.exp(1j * phase), 0.7 * np.ones_like(phase)])
    field = np.tensordot(plate, waves, axes=1)
    images = []
    for angle in np.deg2rad(ANGLES):
        along = field[0] * np.cos(angle) + field[1] * np.sin(angle)
        across = field[1] * np.cos(angle) - field[0] * np.sin(angle)
        images.append(np.abs(along) ** 2 + extinction * np.abs(across) ** 2)
    return np.stack(images).astype(np.float32)


def phase_error(images, truth):
    error = wrap(wrapped_phase(images, READY) - truth)
    return wrap(error - np.angle(np.exp(1j * error).mean()))


@pytest.fixture
def all_phases():
    return np.tile(np.linspace(-np.pi, np.pi, 361)[:-1], (8, 1))


def test_finite_extinction_costs_contrast_but_no_phase(all_phases):
    clean = fringes(polarimeter(all_phases), READY)
    leaky = polarimeter(all_phases, extinction=0.01)
    assert np.abs(phase_error(leaky, all_phases)).max() < 1e-5
    quality = fringes(leaky, READY).quality / clean.quality
    np.testing.assert_allclose(quality, 0.99 / 1.01, rtol=1e-3)


@pytest.mark.parametrize(
    ("error_deg", "rms_mrad", "max_mrad"), [(1, 4.5, 6.5), (3, 13.4, 19.5), (5, 22, 33)]
)
def test_retardance_error_costs_what_the_table_says(
    all_phases, error_deg, rms_mrad, max_mrad
):
    images = polarimeter(all_phases, retardance_error_deg=error_deg)
    error = 1e3 * phase_error(images, all_phases)
    assert np.std(error) == pytest.approx(rms_mrad, rel=0.03)
    assert np.abs(error).max() == pytest.approx(max_mrad, rel=0.05)


@pytest.mark.parametrize("make", [mosaic, ready])
def test_amplitude_and_quality_are_half_contrast_and_visibility(make):
    frame = make(cell_phase(tilt=0), mean=1000.0, contrast=600.0)
    found = fringes(frame, MOSAIC if len(frame) == 1 else READY)
    inner = (slice(8, -8), slice(8, -8))
    # Interpolation of the curved cell mixes the angles by 1e-3 of the contrast.
    np.testing.assert_allclose(found.amplitude[inner], 600, rtol=2e-3)
    np.testing.assert_allclose(found.quality[inner], 0.6, atol=3e-3)
    sampling = MOSAIC if len(frame) == 1 else READY
    np.testing.assert_array_equal(found.wrapped, wrapped_phase(frame, sampling))


def test_pixels_that_break_the_sum_rule_lose_quality():
    frame = ready(cell_phase(), mean=1000.0, contrast=800.0)
    frame[0, 20, 30] += 400
    quality = fringes(frame, READY).quality
    assert quality[20, 30] < 0.75
    assert quality[21, 30] == pytest.approx(0.8, abs=1e-4)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_every_pixel_type_gives_the_same_phase(dtype):
    truth = cell_phase()
    frame = np.round(mosaic(truth, mean=120.0, contrast=100.0))
    found = wrapped_phase(frame.astype(dtype), MOSAIC)
    np.testing.assert_array_equal(found, wrapped_phase(frame, MOSAIC))


def test_differences_and_sums_describe_mosaics_and_ready_images_alike():
    truth = cell_phase()
    from_mosaic = difference_images(mosaic(truth), MOSAIC)
    from_ready = difference_images(ready(truth), READY)
    for name in ("cosine", "sine", "axial", "diagonal"):
        one, other = getattr(from_mosaic, name), getattr(from_ready, name)
        np.testing.assert_allclose(one[8:-8, 8:-8], other[8:-8, 8:-8], atol=2)


def test_reference_phase_is_subtracted_in_wrapped_form():
    one, other = cell_phase(peak=9), cell_phase(peak=0, tilt=0.3)
    phase = wrap(one).astype(np.float32)
    subtract_phase(phase, wrap(other).astype(np.float32))
    assert np.abs(wrap(phase - (one - other))).max() < 2e-6
    assert np.abs(phase).max() <= np.pi + 1e-6


def test_saturation_spreads_as_far_as_the_interpolation():
    frame = np.full((1, 20, 20), 100, np.uint8)
    frame[0, 10, 10] = 255
    mask = saturated_mask(frame, 255, MOSAIC)
    expected = np.zeros((20, 20), bool)
    expected[7:14, 7:14] = True
    np.testing.assert_array_equal(mask, expected)
    ready_mask = saturated_mask(np.repeat(frame, 4, axis=0), 255, READY)
    assert ready_mask.sum() == 1


def test_fringes_pass_the_check_even_in_a_small_part_of_the_field(rng):
    truth = cell_phase(256, 256, tilt=0.3)
    y, x = np.mgrid[:256, :256]
    lamp = np.exp(-((y - 100) ** 2 + (x - 150) ** 2) / (2 * 30**2))
    frame = mosaic(truth, mean=1000 * lamp, contrast=500 * lamp)
    frame = np.round(frame + rng.normal(50, 3, frame.shape)).clip(0).astype(np.uint16)
    assert check_fringes(frame, MOSAIC, 4095).problem == ""


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda rng: np.zeros((1, 64, 64), np.uint16), "black"),
        (lambda rng: np.full((1, 64, 64), 4095, np.uint16), "100% of the frame is sat"),
        (lambda rng: np.full((1, 64, 64), np.nan, np.float32), "no valid numbers"),
        (lambda rng: np.full((1, 64, 64), 900, np.uint16), "no fringes"),
        (lambda rng: rng.poisson(20, (1, 256, 256)).astype(np.uint16), "no fringes"),
        (lambda rng: rng.poisson(20, (4, 256, 256)).astype(np.uint16), "no fringes"),
    ],
)
def test_frame_without_phase_is_told_in_words(rng, make, words):
    assert words in check_fringes(make(rng), MOSAIC, 4095).problem


def test_blank_frame_is_fine_where_none_is_expected():
    blank = np.full((4, 64, 64), 900, np.uint16)
    assert check_fringes(blank, READY, 4095, needs_fringes=False).problem == ""


@pytest.mark.parametrize("n_channels", [2, 3, 5])
def test_missing_angle_is_refused(n_channels):
    with pytest.raises(LayoutError, match="one raw mosaic or four angle images"):
        wrapped_phase(np.zeros((n_channels, 32, 32)), READY)


def test_warming_compiles_what_a_camera_frame_needs():
    warm()
    compiled = len(mosaic_fringe_rows.signatures)
    fringes(np.zeros((1, 64, 64), np.uint16), MOSAIC)
    assert len(mosaic_fringe_rows.signatures) == compiled
