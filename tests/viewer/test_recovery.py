"""Corrections on disk: whole, half written, damaged and of others."""

import json

import numpy as np
import pytest
from tests.viewer.conftest import make_recording

from napari_qpm.errors import FileFormatError
from napari_qpm.viewer.recovery import corrections_of, new_corrections

LABELS = np.arange(12, dtype=np.int32).reshape(3, 4)


@pytest.fixture
def kept(tmp_path):
    made = new_corrections(make_recording(), tmp_path)
    made.save(2, LABELS)
    made.describe(make_recording(), (3, 3, 4), frozenset({1}))
    return made


def test_corrections_are_found_by_their_recording(kept, tmp_path):
    (found,) = corrections_of(make_recording(), tmp_path)

    assert found == kept
    assert found.about()["shape"] == (3, 3, 4)
    assert found.about()["done"] == {1}
    ((t, labels),) = found.read()
    assert t == 2
    assert np.array_equal(labels, LABELS)
    assert labels.dtype == LABELS.dtype


def test_other_recordings_find_nothing(kept, tmp_path):
    longer = make_recording(n_frames=5)
    elsewhere = make_recording().replace(path=tmp_path / "other.tif")

    assert corrections_of(longer, tmp_path) == []
    assert corrections_of(elsewhere, tmp_path) == []


def test_a_frame_that_was_half_written_when_the_program_died_does_not_count(kept):
    half = kept.folder / ".000001.npz.4711.part"
    half.write_bytes((kept.folder / "000002.npz").read_bytes()[:40])

    assert kept.frames == [2]
    assert [t for t, _ in kept.read()] == [2]


@pytest.mark.parametrize("damage", ["cut", "empty", "text"])
def test_a_damaged_frame_is_told_and_left_where_it_is(kept, damage):
    path = kept.folder / "000002.npz"
    content = path.read_bytes()
    path.write_bytes({"cut": content[:60], "empty": b"", "text": b"hello"}[damage])

    with pytest.raises(FileFormatError, match="corrections of frame 2 cannot be read"):
        list(kept.read())

    assert path.exists()


@pytest.mark.parametrize("about", ["", "{}", json.dumps({"format": "another"}), "[1]"])
def test_a_damaged_description_is_told_and_left_where_it_is(kept, about):
    (kept.folder / "about.json").write_text(about)

    with pytest.raises(FileFormatError, match="left as they are"):
        kept.about()

    assert kept.frames == [2]


def test_removed_corrections_are_not_found(kept, tmp_path):
    kept.remove()

    assert corrections_of(make_recording(), tmp_path) == []
