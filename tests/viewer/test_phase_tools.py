"""The tools below the Phase step: the median over time, and the spectrum's fold."""

import numpy as np
import pytest
from tests.viewer.conftest import show_recording

from napari_qpm.acquisition import RELATIVE, Acquisition
from napari_qpm.viewer.folder_memory import FolderMemory
from napari_qpm.viewer.frame_maker import Kind
from napari_qpm.viewer.phase_tools import PhaseTools
from napari_qpm.viewer.preview import Preview
from napari_qpm.viewer.references import References

Y, X = np.mgrid[:96, :96]


@pytest.fixture
def tools(qtbot, workflow, mailbox):
    preview = Preview(workflow, mailbox.post)
    made = PhaseTools(workflow, preview, References(workflow, FolderMemory()))
    qtbot.addWidget(made)
    yield made
    made.close_connections()
    preview.close()


def holograms(n_frames):
    carrier = 2 * np.pi * (0.25 * Y + 0.2 * X)
    bumps = [np.exp(-((Y - 48) ** 2 + (X - 10 * t) ** 2) / 90) for t in range(n_frames)]
    frames = np.stack([100 * (1 + np.cos(carrier + 2 * bump)) for bump in bumps])
    return Acquisition.from_array(frames, "off-axis", name="crowd", phase_sign=1)


def is_offered(tools, monkeypatch, is_relative=True):
    found = {RELATIVE: True} if is_relative else {}
    monkeypatch.setattr(Preview, "frame_notes", property(lambda _: found))
    tools.refresh()
    return not tools.median.isHidden()


def test_one_click_takes_the_median_of_a_crowded_series(
    tools, viewer, workflow, mailbox, monkeypatch
):
    show_recording(viewer, holograms(6))
    assert is_offered(tools, monkeypatch)
    tools.median.click()
    mailbox.follow(workflow)
    assert workflow.acquisition.reference is not None
    assert "median over time" in " ".join(workflow.acquisition.notes)
    assert not is_offered(tools, monkeypatch)


@pytest.mark.parametrize(("n_frames", "is_relative"), [(6, False), (3, True)])
def test_it_is_not_offered_where_it_is_not_needed_or_cannot_be(
    tools, viewer, monkeypatch, n_frames, is_relative
):
    show_recording(viewer, holograms(n_frames))
    assert not is_offered(tools, monkeypatch, is_relative)


def test_an_open_spectrum_is_asked_for_once(tools, viewer, qtbot, monkeypatch):
    show_recording(viewer, holograms(1))
    asked = []
    monkeypatch.setattr(tools._preview, "show", asked.append)

    tools.fold.expand(animate=False)
    qtbot.wait(100)

    assert asked == [Kind.SPECTRUM]
