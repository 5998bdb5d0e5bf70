import dataclasses
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from napari_qpm.acquisition import Acquisition, PhaseMap
from napari_qpm.errors import JobCancelled, ModalityError, UnknownNameError
from napari_qpm.jobs import CancelToken
from napari_qpm.runtime.spec import ModelSpec
from napari_qpm.segmentation import SEGMENTATION_ENGINES, make_segmentation_engine
from napari_qpm.segmentation.cell_models import require_angles
from napari_qpm.segmentation.dm_qpmnet_engine import (
    DMQPMNetEngine,
    DMQPMNetParameters,
    DMQPMNetPhaseParameters,
    _tile_side,
    labels_by_session,
)

CHANNELS = ["angle 0", "angle 45", "angle 90", "angle 135", "phase"]


def spec_of(channels: list[str]) -> ModelSpec:
    return ModelSpec(
        name="small",
        title="Small",
        kind="cells",
        architecture="dm-qpmnet",
        config={"in_channels": len(channels)},
        preprocessing={"channels": channels},
        valid={"size_px": [16, 56]},
        tile={"tile_px": 64, "fixed": True},
    )


@dataclass
class RoundCells:
    """A session that knows where phase is: nearness is the height itself."""

    spec: ModelSpec
    device: str = "cpu"
    shapes: list[tuple[int, ...]] = field(default_factory=list)

    @property
    def model(self) -> Any:
        return SimpleNamespace(spec=self.spec)

    def run(self, inputs: np.ndarray) -> np.ndarray:
        self.shapes.append(inputs.shape)
        height = inputs[:, -1:] / 2
        return np.concatenate([20 * (height - 0.1), height, height], axis=1)


def cells(scale: int = 1) -> np.ndarray:
    """Return phase ``(1, 96, 96)`` times a scale: three cones, two of which touch."""
    y, x = np.indices((96 * scale, 96 * scale)) / scale
    cones = [
        1 - np.hypot(y - cy, x - cx) / 12 for cy, cx in ((30, 30), (30, 50), (70, 60))
    ]
    return 2 * np.clip(np.max(cones, axis=0), 0, None)[None].astype(np.float32)


def phase_map(phase: np.ndarray, **instrument: Any) -> PhaseMap:
    recording = Acquisition.from_array(
        phase, "phase", wavelength_nm=532, phase_unit="rad", **instrument
    )
    return PhaseMap(phase=phase, acquisition=recording)


def test_touching_cells_of_any_frame_size_are_found():
    session = RoundCells(spec_of(["phase"]))
    found = labels_by_session(
        session, phase_map(cells()), DMQPMNetPhaseParameters(), CancelToken()
    )
    assert found.shape == (1, 96, 96)
    assert found.max() == 3
    assert len({found[0, 30, 30], found[0, 30, 50], found[0, 70, 60]}) == 3
    # Every tile is as large as those of training.
    assert {shape[2:] for shape in session.shapes} == {(64, 64)}


def test_large_cells_are_made_smaller_for_the_network():
    session = RoundCells(spec_of(["phase"]))
    parameters = DMQPMNetPhaseParameters(cell_diameter=200)
    found = labels_by_session(session, phase_map(cells(5)), parameters, CancelToken())
    assert found.shape == (1, 480, 480)
    assert found.max() == 3
    assert len(session.shapes) <= 9


def test_thorough_answers_agree_and_see_every_mirror_image():
    sessions = [RoundCells(spec_of(["phase"])) for _ in range(2)]
    found = [
        labels_by_session(
            session,
            phase_map(cells()),
            DMQPMNetPhaseParameters(thorough=thorough),
            CancelToken(),
        )
        for session, thorough in zip(sessions, (False, True), strict=True)
    ]
    assert found[0].max() == found[1].max() == 3
    np.testing.assert_array_equal(found[0] > 0, found[1] > 0)
    assert len(sessions[1].shapes) >= 4 * len(sessions[0].shapes)


def test_missing_pixels_are_background_and_an_empty_frame_has_no_cells():
    session = RoundCells(spec_of(["phase"]))
    phase = cells()
    phase[0, 60:] = np.nan
    found = labels_by_session(
        session, phase_map(phase), DMQPMNetPhaseParameters(), CancelToken()
    )
    assert found.max() == 2
    assert found[0, 60:].max() == 0
    nothing = phase_map(np.zeros((1, 40, 50), np.float32))
    empty = labels_by_session(
        session, nothing, DMQPMNetPhaseParameters(), CancelToken()
    )
    assert empty.shape == (1, 40, 50)
    assert empty.max() == 0


def test_angles_come_from_the_recording():
    session = RoundCells(spec_of(CHANNELS))
    raw = np.ones((2, 4, 96, 96), np.float32)
    raw[1] = 7
    recording = Acquisition.from_array(raw, "polarization", wavelength_nm=532)
    maps = PhaseMap(phase=cells(), acquisition=recording, first_frame=1)
    found = labels_by_session(session, maps, DMQPMNetParameters(), CancelToken())
    assert found.max() == 3
    assert session.shapes[0][1] == 5


def test_a_recording_without_angles_is_told_which_model_to_take():
    with pytest.raises(ModalityError, match=r"'array' is a phase recording.*-phase"):
        require_angles(spec_of(CHANNELS), phase_map(cells()).acquisition)
    require_angles(spec_of(["phase"]), phase_map(cells()).acquisition)


@pytest.mark.parametrize("engine", ["dm-qpmnet", "dm-qpmnet-phase"])
def test_a_missing_model_is_named_with_the_way_to_one(engine):
    made = make_segmentation_engine(engine, model="no-such-model")
    with pytest.raises(UnknownNameError, match="no-such-model"):
        made.segment(phase_map(cells()), CancelToken())


def test_a_model_of_phase_is_no_model_of_cells():
    made = make_segmentation_engine("dm-qpmnet-phase", model="nas-prnet")
    with pytest.raises(ModalityError, match="not cells"):
        made.segment(phase_map(cells()), CancelToken())


def test_cancelled_at_the_next_frame():
    token = CancelToken()
    token.cancel()
    session = RoundCells(spec_of(["phase"]))
    with pytest.raises(JobCancelled):
        labels_by_session(session, phase_map(cells()), DMQPMNetPhaseParameters(), token)


def test_angles_are_offered_for_polarization_cameras_only():
    names = {entry.name for entry in SEGMENTATION_ENGINES.for_modality("phase")}
    assert "dm-qpmnet" not in names
    assert "dm-qpmnet-phase" in names
    assert DMQPMNetEngine().parameters.model == "dm-qpmnet"


@pytest.mark.parametrize(("longest", "side"), [(96, 128), (300, 320), (2000, 512)])
def test_networks_without_attention_see_as_much_as_they_may(longest, side):
    spec = dataclasses.replace(spec_of(["phase"]), tile={"tile_px": 512})
    assert _tile_side(spec, longest) == side
