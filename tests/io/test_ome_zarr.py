"""Results are valid OME-Zarr and survive kills, full disks and foreign folders."""

import errno
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import zarr

from napari_qpm.acquisition import Modality, PhaseUnit
from napari_qpm.errors import FileFormatError, LayoutError, OutputError
from napari_qpm.io import ome_zarr as module
from napari_qpm.io import open_acquisition
from napari_qpm.io.ome_zarr import ResultStore
from napari_qpm.io.zarr_reader import OWN_KEY

SHAPE = (3, 40, 30)
RECORD = {
    "pipeline": {"retrieve": {"engine": "fourier"}},
    "acquisition": {"instrument": {"wavelength_nm": 532.0, "bit_depth": 12}},
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "out" / "phase.ome.zarr"


@pytest.fixture
def phase(rng):
    return rng.normal(0, 1, SHAPE).astype(np.float32)


@pytest.fixture
def labels(rng):
    return rng.integers(0, 5, SHAPE).astype(np.int32)


def open_store(path, shape=SHAPE, record=RECORD, **keywords):
    settings = {"pixel_size_um": (0.2, 0.2), "frame_interval_s": 60.0} | keywords
    return ResultStore.open(path, shape=shape, record=record, **settings)


def fill(store, phase, labels=None):
    for t in range(phase.shape[0]):
        store.write_phase(t, phase[t], {"level": t})
        if labels is not None:
            store.write_labels(t, labels[t])


def test_frames_come_back_as_they_were_written(path, phase, labels):
    store = open_store(path)
    fill(store, phase, labels)
    for t in range(3):
        np.testing.assert_array_equal(store.read_phase(t), phase[t])
        np.testing.assert_array_equal(store.read_labels(t), labels[t])
    assert store.finished("phase") == store.finished("labels") == {0, 1, 2}
    assert store.notes == {0: {"level": 0}, 1: {"level": 1}, 2: {"level": 2}}


def test_an_independent_reader_sees_image_labels_and_scales(path, phase, labels):
    from ome_zarr.io import parse_url
    from ome_zarr.reader import Reader

    store = open_store(path)
    fill(store, phase, labels)
    store.finalise(RECORD)
    image, *others = list(Reader(parse_url(str(path)))())
    np.testing.assert_array_equal(image.data[0], phase[:, None, None])
    assert [axis["name"] for axis in image.metadata["axes"]] == list("tczyx")
    (transform,) = image.metadata["coordinateTransformations"][0]
    assert transform == {"type": "scale", "scale": [60.0, 1.0, 1.0, 0.2, 0.2]}
    assert image.metadata["channel_names"] == ["Phase2D"]
    (cells,) = [node for node in others if node.data]
    assert cells.zarr.basename() == "cells"
    np.testing.assert_array_equal(cells.data[0], labels[:, None, None])


def test_metadata_are_valid_by_the_models_of_the_specification(path, phase, labels):
    models = pytest.importorskip("ome_zarr_models.v05")
    store = open_store(path)
    fill(store, phase, labels)
    store.finalise(RECORD)
    image = models.Image.from_zarr(zarr.open_group(str(path), mode="r"))
    units = [axis.unit for axis in image.ome_attributes.multiscales[0].axes]
    assert units == ["second", None, None, "micrometer", "micrometer"]
    models.ImageLabel.from_zarr(zarr.open_group(str(path / "labels/cells"), mode="r"))


def test_large_frames_get_smaller_copies(path, rng):
    phase = rng.normal(0, 1, (1, 1101, 701)).astype(np.float32)
    labels = rng.integers(0, 9, phase.shape).astype(np.int32)
    store = open_store(path, shape=phase.shape)
    fill(store, phase, labels)
    levels = [zarr.open_array(str(path / str(k)), mode="r") for k in range(3)]
    assert [a.shape[-2:] for a in levels] == [(1101, 701), (550, 350), (275, 175)]
    blocks = phase[0, :1100, :700].reshape(550, 2, 350, 2).mean((1, 3))
    # Float32 means differ by rounding only.
    np.testing.assert_allclose(levels[1][0, 0, 0], blocks, atol=1e-6)
    small = zarr.open_array(str(path / "labels/cells/1"), mode="r")[0, 0, 0]
    np.testing.assert_array_equal(small, labels[0, :1100:2, :700:2])
    assert not (path / "3").exists()
    scales = zarr.open_group(str(path)).attrs["ome"]["multiscales"][0]["datasets"]
    assert scales[2]["coordinateTransformations"][0]["scale"][-1] == pytest.approx(0.8)


def test_unknown_calibration_claims_no_unit(path, phase):
    store = open_store(path, pixel_size_um=None, frame_interval_s=None)
    fill(store, phase)
    axes = zarr.open_group(str(path)).attrs["ome"]["multiscales"][0]["axes"]
    assert all("unit" not in axis for axis in axes)
    assert open_acquisition(path).instrument.pixel_size_um is None


def test_our_result_opens_as_calibrated_phase(path, phase):
    store = open_store(path)
    fill(store, phase)
    store.finalise(RECORD)
    acquisition = open_acquisition(path)
    assert acquisition.modality is Modality.PHASE
    assert acquisition.name == "phase"
    instrument = acquisition.instrument
    assert instrument.phase_unit is PhaseUnit.RADIANS
    assert instrument.pixel_size_um == 0.2
    assert instrument.frame_interval_s == 60.0
    assert instrument.wavelength_nm == 532.0
    assert instrument.bit_depth is None
    np.testing.assert_array_equal(acquisition.read(1)[0], phase[1])


def test_another_unit_is_kept(path, phase):
    fill(open_store(path, unit="nm"), phase)
    assert open_acquisition(path).instrument.phase_unit is PhaseUnit.NANOMETRES


def test_the_record_is_kept_inside_and_beside(path, phase):
    store = open_store(path)
    fill(store, phase)
    store.finalise(RECORD | {"score": np.float32(0.5), "worst": float("nan")})
    beside = json.loads((path.parent / "phase.qpm.json").read_text())
    assert beside == zarr.open_group(str(path)).attrs[OWN_KEY]
    assert beside["pipeline"] == RECORD["pipeline"]
    assert (beside["score"], beside["worst"]) == (0.5, None)


def test_the_display_range_spans_the_phase(path, phase):
    store = open_store(path)
    fill(store, phase)
    store.finalise(RECORD)
    omero = zarr.open_group(str(path)).attrs["ome"]["omero"]
    window = omero["channels"][0]["window"]
    assert -4 < window["start"] < -1.5
    assert 1.5 < window["end"] < 4


def test_a_restart_keeps_finished_frames(path, phase, labels):
    store = open_store(path)
    store.write_phase(0, phase[0], {"level": 0})
    store.write_labels(0, labels[0])
    again = open_store(path)
    assert again.finished("phase") == again.finished("labels") == {0}
    assert again.notes == {0: {"level": 0}}
    fill(again, phase, labels)
    assert open_store(path).finished("phase") == {0, 1, 2}


def test_a_frame_whose_line_was_cut_is_unfinished(path, phase):
    fill(open_store(path), phase)
    log = path.parent / "phase.frames.jsonl"
    log.write_bytes(log.read_bytes()[:-5])
    store = open_store(path)
    assert store.finished("phase") == {0, 1}
    store.write_phase(2, phase[2], {})
    assert open_store(path).finished("phase") == {0, 1, 2}


def test_a_frame_whose_chunk_is_lost_is_unfinished(path, phase):
    fill(open_store(path), phase)
    (path / "0" / "c" / "1" / "0" / "0" / "0" / "0").unlink()
    store = open_store(path)
    assert store.finished("phase") == {0, 2}
    assert np.isnan(store.read_phase(1)).all()


@pytest.mark.parametrize("level", [0, 1])
def test_a_frame_that_a_power_cut_left_half_is_unfinished(path, rng, level):
    large = rng.random((2, 12, 600)).astype(np.float32)
    fill(open_store(path, shape=large.shape), large)
    chunk = path / str(level) / "c" / "1" / "0" / "0" / "0" / "0"
    chunk.write_bytes(chunk.read_bytes()[:-9])
    store = open_store(path, shape=large.shape)
    assert store.finished("phase") == {0}
    store.write_phase(1, large[1], {})
    assert open_store(path, shape=large.shape).finished("phase") == {0, 1}


def test_a_kill_while_a_frame_is_rewritten_leaves_it_unfinished(
    path, phase, monkeypatch
):
    store = open_store(path)
    fill(store, phase)

    def killed(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(module.FrameLog, "finish", killed)
    with pytest.raises(KeyboardInterrupt):
        store.write_phase(1, phase[1] + 6, {"shifted": 1})
    monkeypatch.undo()
    assert open_store(path).finished("phase") == {0, 2}


def test_frames_of_zeros_count_as_finished(path):
    store = open_store(path)
    store.write_phase(0, np.zeros(SHAPE[1:], np.float32), {})
    store.write_labels(0, np.zeros(SHAPE[1:], np.int32))
    again = open_store(path)
    assert again.finished("phase") == again.finished("labels") == {0}


def test_a_log_without_its_result_counts_for_nothing(path, phase):
    fill(open_store(path), phase)
    shutil.rmtree(path)
    assert open_store(path).finished("phase") == set()


def test_labels_that_were_never_written_are_empty(path):
    store = open_store(path)
    assert store.finished("labels") == set()
    assert not store.read_labels(0).any()
    assert not (path / "labels").exists()


def test_other_settings_do_not_continue_a_result(path, phase):
    fill(open_store(path), phase)
    other = RECORD | {"pipeline": {"retrieve": {"engine": "qpretrieve"}}}
    with pytest.raises(OutputError, match=r"phase\.ome\.zarr was made with other sett"):
        open_store(path, record=other)
    np.testing.assert_array_equal(open_store(path).read_phase(2), phase[2])


def test_another_shape_does_not_continue_a_result(path):
    open_store(path)
    with pytest.raises(OutputError, match=r"\[3, 40, 30\].*\[4, 40, 30\]"):
        open_store(path, shape=(4, 40, 30))


def test_overwriting_starts_anew(path, phase):
    fill(open_store(path), phase)
    store = open_store(path, shape=(2, 8, 8), overwrite=True)
    assert store.shape == (2, 8, 8)
    assert store.finished("phase") == set()


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_of_somebody_else_is_never_touched(path, overwrite):
    path.mkdir(parents=True)
    (path / "thesis.txt").write_text("precious")
    with pytest.raises(OutputError, match="exists and is not a"):
        open_store(path, overwrite=overwrite)
    assert (path / "thesis.txt").read_text() == "precious"


def test_a_foreign_zarr_is_not_continued(path):
    zarr.create_group(str(path))
    with pytest.raises(OutputError, match="not a result of napari-qpm"):
        open_store(path)
    with pytest.raises(FileFormatError, match="not a result of napari-qpm"):
        ResultStore(path)


def test_frames_that_do_not_fit_are_refused(path, phase):
    store = open_store(path)
    with pytest.raises(LayoutError, match=r"Frame 0 of shape \(8, 8\) does not fit"):
        store.write_phase(0, phase[0, :8, :8], {})
    with pytest.raises(LayoutError, match="Frame 3"):
        store.write_phase(3, phase[0], {})


def refuse_writing(monkeypatch, code):
    """Let every new file fail as on a full or read-only disk; tests may run as root."""
    import zarr.storage

    async def refuse(self, key, value):
        raise OSError(code, os.strerror(code), key)

    monkeypatch.setattr(zarr.storage.LocalStore, "set", refuse)


def test_a_full_disk_says_so_and_keeps_finished_frames(path, phase, monkeypatch):
    store = open_store(path)
    store.write_phase(0, phase[0], {})
    refuse_writing(monkeypatch, errno.ENOSPC)
    with pytest.raises(OutputError, match=r"disk is full .*phase\.ome\.zarr.*are kept"):
        store.write_phase(1, phase[1], {})
    monkeypatch.undo()
    again = open_store(path)
    assert again.finished("phase") == {0}
    np.testing.assert_array_equal(again.read_phase(0), phase[0])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a full disk")
def test_a_disk_that_fills_with_the_log_line_is_told(path, phase):
    store = open_store(path)
    log = path.parent / "phase.frames.jsonl"
    kept = log.read_bytes()
    log.unlink()
    log.symlink_to("/dev/full")
    with pytest.raises(OutputError, match="disk is full"):
        store.write_phase(0, phase[0], {})
    log.unlink()
    log.write_bytes(kept)
    assert open_store(path).finished("phase") == set()


def test_a_read_only_folder_says_so(path, monkeypatch):
    refuse_writing(monkeypatch, errno.EACCES)
    with pytest.raises(OutputError, match=r"phase\.ome\.zarr .*read-only. Choose"):
        open_store(path)
    assert list(path.parent.iterdir()) == []


def test_other_failures_of_the_disk_are_named(path, monkeypatch):
    refuse_writing(monkeypatch, errno.EIO)
    with pytest.raises(OutputError, match="Input/output error"):
        open_store(path)


def test_a_damaged_chunk_is_named_at_reading(path, phase):
    fill(open_store(path), phase)
    (path / "0" / "c" / "1" / "0" / "0" / "0" / "0").write_bytes(b"broken")
    with pytest.raises(FileFormatError, match=r"Frame 1 of .*phase\.ome\.zarr"):
        open_store(path).read_phase(1)


def test_reopened_frames_are_made_anew(path, phase, labels):
    store = open_store(path)
    fill(store, phase, labels)
    store.reopen("labels")
    again = open_store(path)
    assert again.finished("labels") == set()
    assert again.finished("phase") == {0, 1, 2}


def test_an_unknown_kind_of_frame_is_a_mistake_of_the_caller(path):
    with pytest.raises(ValueError, match="'phase' and 'labels', not 'tables'"):
        open_store(path).finished("tables")


def test_a_result_without_numbers_has_some_display_range(path):
    store = open_store(path)
    store.write_phase(0, np.full(SHAPE[1:], np.nan, np.float32), {})
    store.finalise(RECORD)
    channel = zarr.open_group(str(path)).attrs["ome"]["omero"]["channels"][0]
    assert (channel["window"]["start"], channel["window"]["end"]) == (0, 1)
