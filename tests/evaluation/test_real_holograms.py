"""Comparing with the classical phase, on a hologram whose phase is known."""

import json

import numpy as np
import pytest

from napari_qpm.acquisition import Acquisition
from napari_qpm.errors import SidebandError
from napari_qpm.evaluation.phase_set import make_frame
from napari_qpm.evaluation.real_holograms import compare_recording, real_table


@pytest.fixture(scope="module")
def frame():
    return make_frame(0)


@pytest.fixture
def found(frame, tiny_model):
    recording = frame.acquisition(is_calibrated=True)
    (one,) = compare_recording(recording, [tiny_model])
    return one


def test_untrained_network_neither_agrees_nor_explains_the_frame(found):
    assert found.agreement.inside_rms_rad > 0.3
    assert found.residual > 1.5 * found.classical_residual
    assert found.classical_residual < 1.5


def test_both_phases_are_of_the_same_side_and_sign(found, frame):
    known = found.classical.acquisition.instrument
    assert found.network.acquisition.instrument.phase_sign == known.phase_sign
    assert found.agreement.difference.shape == found.network.shape[1:]


def test_numbers_are_plain_and_make_a_table(found, tiny_model):
    values = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert values["model"] == tiny_model
    assert values["recording"] == "held-out frame 0"
    line = real_table([values]).splitlines()[2]
    assert line.startswith(f"| held-out frame 0 | {tiny_model} | ")
    assert f"{found.residual:.2f}" in line


def test_frame_of_a_series_is_compared_by_itself(frame, tiny_model):
    counts = np.stack([frame.counts[:, ::-1], frame.counts])
    series = Acquisition.from_array(
        counts,
        "off-axis",
        sideband_cycles_per_px=frame.acquisition().instrument.sideband_cycles_per_px,
        phase_sign=frame.acquisition().instrument.phase_sign,
    )
    (one,) = compare_recording(series, [tiny_model], frame=1)
    assert one.frame == 1
    assert np.array_equal(one.classical.acquisition.read(0)[0], frame.counts)


def test_picture_without_fringes_is_refused(tiny_model, rng):
    picture = Acquisition.from_array(rng.uniform(90, 110, (128, 128)), "off-axis")
    with pytest.raises(SidebandError):
        compare_recording(picture, [tiny_model])
