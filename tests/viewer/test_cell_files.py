"""Cells come from files into an open phase, and go into files."""

import numpy as np
import pytest
from tests.viewer.conftest import make_recording, show_recording

from napari_qpm.io.label_files import read_labels, write_labels
from napari_qpm.viewer.annotations import annotations_of
from napari_qpm.viewer.cell_files import CellFiles
from napari_qpm.viewer.fields import Role
from napari_qpm.viewer.settings import StepName

SHAPE = (3, 48, 64)


@pytest.fixture
def labels():
    made = np.zeros(SHAPE, np.int32)
    made[:, 8:20, 10:22] = 4
    made[:, 26:40, 38:54] = 7
    return made


@pytest.fixture
def retrieved(workflow, viewer, mailbox):
    show_recording(viewer, make_recording())
    workflow.run(StepName.RETRIEVE)
    mailbox.follow(workflow)
    return workflow


@pytest.fixture
def files(retrieved):
    return CellFiles(retrieved)


def cells_of(workflow):
    return workflow.field.layer(Role.CELLS)


def test_masks_become_the_cells_of_the_phase(
    files, retrieved, mailbox, tmp_path, labels
):
    (path,) = write_labels(labels, tmp_path / "mine.tif")
    files.import_cells(path)
    mailbox.follow(retrieved)

    cells = cells_of(retrieved)
    np.testing.assert_array_equal(cells.data, labels)
    assert cells.name == "dish cells"
    assert np.allclose(cells.scale, (60, 0.5, 0.5))
    # It belongs to this recording, so others keep their method.
    assert (
        retrieved.settings.engine(StepName.SEGMENT, retrieved.modality) == "watershed"
    )
    assert cells.metadata["napari-qpm"]["history"][-1]["parameters"] == {
        "path": str(path)
    }


def test_imported_cells_are_measured_and_none_counts_as_edited(
    files, retrieved, mailbox, tmp_path, labels
):
    files.import_cells(write_labels(labels, tmp_path / "mine.tif")[0])
    mailbox.follow(retrieved)
    retrieved.run(StepName.MEASURE)
    mailbox.follow(retrieved)

    table = retrieved.field.table
    assert set(table["label"]) == {4, 7}
    assert not table["edited_by_hand"].any()
    # Nobody looked at them here, so they are no annotation yet.
    assert list(annotations_of(retrieved.viewer, retrieved.field)) == []


def test_corrected_cells_are_kept_beside_imported_ones(
    files, retrieved, mailbox, tmp_path, labels
):
    retrieved.run(StepName.SEGMENT)
    mailbox.follow(retrieved)
    before = cells_of(retrieved)
    before.data_setitem((np.array([0]), np.array([0]), np.array([0])), 50)

    files.import_cells(write_labels(labels, tmp_path / "mine.tif")[0])
    mailbox.follow(retrieved)

    assert before.data[0, 0, 0] == 50
    assert "(corrected)" in before.name
    np.testing.assert_array_equal(cells_of(retrieved).data, labels)


def test_cells_that_do_not_fit_change_nothing(
    files, retrieved, mailbox, tmp_path, labels
):
    retrieved.run(StepName.SEGMENT)
    mailbox.follow(retrieved)
    before, told = np.array(cells_of(retrieved).data), []
    retrieved.failed.connect(told.append)

    files.import_cells(write_labels(labels[:, :40], tmp_path / "mine.tif")[0])
    mailbox.follow(retrieved)

    assert "mine.tif have shape (3, 40, 64)" in told[0]
    np.testing.assert_array_equal(cells_of(retrieved).data, before)
    assert (
        retrieved.settings.engine(StepName.SEGMENT, retrieved.modality) == "watershed"
    )


def test_a_file_is_no_method_before_one_is_chosen_nor_cellpose_without_it(retrieved):
    names = [
        entry.name
        for entry in retrieved.settings.engines(StepName.SEGMENT, retrieved.modality)
    ]
    assert "watershed" in names
    assert not {"file", "cellpose"} & set(names)


def test_the_phase_comes_before_imports_and_cells_before_exports(workflow, viewer):
    files = CellFiles(workflow)
    show_recording(viewer, make_recording())

    assert files.obstacle_to_import() == "Retrieve the phase first."
    assert files.obstacle_to_export() == "Segment or import cells first."


@pytest.mark.parametrize("name", ["out.tif", "out_seg.npy"])
def test_exported_cells_can_be_imported(files, retrieved, mailbox, tmp_path, name):
    retrieved.run(StepName.SEGMENT)
    mailbox.follow(retrieved)

    folder = tmp_path / "out"
    folder.mkdir()
    files.export_cells(folder / name)
    mailbox.follow(retrieved)

    is_one_a_frame = name.endswith(".npy")
    assert retrieved.note.startswith("Saved 3 files" if is_one_a_frame else "Saved out")
    place = folder if is_one_a_frame else folder / name
    np.testing.assert_array_equal(read_labels(place), cells_of(retrieved).data)


def test_imported_cells_are_kept_beside_segmented_ones(
    files, retrieved, mailbox, tmp_path, labels
):
    files.import_cells(write_labels(labels, tmp_path / "mine.tif")[0])
    mailbox.follow(retrieved)
    imported = cells_of(retrieved)
    retrieved.viewer.layers.selection.active = imported

    retrieved.run(StepName.SEGMENT)
    mailbox.follow(retrieved)

    assert imported.name == "dish cells (kept)"
    assert not imported.visible
    assert retrieved.viewer.layers.selection.active is cells_of(retrieved)
    np.testing.assert_array_equal(imported.data, labels)
    assert not np.array_equal(cells_of(retrieved).data, labels)
    assert not retrieved.field.is_imported
