import dataclasses

import numpy as np
import pytest

from napari_qpm.acquisition import Acquisition, PhaseMap, PhaseUnit
from napari_qpm.errors import FileFormatError, LayoutError, ParameterError
from napari_qpm.segmentation import annotated_frames
from napari_qpm.segmentation.annotated import load_frames, save_frames


def labels(n_frames: int = 3) -> np.ndarray:
    """Return ``(T, 20, 24)`` with a cell in every frame but the last."""
    made = np.zeros((n_frames, 20, 24), np.int32)
    made[:-1, 4:9, 5:11] = 7
    return made


def test_frames_without_annotation_are_left_out(make_phase_map):
    phase = make_phase_map(np.zeros((3, 20, 24)))
    frames = annotated_frames(phase, labels())
    assert [frame.name for frame in frames] == [
        "recording frame 0",
        "recording frame 1",
    ]
    assert [frame.n_cells for frame in frames] == [1, 1]
    assert all(frame.judged().all() for frame in frames)


def test_only_cells_and_marked_background_count_in_frames_that_are_not_done(
    make_phase_map,
):
    phase = make_phase_map(np.zeros((3, 20, 24)))
    background = np.zeros((3, 20, 24), bool)
    background[1, :3] = True
    half, done = annotated_frames(phase, labels(), done=[2], background=background)[1:]
    assert int(half.judged().sum()) == 30 + 3 * 24
    assert done.is_done
    assert done.n_cells == 0
    assert done.judged().all()


def test_cells_of_another_shape_are_refused(make_phase_map):
    phase = make_phase_map(np.zeros((2, 20, 24)))
    with pytest.raises(LayoutError, match=r"\(3, 20, 24\).*'recording'"):
        annotated_frames(phase, labels(3))
    (first, *_) = annotated_frames(phase, labels(2))
    with pytest.raises(LayoutError, match=r"recording frame 0 have shape \(4, 4\)"):
        dataclasses.replace(first, labels=np.ones((4, 4), np.int32))


def test_a_frame_that_is_not_there_is_refused(make_phase_map):
    phase = make_phase_map(np.zeros((3, 20, 24)))
    with pytest.raises(ParameterError, match=r"no frame 5.*0 to 2"):
        annotated_frames(phase, labels(), done=[0, 5])


def test_frames_come_back_from_disk_with_angles_and_facts(tmp_path, rng):
    raw = rng.integers(0, 4000, (2, 4, 20, 24)).astype(np.uint16)
    recording = Acquisition.from_array(
        raw, "polarization", name="dish", wavelength_nm=561, pixel_size_um=0.4
    )
    phase = PhaseMap(
        phase=rng.normal(size=(2, 20, 24)).astype(np.float32),
        acquisition=recording,
        grid_scale=(2.0, 2.0),
        unit=PhaseUnit.RADIANS,
    )
    frames = annotated_frames(
        phase, labels(2), done=[0], background=np.ones((2, 20, 24), bool)
    )
    done, half = load_frames(save_frames(frames, tmp_path / "set"))
    assert (done.name, done.is_done, half.is_done) == (frames[0].name, True, False)
    np.testing.assert_array_equal(half.phase_map.read(0), phase.read(1))
    np.testing.assert_array_equal(half.phase_map.read_raw(0), raw[1])
    np.testing.assert_array_equal(half.background, np.ones((20, 24), bool))
    assert half.phase_map.pixel_size_um == (0.8, 0.8)
    assert half.phase_map.acquisition.instrument == recording.instrument


def test_damaged_and_missing_frames_are_told(tmp_path, make_phase_map):
    with pytest.raises(FileFormatError, match="no annotated frames"):
        load_frames(tmp_path)
    phase = make_phase_map(np.zeros((2, 20, 24)))
    save_frames(annotated_frames(phase, labels(2)), tmp_path)
    path = tmp_path / "frame-0000.npz"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(FileFormatError, match=r"frame-0000\.npz.*damaged"):
        load_frames(tmp_path)
