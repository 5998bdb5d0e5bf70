import pytest
from tests.viewer.conftest import FRAME, make_recording, show_recording

from napari_qpm.acquisition import Modality
from napari_qpm.viewer import preflight
from napari_qpm.viewer.preflight import needs_in_words
from napari_qpm.viewer.settings import StepName
from napari_qpm.viewer.workflow import Scope

N_FRAMES = 3
BOTH = 2 * 4 * FRAME[0] * FRAME[1] * N_FRAMES


@pytest.fixture
def shown(workflow, viewer):
    show_recording(viewer, make_recording(N_FRAMES))
    return workflow


def test_nothing_is_told_without_a_recording(workflow):
    assert needs_in_words(workflow, Scope.ALL) == ""


def test_frames_room_and_what_is_free_are_told(shown, monkeypatch):
    monkeypatch.setattr(preflight, "available_bytes", lambda: 8_000_000_000)

    told = needs_in_words(shown, Scope.ALL)

    assert told == "3 frames: up to 1 MB of memory for phase and cells (8.0 GB free)."
    assert needs_in_words(shown, Scope.CURRENT).startswith("1 frame:")


def test_long_series_and_chosen_folders_are_on_disk(shown, monkeypatch, tmp_path):
    shown.results_folder = tmp_path / "made later"
    assert "on disk" in needs_in_words(shown, Scope.ALL)
    shown.results_folder = None
    monkeypatch.setattr(preflight, "MEMORY_LIMIT_BYTES", BOTH // 2 - 1)
    assert "on disk" in needs_in_words(shown, Scope.ALL)


def test_too_little_room_says_what_to_do(shown, monkeypatch):
    monkeypatch.setattr(preflight, "available_bytes", lambda: BOTH - 1)
    assert "Keep in…" in needs_in_words(shown, Scope.ALL)


def test_the_memory_of_a_network_is_told(shown):
    shown.set_modality(Modality.OFF_AXIS)
    shown.settings.choose(StepName.RETRIEVE, Modality.OFF_AXIS, "nas-prnet")
    assert "NAS-PRNet up to" in needs_in_words(shown, Scope.ALL)
