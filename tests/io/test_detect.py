"""Kinds of recording are told by content, and ordinary pictures are left alone."""

import numpy as np
import pytest
import skimage.data

from napari_qpm.acquisition import Modality
from napari_qpm.io.detect import detect_modality, four_angle_layout

LOCAL_PICTURES = [
    "astronaut",
    "brick",
    "camera",
    "cat",
    "checkerboard",
    "clock",
    "coffee",
    "coins",
    "colorwheel",
    "hubble_deep_field",
    "immunohistochemistry",
    "logo",
    "moon",
    "page",
    "rocket",
    "text",
]


@pytest.mark.parametrize("size", [96, 256])
@pytest.mark.parametrize("visibility", [0.9, 0.1])
@pytest.mark.parametrize("tilt", [(0, 0), (0, 0.02), (0.1, 0.15)])
def test_mosaics_are_found_at_any_tilt(make_mosaic, size, visibility, tilt):
    frame = make_mosaic((size, size), visibility, tilt)
    found = detect_modality(frame[None])
    assert found.modality is Modality.POLARIZATION
    assert found.layout == (90, 45, 135, 0)


def test_a_mosaic_with_a_carrier_is_still_a_mosaic(make_mosaic):
    frame = make_mosaic((512, 512), 0.8, (-0.2, 0.25))
    assert detect_modality(frame[None]).modality is Modality.POLARIZATION


def test_a_mosaic_cropped_at_an_odd_pixel_is_found(make_mosaic):
    frame = make_mosaic((129, 131))[1:, 1:]
    assert detect_modality(frame[None]).modality is Modality.POLARIZATION


@pytest.mark.parametrize("size", [96, 256])
@pytest.mark.parametrize("visibility", [0.9, 0.2])
@pytest.mark.parametrize(
    "carrier", [(0.2, 0.15), (0, 0.25), (0.33, 0.3), (0.3, 0), (-0.25, 0.25)]
)
def test_holograms_are_found_with_their_carrier(
    make_hologram, size, visibility, carrier
):
    found = detect_modality(make_hologram((size, size), visibility, carrier)[None])
    assert found.modality is Modality.OFF_AXIS
    # A bin is 1/64 cycles/px; either of the two conjugate carriers is right.
    distance = min(
        np.hypot(*np.subtract(found.carrier, s * np.array(carrier))) for s in (1, -1)
    )
    assert distance < 0.015


def test_crossed_fringes_are_named_and_no_hologram(phase_image):
    y, x = np.mgrid[:128, :128]
    one = np.cos(phase_image + 2 * np.pi * 0.24 * x + 0.3 * y)
    two = np.cos(phase_image + 2 * np.pi * 0.24 * y - 0.3 * x)
    found = detect_modality((100 * (1 + 0.4 * one + 0.4 * two)).astype(np.uint8)[None])
    assert found.modality is None
    assert "Crossed fringes" in found.reason


def test_float_images_without_fringes_are_phase(phase_image):
    assert detect_modality(phase_image[None]).modality is Modality.PHASE


def test_float_images_of_counts_are_not_phase(rng):
    counts = rng.poisson(100, (128, 128)).astype(np.float32)
    assert detect_modality(counts[None]).modality is None


def test_holes_of_nan_do_not_disturb(phase_image, make_hologram):
    holey = make_hologram().astype(np.float32)
    holey[10:20, 10:20] = np.nan
    assert detect_modality(holey[None]).modality is Modality.OFF_AXIS
    assert detect_modality(np.full((1, 64, 64), np.nan, np.float32)).modality is None


@pytest.mark.parametrize("value", [0, 255])
def test_blank_and_saturated_frames_are_said_to_be_blank(value):
    found = detect_modality(np.full((1, 64, 64), value, np.uint8))
    assert found.modality is None
    assert "blank" in found.reason


def test_noise_alone_is_nothing(rng):
    assert detect_modality(rng.poisson(99, (1, 512, 512)).astype("u1")).modality is None


def test_row_noise_of_a_camera_is_no_mosaic(rng):
    frame = rng.poisson(100, (1024, 1024)).astype(float)
    frame[::2] *= 1.03
    assert detect_modality(frame.astype(np.uint8)[None]).modality is None


@pytest.mark.parametrize("name", ["coffee", "astronaut", "retina"])
def test_bayer_patterns_are_no_polarizer_mosaic(name):
    colour = np.asarray(getattr(skimage.data, name)())
    bayer = colour[..., 1].copy()
    bayer[::2, ::2] = colour[::2, ::2, 0]
    bayer[1::2, 1::2] = colour[1::2, 1::2, 2]
    found = detect_modality(bayer[None])
    assert found.modality is None
    assert "Bayer" in found.reason


def test_diffraction_rings_are_no_hologram():
    y, x = np.mgrid[-128:128, -128:128]
    rings = (127 * (1 + np.cos((y**2 + x**2) / 256))).astype(np.uint8)
    assert detect_modality(rings[None]).modality is None


@pytest.mark.parametrize("name", LOCAL_PICTURES)
def test_ordinary_pictures_are_left_alone(name):
    picture = np.asarray(getattr(skimage.data, name)())
    grey = picture[..., 1] if picture.ndim == 3 else picture
    assert detect_modality(grey[None]).modality is None


def test_three_colours_are_chromatic():
    frame = np.moveaxis(skimage.data.astronaut(), -1, 0)
    assert detect_modality(frame).modality is Modality.CHROMATIC


def test_four_angles_are_found_with_their_pairing(make_angles):
    angles = make_angles()
    assert detect_modality(angles).layout == (0, 45, 90, 135)
    assert four_angle_layout(angles[[2, 1, 3, 0]]) == (90, 45, 135, 0)


def test_four_other_channels_are_no_angles(rng):
    found = detect_modality(rng.integers(0, 255, (4, 96, 96)).astype(np.uint8))
    assert found.modality is None
    assert "I0 + I90 = I45 + I135" in found.reason


def test_two_channels_are_said_to_fit_nothing():
    assert "2 channels" in detect_modality(np.zeros((2, 64, 64), np.uint8)).reason


def test_tiny_frames_are_said_to_be_too_small():
    assert "too small" in detect_modality(np.zeros((1, 16, 16), np.uint8)).reason


def test_smooth_phase_of_a_few_cells_is_not_taken_for_crossed_fringes():
    y, x = np.mgrid[:48, :64]
    cells = sum(
        np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 32) for cy, cx in ((16, 20), (32, 44))
    )
    found = detect_modality(cells.astype(np.float32)[None])
    assert found.modality is Modality.PHASE
