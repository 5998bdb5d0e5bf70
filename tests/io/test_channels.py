from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_qpm.acquisition import Acquisition, ArraySource, Modality
from napari_qpm.errors import FileFormatError, UnknownNameError
from napari_qpm.io import is_ours, open_acquisition
from napari_qpm.io.channels import Channels, channels_of, choose_channel
from napari_qpm.io.opening import open_channel


@pytest.fixture
def mixed(rng, make_hologram):
    """Return frames of fluorescence, hologram, fluorescence ``(2, 3, Y, X)``."""
    light = rng.poisson(20, (2, 3, 128, 128)).astype(np.uint8)
    light[:, 1] = [make_hologram(seed=t) for t in range(2)]
    return light


def chosen(frames, names, wanted=None):
    notes = []
    source, first, _ = choose_channel(
        Path("a.tif"),
        ArraySource(frames),
        frames[0],
        names,
        wanted,
        notes,
    )
    np.testing.assert_array_equal(source.read(0), first)
    return source.shape[1], first, notes


@pytest.mark.parametrize("name", ["QPM", "Phase2D", "DHM holo", "Polarization camera"])
def test_a_channel_named_like_a_phase_recording_is_chosen(mixed, name):
    n, first, notes = chosen(mixed, ("DAPI", name, "GFP"))
    assert n == 1
    np.testing.assert_array_equal(first[0], mixed[0, 1])
    assert f"Channel {name!r} makes the phase" in notes[0]
    assert "'DAPI', 'GFP'" in notes[0]


def test_among_names_that_say_nothing_the_fringes_decide(mixed):
    n, first, _ = chosen(mixed, ("one", "two", "three"))
    assert n == 1
    np.testing.assert_array_equal(first[0], mixed[0, 1])


def test_two_channels_without_names_are_told_apart_by_their_looks(mixed):
    n, first, notes = chosen(mixed[:, :2], ())
    assert n == 1
    np.testing.assert_array_equal(first[0], mixed[0, 1])
    assert "Channel 1" in notes[0]


@pytest.mark.parametrize("names", [(), ("red", "green", "blue"), ("R", "G", "B")])
def test_colours_stay_together(mixed, names):
    assert chosen(mixed, names)[0] == 3


@pytest.mark.parametrize("pattern", [None, "{}", "I{}", "{} deg"])
def test_angles_stay_together(make_angles, pattern):
    names = [pattern.format(angle) for angle in (0, 45, 90, 135)] if pattern else ()
    assert chosen(make_angles()[None], names)[0] == 4


def test_the_user_chooses_by_name_or_number(mixed):
    for wanted in ("gfp", 2, "2"):
        _, first, _ = chosen(mixed, ("DAPI", "QPM", "GFP"), wanted)
        np.testing.assert_array_equal(first[0], mixed[0, 2])
    with pytest.raises(UnknownNameError, match="DAPI"):
        chosen(mixed, ("DAPI", "QPM", "GFP"), "RFP")


def test_the_channel_of_a_mixed_ome_tiff_is_found_and_can_be_named(tmp_path, mixed):
    path = tmp_path / "mixed.ome.tif"
    names = {"axes": "TCYX", "Channel": {"Name": ["GFP", "camera 2", "DAPI"]}}
    tifffile.imwrite(path, mixed, photometric="minisblack", metadata=names)
    acquisition = open_acquisition(path)
    assert acquisition.modality is Modality.OFF_AXIS
    np.testing.assert_array_equal(acquisition.read(1)[0], mixed[1, 1])
    assert is_ours(path)
    other = open_acquisition(path, channel="DAPI")
    np.testing.assert_array_equal(other.read(1)[0], mixed[1, 2])


def test_the_history_says_which_channel_was_taken_and_another_can_be(tmp_path, mixed):
    path = tmp_path / "mixed.ome.tif"
    names = {"axes": "TCYX", "Channel": {"Name": ["GFP", "camera", "GFP"]}}
    tifffile.imwrite(path, mixed, photometric="minisblack", metadata=names)
    recording = open_acquisition(path)
    # A name that is used twice tells nothing.
    assert channels_of(recording) == Channels(("0", "camera", "2"), "camera")

    other = open_channel(recording, "2")

    assert channels_of(other) == Channels(("0", "camera", "2"), "2", is_stated=True)
    # Nothing is recognised in fluorescence: the kind stays.
    assert other.modality is Modality.OFF_AXIS
    np.testing.assert_array_equal(other.read(1)[0], mixed[1, 2])
    with pytest.raises(UnknownNameError, match="RFP"):
        open_channel(recording, "RFP")


def test_a_file_with_two_channels_of_fringes_is_ours_but_none_is_taken(
    tmp_path, make_hologram
):
    both = np.stack([make_hologram(seed=k) for k in range(2)])[None]
    np.save(tmp_path / "both.npy", both)
    recording = open_acquisition(tmp_path / "both.npy")
    assert channels_of(recording) == Channels(("0", "1"), None)
    assert recording.shape[1] == 2
    assert is_ours(tmp_path / "both.npy")


def test_a_recording_in_no_file_has_no_other_channel(mixed):
    recording = Acquisition.from_array(mixed[:, :1], name="loose")
    assert channels_of(recording) is None
    with pytest.raises(FileFormatError, match="'loose' is in no file"):
        open_channel(recording, "GFP")


def test_a_sidecar_names_the_channel(tmp_path, mixed):
    path = tmp_path / "mixed.npy"
    np.save(path, mixed)
    (tmp_path / "mixed.qpm.yaml").write_text("channel: 1\nmodality: off-axis\n")
    acquisition = open_acquisition(path)
    assert acquisition.shape == (2, 1, 128, 128)
    np.testing.assert_array_equal(acquisition.read(0)[0], mixed[0, 1])
