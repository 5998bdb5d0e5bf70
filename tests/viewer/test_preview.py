import gc
import threading
import time

import numpy as np
import pytest
from tests.viewer.conftest import make_recording, show_recording

from napari_qpm.errors import QPMError
from napari_qpm.viewer import preview as preview_module
from napari_qpm.viewer.fields import field_of
from napari_qpm.viewer.frame_maker import Kind
from napari_qpm.viewer.preview import Preview
from napari_qpm.viewer.settings import StepName
from napari_qpm.viewer.workflow import Scope

WAIT_S = 20


@pytest.fixture
def opened(viewer):
    """A recording with the slider at its first frame; napari starts in the middle."""
    layer = show_recording(viewer, make_recording(n_frames=6))
    go_to(viewer, 0)
    return layer


@pytest.fixture
def preview(opened, workflow, mailbox):
    made = Preview(workflow, mailbox.post)
    yield made
    made.close()
    assert made._phases.wait(WAIT_S)
    assert made._cells.wait(WAIT_S)


def settle(preview, mailbox):
    """Let the preview finish what it was asked for, and show it."""
    deadline = time.monotonic() + WAIT_S
    mailbox.deliver()
    while not preview.is_idle:
        assert time.monotonic() < deadline, "the preview did not come to rest"
        time.sleep(0.002)
    mailbox.deliver()


def go_to(viewer, t):
    viewer.dims.set_point(0, 60.0 * t)


def names(viewer):
    return [layer.name for layer in viewer.layers]


def test_phase_and_cells_follow_the_slider(opened, viewer, preview, mailbox, workflow):
    go_to(viewer, 2)
    settle(preview, mailbox)

    assert names(viewer) == ["dish", "dish preview", "dish preview cells"]
    shown = viewer.layers["dish preview"]
    expected = preview.context.replace().acquisition.read(2)[0]
    assert np.allclose(shown.data[2], expected, atol=0.2)
    assert viewer.layers["dish preview cells"].data[2].max() == 2
    assert np.isnan(shown.data[5]).all()
    assert tuple(shown.scale) == tuple(opened.scale)
    assert viewer.layers.selection.active is not shown
    assert workflow.field is field_of(opened)


def test_layers_on_demand_show_what_their_names_say(opened, viewer, preview, mailbox):
    go_to(viewer, 2)
    settle(preview, mailbox)
    preview.show(Kind.EMPTY)
    preview.show(Kind.OPD)
    settle(preview, mailbox)

    phase = viewer.layers["dish preview"].data[2]
    empty = viewer.layers["dish empty field"].data[2]
    path_nm = viewer.layers["dish optical path (nm)"].data[2]
    assert np.unique(empty).tolist() == [0, 1]
    assert phase[empty == 0].mean() > phase[empty == 1].mean() + 0.2
    wavelength_nm = preview.context.acquisition.instrument.wavelength_nm
    np.testing.assert_allclose(
        path_nm, phase * wavelength_nm / (2 * np.pi), rtol=1e-5, atol=1e-3
    )


def test_frames_ahead_are_made_in_the_direction_of_travel(
    opened, viewer, preview, mailbox
):
    go_to(viewer, 3)
    settle(preview, mailbox)
    data = viewer.layers["dish preview"].data
    assert np.isfinite(data[4]).all()
    assert np.isfinite(data[5]).all()
    assert np.isnan(data[2]).all()

    go_to(viewer, 2)
    settle(preview, mailbox)

    assert np.isfinite(data[1]).all()


def test_nothing_is_made_before_the_slider_moves_or_when_switched_off(
    opened, viewer, preview, mailbox
):
    settle(preview, mailbox)
    assert names(viewer) == ["dish"]

    preview.is_following = False
    go_to(viewer, 2)
    settle(preview, mailbox)
    assert names(viewer) == ["dish"]

    preview.is_following = True
    settle(preview, mailbox)
    assert "dish preview" in names(viewer)


def test_pictures_of_former_settings_never_show(
    opened, viewer, preview, mailbox, workflow
):
    go_to(viewer, 1)
    settle(preview, mailbox)
    before = viewer.layers["dish preview"].data[1].copy()

    workflow.settings.set_values(
        StepName.RETRIEVE, workflow.modality, {"background": "tilt"}
    )
    workflow.settings_changed.emit()
    settle(preview, mailbox)

    after = viewer.layers["dish preview"].data
    assert not np.array_equal(after[1], before)
    assert len([n for n in names(viewer) if n == "dish preview"]) == 1


def test_a_late_picture_of_another_frame_is_dropped(
    opened, viewer, preview, mailbox, monkeypatch
):
    go_to(viewer, 1)
    settle(preview, mailbox)
    told = []
    preview.pictured.connect(told.append)
    request = preview_module._Request(preview._maker, 4, (Kind.PHASE,), ())

    preview._on_picture(request, Kind.PHASE)

    assert told == []


def test_frames_that_were_retrieved_stay_as_they_are(
    opened, viewer, preview, mailbox, workflow
):
    workflow.run_all(Scope.ALL)
    mailbox.follow(workflow)
    go_to(viewer, 4)
    settle(preview, mailbox)

    assert "dish preview" not in names(viewer)


def test_the_preview_goes_when_all_frames_are_there(
    opened, viewer, preview, mailbox, workflow
):
    go_to(viewer, 2)
    settle(preview, mailbox)
    workflow.run_all(Scope.ALL)
    mailbox.follow(workflow)

    assert [n for n in names(viewer) if "preview" in n] == []

    # Other settings than those of the results are previewed again.
    workflow.settings.set_values(
        StepName.RETRIEVE, workflow.modality, {"background": "tilt"}
    )
    workflow.settings_changed.emit()
    settle(preview, mailbox)
    assert "dish preview" in names(viewer)


