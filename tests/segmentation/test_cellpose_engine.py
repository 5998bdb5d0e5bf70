"""Cellpose as an engine, with a stand-in for the package: it is not installed here."""

import sys
from types import ModuleType
from typing import ClassVar

import numpy as np
import pytest
from tests.segmentation.test_dm_qpmnet_engine import cells, phase_map

from napari_qpm.errors import JobCancelled, QPMError
from napari_qpm.jobs import CancelToken
from napari_qpm.runtime.devices import DeviceName
from napari_qpm.segmentation import (
    SegmentationEngine,
    doubt,
    make_segmentation_engine,
)
from napari_qpm.segmentation import cellpose_engine as module


class FakeModel:
    """Calls everything above 0.5 cell 1; remembers what it was asked."""

    made: ClassVar[list["FakeModel"]] = []

    def __init__(self, gpu=False, pretrained_model="cpsam"):
        self.gpu, self.pretrained_model = gpu, pretrained_model
        self.asked, self.images = [], []
        self.made.append(self)

    def eval(self, x, diameter=None, flow_threshold=0.4, cellprob_threshold=0.0):
        self.images.append(np.array(x))
        self.asked.append((diameter, flow_threshold, cellprob_threshold))
        if diameter == 13:
            raise RuntimeError("CUDA error")
        return (x > 0.5).astype(np.uint16), [], np.zeros(3)


@pytest.fixture
def cellpose(monkeypatch):
    package, models = ModuleType("cellpose"), ModuleType("cellpose.models")
    models.CellposeModel = FakeModel
    monkeypatch.setitem(sys.modules, "cellpose", package)
    monkeypatch.setitem(sys.modules, "cellpose.models", models)
    monkeypatch.setattr(FakeModel, "made", [])
    module._network.cache_clear()
    yield FakeModel.made
    module._network.cache_clear()


def test_cellpose_is_asked_with_our_parameters(cellpose):
    engine = make_segmentation_engine(
        "cellpose", cell_diameter=24, cell_threshold=-1, model="mine", device="cpu"
    )
    frames = phase_map(np.repeat(cells(), 2, axis=0), pixel_size_um=0.5)
    labels = engine.segment(frames, CancelToken())

    np.testing.assert_array_equal(labels, cells().repeat(2, axis=0) > 0.5)
    (model,) = cellpose
    assert (model.gpu, model.pretrained_model) == (False, "mine")
    assert model.asked == [(48.0, 0.4, -1.0)] * 2
    assert isinstance(engine, SegmentationEngine)
    assert engine.parameters.device is DeviceName.CPU


def test_pixels_without_phase_are_no_cell(cellpose):
    phase = cells()
    phase[0, 28:32] = np.nan
    labels = make_segmentation_engine("cellpose").segment(
        phase_map(phase), CancelToken()
    )
    assert np.isfinite(cellpose[0].images[0]).all()
    assert labels.max() == 1
    assert not labels[0, 28:32].any()


def test_the_second_opinion_sees_the_frame_upside_down(cellpose):
    engine = make_segmentation_engine("cellpose")
    assert doubt(engine, phase_map(cells()), CancelToken()) == 0
    first, second = cellpose[0].images
    np.testing.assert_array_equal(second, first[::-1, ::-1])


def test_its_own_errors_are_told_in_our_words(cellpose):
    engine = make_segmentation_engine("cellpose", cell_diameter=13)
    with pytest.raises(QPMError, match=r"Cellpose failed \(RuntimeError: CUDA error"):
        engine.segment(phase_map(cells()), CancelToken())


def test_cancelled_at_the_next_frame(cellpose):
    token = CancelToken()
    token.cancel()
    with pytest.raises(JobCancelled):
        make_segmentation_engine("cellpose").segment(phase_map(cells()), token)


def test_without_the_package_it_is_said_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "cellpose.models", None)
    module._network.cache_clear()
    with pytest.raises(QPMError, match=r"pip install 'napari-qpm\[cellpose\]'"):
        make_segmentation_engine("cellpose").segment(phase_map(cells()), CancelToken())
