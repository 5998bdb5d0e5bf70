"""Doubt is large where an engine and its second opinion see other cells."""

import numpy as np
import pytest
from tests.segmentation.test_dm_qpmnet_engine import (
    RoundCells,
    cells,
    phase_map,
    spec_of,
)

from napari_qpm.jobs import CancelToken
from napari_qpm.segmentation import SegmentationEngine, doubt, make_segmentation_engine
from napari_qpm.segmentation.dm_qpmnet_engine import (
    UPSIDE_DOWN,
    DMQPMNetPhaseParameters,
    labels_by_session,
)


def two_cones(apart: float) -> np.ndarray:
    """Return phase ``(1, 64, 64)`` of two cones on noise, so many pixels apart."""
    y, x = np.indices((64, 64))
    cones = [
        np.clip(1 - np.hypot(y - 32, x - cx) / 12, 0, None) for cx in (18, 18 + apart)
    ]
    noise = np.random.default_rng(1).normal(0, 0.01, (64, 64))
    return (2 * np.max(cones, axis=0) + noise)[None].astype(np.float32)


def test_cells_that_touch_are_more_in_doubt_than_cells_apart():
    engine = make_segmentation_engine("watershed", separation=1.2, cell_diameter=24)
    apart, touching = (
        doubt(engine, phase_map(two_cones(d)), CancelToken()) for d in (28, 16)
    )
    assert 0 < apart < 0.2
    # The second opinion takes them for one cell.
    assert touching > 0.5


def test_empty_frames_are_not_in_doubt():
    engine = make_segmentation_engine("watershed")
    empty = phase_map(np.zeros((1, 48, 48), np.float32))
    assert doubt(engine, empty, CancelToken()) == 0


def test_the_watersheds_second_opinion_parts_less_and_keeps_the_rest():
    engine = make_segmentation_engine("watershed", separation=4, threshold=0.2)
    second = engine.second_opinion()
    assert isinstance(second, SegmentationEngine)
    assert second.parameters.separation == 5
    assert second.parameters.threshold == pytest.approx(0.3)
    assert second.parameters.smoothing == engine.parameters.smoothing


def test_a_network_is_asked_once_more_upside_down():
    session = RoundCells(spec_of(["phase"]))
    frame, token = phase_map(cells()), CancelToken()
    parameters = DMQPMNetPhaseParameters()
    plain = labels_by_session(session, frame, parameters, token)
    seen = len(session.shapes)
    turned = labels_by_session(session, frame, parameters, token, UPSIDE_DOWN)
    assert len(session.shapes) == 2 * seen
    # This network sees no direction, so that only tiles and numbering can differ.
    assert ((plain > 0) == (turned > 0)).mean() > 0.99
