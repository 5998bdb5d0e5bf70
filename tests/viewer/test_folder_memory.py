"""What is stated for one recording is there for the next of its folder."""

import json

import pytest
from tests.viewer.conftest import make_recording

from napari_qpm.acquisition import Modality
from napari_qpm.viewer import folder_memory
from napari_qpm.viewer.folder_memory import FILE_NAME, FolderMemory


@pytest.fixture
def memory(tmp_path):
    return FolderMemory(tmp_path / "state")


@pytest.fixture
def state(tmp_path):
    """Path of the file of the memory."""
    return tmp_path / "state" / FILE_NAME


def recording_at(path, name="dish"):
    return make_recording().replace(path=path, name=name)


def test_facts_are_recalled_for_the_same_folder_only(memory, tmp_path):
    memory.remember(
        recording_at(tmp_path / "a" / "1.tif", "first"),
        {"wavelength_nm": 532.0, "polarization_layout": (90, 45, 135, 0)},
    )

    again = FolderMemory(tmp_path / "state")
    found = again.recall(recording_at(tmp_path / "a" / "2.tif"))

    assert found.facts["wavelength_nm"] == 532.0
    assert tuple(found.facts["polarization_layout"]) == (90, 45, 135, 0)
    assert found.recording == "first"
    assert again.recall(recording_at(tmp_path / "b" / "2.tif")) is None


def test_each_kind_of_recording_has_its_own(memory, tmp_path):
    recording = recording_at(tmp_path / "1.tif")
    memory.remember(recording, {"pixel_size_um": 0.1})

    hologram = recording.replace(modality=Modality.OFF_AXIS)

    assert memory.recall(hologram) is None
    assert memory.recall(recording).facts == {"pixel_size_um": 0.1}


def test_later_facts_join_and_none_forgets(memory, tmp_path):
    recording = recording_at(tmp_path / "1.tif")
    memory.remember(recording, {"wavelength_nm": 532.0})
    memory.remember(recording, {"pixel_size_um": 0.1})
    memory.remember(recording, {"wavelength_nm": None})

    assert memory.recall(recording).facts == {"pixel_size_um": 0.1}


def test_a_reference_file_is_remembered_beside_the_facts(memory, tmp_path):
    recording = recording_at(tmp_path / "1.tif")
    memory.remember_reference(recording, tmp_path / "empty.tif")
    memory.remember(recording, {"wavelength_nm": 532.0})

    assert memory.recall(recording).reference == tmp_path / "empty.tif"
    memory.remember_reference(recording, None)
    assert memory.recall(recording).reference is None


def test_what_is_in_no_file_is_not_remembered(memory, state):
    memory.remember(make_recording(), {"wavelength_nm": 532.0})

    assert not state.exists()


def test_only_what_recordings_share_is_remembered(memory, state, tmp_path):
    memory.remember(
        recording_at(tmp_path / "1.tif"), {"sideband_cycles_per_px": (0.1, 0.2)}
    )

    assert not state.exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"\x00\xff", b"[1, 2", b"[]", b'"text"', b'{"folders": {}}', b"{}"],
)
def test_a_damaged_file_is_put_aside_and_told(memory, state, tmp_path, content):
    state.parent.mkdir()
    state.write_bytes(content)
    recording = recording_at(tmp_path / "1.tif")

    assert memory.recall(recording) is None
    assert "begun anew" in memory.problem
    assert state.with_name(f"{FILE_NAME}.damaged").read_bytes() == content
    memory.remember(recording, {"wavelength_nm": 532.0})
    assert memory.recall(recording).facts == {"wavelength_nm": 532.0}


@pytest.mark.parametrize(
    "spoilt",
    [
        [],
        {"phase": 3},
        {"phase": {"facts": []}},
        {"phase": {"facts": {"wavelength_nm": -5, "phase_unit": "miles"}}},
        {"phase": {"facts": {"polarization_layout": [1, 2], "phase_sign": "up"}}},
        {"phase": {"facts": {"wavelength_nm": "532 nm"}, "reference": 7}},
    ],
)
def test_spoilt_entries_are_passed_over(memory, state, tmp_path, spoilt):
    recording = recording_at(tmp_path / "1.tif")
    state.parent.mkdir()
    folders = {str(tmp_path): spoilt}
    state.write_text(json.dumps({"format": folder_memory.LABEL, "folders": folders}))

    assert memory.recall(recording) is None
    memory.remember(recording, {"pixel_size_um": 0.1})
    assert memory.recall(recording).facts == {"pixel_size_um": 0.1}


def test_old_folders_make_room(memory, state, tmp_path, monkeypatch):
    monkeypatch.setattr(folder_memory, "MOST_FOLDERS", 2)
    places = [recording_at(tmp_path / name / "1.tif") for name in "abc"]
    for place in places[:2]:
        memory.remember(place, {"wavelength_nm": 532.0})
    memory.remember(places[0], {"pixel_size_um": 0.1})
    memory.remember(places[2], {"wavelength_nm": 532.0})

    assert [memory.recall(place) is None for place in places] == [False, True, False]


def test_a_place_that_cannot_be_written_is_told(memory, tmp_path, monkeypatch):
    (tmp_path / "state").write_text("a file where the folder should be")

    memory.remember(recording_at(tmp_path / "1.tif"), {"wavelength_nm": 532.0})

    assert "not remembered" in memory.problem
