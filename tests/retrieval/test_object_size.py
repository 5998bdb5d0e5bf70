import numpy as np
import pytest

from napari_qpm.acquisition import Acquisition
from napari_qpm.retrieval.network_input import network_step
from napari_qpm.retrieval.object_size import large_diameter, object_size_px
from napari_qpm.runtime import ModelSpec

SHAPE = (256, 288)
CARRIER = (0.25, 0.2)


def recording(diameter, height=4.0):
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    distance = np.hypot(y - 128, x - 140) / (diameter / 2)
    phase = height * np.sqrt(np.clip(1 - distance**2, 0, None))
    straight = 2 * np.pi * (CARRIER[0] * y + CARRIER[1] * x)
    counts = (500 * (1 + 0.7 * np.cos(straight + phase))).astype(np.float32)
    facts = {"sideband_cycles_per_px": CARRIER, "phase_sign": 1}
    return Acquisition.from_array(counts, "off-axis", **facts)


def spec(side, **preprocessing):
    return ModelSpec(
        name="any",
        title="Any",
        kind="phase",
        architecture="nas-prnet",
        preprocessing=preprocessing,
        training={"config": {"domain": {"shape": [side, side]}}},
    )


@pytest.mark.parametrize("diameter", [40, 120])
def test_size_is_that_of_the_cell(diameter):
    assert object_size_px(recording(diameter)) == pytest.approx(diameter, rel=0.1)


def test_empty_frames_have_no_size():
    assert object_size_px(recording(40, height=0.0)) == 0


def test_specks_do_not_count():
    assert large_diameter(np.array([5.0] * 50 + [100.0])) == 100
    assert large_diameter(np.empty(0)) == 0


def test_grid_is_coarser_for_cells_larger_than_the_model_knows():
    assert network_step(recording(40), spec=spec(256)) == 1
    assert network_step(recording(120), spec=spec(256)) == 1
    assert network_step(recording(120), spec=spec(64)) == 2
    # Not so coarse that nothing is left of the frame.
    assert network_step(recording(120), spec=spec(32)) == 2


def test_wish_and_adapted_model_come_first():
    assert network_step(recording(120), 1, spec(256)) == 1
    assert network_step(recording(40), None, spec(256, scale=3)) == 3