def test_a_problem_is_said_and_goes_away(opened, viewer, preview, mailbox, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("device lost")

    with monkeypatch.context() as patch:
        patch.setattr(preview_module.FrameMaker, "make", fail)
        go_to(viewer, 2)
        settle(preview, mailbox)
        assert "Frame 2" in preview.note
        assert "device lost" in preview.note

    go_to(viewer, 3)
    settle(preview, mailbox)
    assert preview.note == ""


def test_layers_on_demand_follow_and_go(opened, viewer, preview, mailbox):
    preview.is_following = False
    preview.show(Kind.OPD)
    settle(preview, mailbox)
    layer = viewer.layers["dish optical path (nm)"]
    phase = preview._maker.make(Kind.PHASE, 0, threading_token())
    assert np.allclose(layer.data[0], phase * 532 / (2 * np.pi), rtol=1e-5)

    go_to(viewer, 1)
    settle(preview, mailbox)
    assert np.isfinite(layer.data[1]).all()

    preview.hide(Kind.OPD)
    assert names(viewer) == ["dish"]


def threading_token():
    from napari_qpm.jobs import CancelToken

    return CancelToken()


def test_what_a_method_does_not_give_is_said(opened, viewer, preview, mailbox):
    preview.show(Kind.AMPLITUDE)
    settle(preview, mailbox)

    assert "gives no amplitude" in preview.note
    assert names(viewer) == ["dish"]


def test_deleting_the_preview_switches_it_off(opened, viewer, preview, mailbox):
    go_to(viewer, 2)
    settle(preview, mailbox)
    viewer.layers.remove("dish preview")
    mailbox.deliver()

    assert not preview.is_following
    go_to(viewer, 3)
    settle(preview, mailbox)
    assert "dish preview" not in names(viewer)


def test_renamed_and_deleted_recordings_do_no_harm(opened, viewer, preview, mailbox):
    go_to(viewer, 2)
    settle(preview, mailbox)
    opened.name = "other"
    go_to(viewer, 3)
    settle(preview, mailbox)
    viewer.layers.clear()
    settle(preview, mailbox)

    assert names(viewer) == []
    assert preview.is_following


def test_another_recording_takes_the_preview_over(opened, viewer, preview, mailbox):
    go_to(viewer, 2)
    settle(preview, mailbox)
    other = show_recording(viewer, make_recording(n_frames=4).replace(name="plate"))
    viewer.layers.selection.active = other
    go_to(viewer, 3)
    settle(preview, mailbox)

    assert [n for n in names(viewer) if "preview" in n] == [
        "plate preview",
        "plate preview cells",
    ]


def test_the_cache_stays_within_its_bounds(opened, viewer, preview, mailbox):
    frame_bytes = opened.data[0].nbytes
    preview.cache._limit = 4 * frame_bytes
    for t in range(6):
        go_to(viewer, t)
        settle(preview, mailbox)

    assert preview.cache.n_bytes <= 4 * frame_bytes


def test_closing_ends_threads_and_callbacks(opened, viewer, workflow, mailbox):
    before = len(viewer.dims.events.current_step.callbacks)
    made = Preview(workflow, mailbox.post)
    go_to(viewer, 2)
    settle(made, mailbox)

    made.close()

    assert made._phases.wait(WAIT_S)
    assert made._cells.wait(WAIT_S)
    assert len(viewer.dims.events.current_step.callbacks) == before
    assert not [
        thread
        for thread in threading.enumerate()
        if thread.name.startswith("qpm preview")
        and thread.is_alive()
        and thread in (made._phases._thread, made._cells._thread)
    ]
    del made
    gc.collect()


def test_slicing_never_computes(opened, viewer, preview, mailbox, monkeypatch):
    go_to(viewer, 2)
    settle(preview, mailbox)
    here = threading.get_ident()
    made_on = []
    make = preview_module.FrameMaker.make

    def watched(self, *args, **kwargs):
        made_on.append(threading.get_ident())
        return make(self, *args, **kwargs)

    monkeypatch.setattr(preview_module.FrameMaker, "make", watched)
    for t in (5, 0, 4):
        go_to(viewer, t)
    settle(preview, mailbox)

    assert made_on
    assert here not in made_on


def test_a_frame_is_asked_for_while_napari_slices_it(opened, viewer, preview, mailbox):
    go_to(viewer, 2)
    settle(preview, mailbox)
    asked = []
    preview._phases.ask = lambda request: asked.append(request.t)

    preview.layers.layer(Kind.PHASE).data[5]
    assert asked == [], "the slider rests at frame 2"
    preview._on_slider = lambda: None
    go_to(viewer, 5)

    assert asked == [5]


def test_errors_of_ours_keep_their_words(opened, viewer, preview, mailbox, monkeypatch):
    def fail(*_, **__):
        raise QPMError("The lamp was off.")

    monkeypatch.setattr(preview_module.FrameMaker, "make", fail)
    go_to(viewer, 1)
    settle(preview, mailbox)

    assert preview.note == "Frame 1: The lamp was off."


def test_a_changed_setting_shows_at_once_without_a_slider(
    opened, viewer, preview, mailbox, workflow
):
    workflow.settings.set_values(
        StepName.RETRIEVE, workflow.modality, {"background": "tilt"}
    )
    workflow.settings_changed.emit()
    settle(preview, mailbox)

    assert "dish preview" in names(viewer)
