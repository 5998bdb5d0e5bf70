"""What a network is not made for gets a bad residual or no phase, never a good mark.

With the shipped weights where they are there, and always with a network that has
learned nothing: the marks come from the physics, not from the network.
"""

import numpy as np
import pytest

from napari_qpm.acquisition import Acquisition
from napari_qpm.checks import Verdict, check_frame
from napari_qpm.errors import SidebandError
from napari_qpm.jobs import CancelToken
from napari_qpm.retrieval import make_phase_engine
from napari_qpm.runtime import ModelStore

SHAPE = (256, 256)
CARRIER = (0.21, 0.17)


@pytest.fixture(params=["tiny-net", "nas-prnet"])
def model(request, tiny_model):
    if request.param not in ModelStore().names():
        pytest.skip(f"the weights of {request.param} are not there")
    return request.param


def smooth_object(height_rad):
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    distance = np.hypot(y - 128, x - 128) / 90
    return height_rad * np.clip(1 - distance**2, 0, None) ** 2


def hologram(phase, rng, visibility=0.7):
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    straight = 2 * np.pi * (CARRIER[0] * y + CARRIER[1] * x)
    mean = 1500 * (1 + visibility * np.cos(straight + phase))
    return rng.normal(mean, np.sqrt(mean) / 2).clip(0, 4095).astype(np.uint16)


def brightfield(rng):
    """Cells that absorb and scatter a little, on grainy light."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    picture = np.full(SHAPE, 1800.0)
    for _ in range(12):
        cy, cx = rng.uniform(20, 236, 2)
        distance = np.hypot(y - cy, x - cx) / rng.uniform(12, 30)
        picture -= 500 * np.exp(-(distance**4)) - 300 * np.exp(
            -((distance - 1) ** 2) * 9
        )
    return rng.normal(picture, 20).clip(0, 4095).astype(np.uint16)


def retrieve(frame, model, **instrument):
    recording = Acquisition.from_array(
        frame, "off-axis", bit_depth=12, phase_sign=1, **instrument
    )
    engine = make_phase_engine("nas-prnet", model=model)
    resolved = engine.resolve(recording, CancelToken())
    return engine.retrieve(resolved.read(0)[None], resolved, CancelToken())


def residual_verdict(found):
    return check_frame(found.acquisition, found, 0).residual


def test_phase_above_the_range_does_not_explain_the_frame(model, rng):
    frame = hologram(smooth_object(22.0), rng)
    found = retrieve(frame, model, sideband_cycles_per_px=CARRIER)
    assert found.phase.max() < 12.5
    check = residual_verdict(found)
    assert check.verdict is Verdict.BAD
    assert "does not explain" in check.finding


def test_frame_without_fringes_gets_no_phase_and_a_reason(model, rng):
    frame = hologram(smooth_object(3.0), rng, visibility=0.0)
    found = retrieve(frame, model, sideband_cycles_per_px=CARRIER)
    assert not np.isfinite(found.phase).any()
    assert "no fringes" in found.frame_notes[0]["problem"]
    assert residual_verdict(found).verdict is Verdict.BAD


def test_brightfield_picture_is_refused(model, rng):
    with pytest.raises(SidebandError, match="No sideband"):
        retrieve(brightfield(rng), model)


def test_brightfield_picture_called_a_hologram_is_never_trusted(model, rng):
    found = retrieve(brightfield(rng), model, sideband_cycles_per_px=CARRIER)
    assert residual_verdict(found).verdict is Verdict.BAD
    assert "problem" in found.frame_notes[0]
