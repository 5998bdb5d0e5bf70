import numpy as np

from napari_qpm.acquisition import (
    Acquisition,
    ArraySource,
    Instrument,
    Modality,
    PhaseMap,
)
from napari_qpm.measurement import measure, saturated_pixels


def make_map(raw, scale, **instrument):
    acquisition = Acquisition(
        source=ArraySource(raw),
        modality=Modality.OFF_AXIS,
        instrument=Instrument(**instrument),
    )
    shape = tuple(int(n / s) for n, s in zip(raw.shape[-2:], scale, strict=True))
    phase = np.zeros((raw.shape[0], *shape), np.float32)
    return PhaseMap(phase=phase, acquisition=acquisition, grid_scale=scale)


def test_saturated_raw_pixels_mark_their_pixel_of_the_phase():
    raw = np.zeros((2, 1, 30, 40), np.uint16)
    raw[1, 0, 29, 12] = 4095
    phase_map = make_map(raw, (3.0, 4.0), bit_depth=12)
    assert not saturated_pixels(phase_map, 0).any()
    np.testing.assert_array_equal(np.argwhere(saturated_pixels(phase_map, 1)), [[9, 3]])
    labels = np.ones((2, 10, 10), int)
    assert list(measure(phase_map, labels)["saturated"]) == [False, True]


def test_unknown_bit_depth_is_unknown_saturation():
    raw = np.full((1, 1, 8, 8), 4095, np.uint16)
    phase_map = make_map(raw, (1.0, 1.0))
    assert saturated_pixels(phase_map, 0) is None
    assert "saturated" not in measure(phase_map, np.ones((1, 8, 8), int))
