"""A reference frame is taken with its origin, or refused in words."""

import numpy as np
import pytest
import tifffile

from napari_qpm.acquisition import Acquisition
from napari_qpm.errors import FileFormatError, LayoutError, UnknownNameError
from napari_qpm.io.reference_frame import (
    reference_origin,
    take_reference,
    with_reference,
)


@pytest.fixture
def hologram(make_hologram):
    return Acquisition.from_array(make_hologram(seed=1), "off-axis", name="dish")


@pytest.fixture
def empty(make_hologram):
    return make_hologram(seed=2)


def test_a_file_is_taken_and_remembered_as_a_step(hologram, empty, tmp_path):
    path = tmp_path / "empty.tif"
    tifffile.imwrite(path, empty)

    changed = with_reference(hologram, path)

    np.testing.assert_array_equal(changed.reference[0], empty)
    assert reference_origin(changed) == {"path": str(path)}
    assert changed.history[-1].inputs["name"] == "empty.tif"
    assert "The reference frame is empty.tif." in changed.notes
    assert hologram.reference is None


def test_another_reference_replaces_all_that_was_said_of_the_first(
    hologram, empty, make_hologram, tmp_path
):
    tifffile.imwrite(tmp_path / "empty.tif", empty)
    first = with_reference(hologram, tmp_path / "empty.tif")

    second = with_reference(
        first, take_reference(make_hologram(seed=3), first, "blank")
    )

    assert reference_origin(second) == {"name": "blank"}
    said = [note for note in second.notes if "reference frame" in note]
    assert said == ["The reference frame is 'blank'."]


def test_a_removed_reference_is_remembered_as_removed(hologram, empty):
    changed = with_reference(with_reference(hologram, empty), None)

    assert changed.reference is None
    assert reference_origin(changed) == {}
    assert not changed.notes
    assert reference_origin(hologram) is None


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda frame: frame[:-8], "same camera settings"),
        (lambda frame: np.stack([frame, frame + 1]), "2 channels.*1 channel"),
        (lambda frame: frame.astype(complex), "complex numbers.*uint8"),
        (lambda frame: frame > 100, "a mask.*uint8"),
        (lambda frame: (frame > 100).astype(np.uint8), "a mask.*uint8"),
        (lambda frame: np.full_like(frame, 7), "blank"),
        (lambda frame: np.full(frame.shape, np.nan), "blank"),
        (lambda frame: frame[0], "one frame"),
    ],
)
def test_what_cannot_serve_is_refused_in_words(hologram, empty, spoil, words):
    with pytest.raises(LayoutError, match=words):
        with_reference(hologram, spoil(empty))


def test_a_turned_reference_is_told_as_such(make_hologram):
    wide = Acquisition.from_array(make_hologram((128, 96)), "off-axis", name="dish")

    with pytest.raises(LayoutError, match="turned by 90 degrees"):
        with_reference(wide, make_hologram((96, 128), seed=2))


def test_the_frame_itself_is_no_reference(hologram):
    with pytest.raises(LayoutError, match="zero everywhere"):
        with_reference(hologram, hologram.read(0))


def test_another_pixel_type_is_a_doubt_and_no_error(hologram, empty):
    changed = with_reference(hologram, empty.astype(np.uint16))

    assert "stored as uint16, the recording as uint8" in " ".join(changed.notes)


def test_a_missing_file_is_named(hologram, tmp_path):
    with pytest.raises(FileFormatError, match=r"absent\.tif"):
        with_reference(hologram, tmp_path / "absent.tif")


def test_the_median_is_named_as_such(make_hologram):
    frames = np.stack([make_hologram(seed=seed) for seed in range(5)])
    recording = Acquisition.from_array(frames, "off-axis", name="dish")

    changed = with_reference(recording, "median")

    np.testing.assert_array_equal(changed.reference[0], np.median(frames, axis=0))
    assert reference_origin(changed) == {"median": True}
    assert "median over time" in changed.notes[0]


def test_a_position_of_a_file_is_chosen_and_kept(hologram, empty, tmp_path):
    path = tmp_path / "empty.ome.tif"
    other = empty[::-1].copy()
    with tifffile.TiffWriter(path, ome=True) as file:
        for name, frame in (("a", empty), ("b", other)):
            file.write(frame, metadata={"axes": "YX", "Name": name})

    changed = with_reference(hologram, path, position=1)

    np.testing.assert_array_equal(changed.reference[0], other)
    origin = reference_origin(changed)
    again = with_reference(hologram, origin["path"], position=origin["position"])
    np.testing.assert_array_equal(again.reference, changed.reference)
    with pytest.raises(UnknownNameError, match="position"):
        with_reference(hologram, path, position="c")


def test_one_empty_image_serves_all_planes(empty):
    planes = np.stack([np.stack([empty + k for k in range(3)])])
    stack = Acquisition.from_array(planes, "through-focus")

    changed = with_reference(stack, empty[::-1].copy())

    assert changed.reference.shape == (3, 128, 128)
