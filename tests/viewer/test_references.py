"""A reference frame is taken from a file or a layer, used everywhere, and removed."""

import numpy as np
import pytest
import tifffile
from tests.viewer.conftest import make_recording, show_recording

import napari_qpm as qpm
from napari_qpm.acquisition import Modality
from napari_qpm.specimens.samples import simulate
from napari_qpm.viewer import scripts
from napari_qpm.viewer.fields import METADATA_KEY
from napari_qpm.viewer.folder_memory import FolderMemory
from napari_qpm.viewer.references import References
from napari_qpm.viewer.scripts import script_of
from napari_qpm.viewer.settings import StepName

SHAPE = (160, 192)


@pytest.fixture
def memory():
    return FolderMemory()


@pytest.fixture
def references(workflow, memory):
    return References(workflow, memory)


@pytest.fixture(scope="module")
def sample():
    """A hologram of cells with its reference."""
    return simulate("off-axis", shape=SHAPE).acquisition


@pytest.fixture
def files(tmp_path, sample):
    """A hologram and an empty field as files, as a microscope writes them."""
    tifffile.imwrite(tmp_path / "cells.tif", sample.read(0)[0])
    tifffile.imwrite(tmp_path / "empty.tif", sample.reference[0])
    return tmp_path


@pytest.fixture
def told(workflow):
    messages = []
    workflow.failed.connect(messages.append)
    return messages


def open_file(viewer, path):
    return show_recording(viewer, qpm.open(path, modality="off-axis"))


def take_file(references, workflow, mailbox, path):
    references.take_file(path)
    mailbox.follow(workflow)


def test_a_file_becomes_the_reference_and_is_remembered(
    workflow, references, viewer, mailbox, files, sample, memory
):
    layer = open_file(viewer, files / "cells.tif")
    assert references.describe() == "none"

    take_file(references, workflow, mailbox, files / "empty.tif")

    np.testing.assert_array_equal(workflow.acquisition.reference, sample.reference)
    assert references.describe() == "empty.tif"
    assert "empty.tif" in workflow.note
    assert layer.metadata[METADATA_KEY]["has_reference"]
    open_file(viewer, files / "cells.tif")
    assert references.remembered() == files / "empty.tif"
    open_file(viewer, files / "empty.tif")
    assert references.remembered() is None


def test_a_layer_of_a_file_is_taken_by_its_file(
    workflow, references, viewer, mailbox, files
):
    open_file(viewer, files / "empty.tif")
    open_file(viewer, files / "cells.tif")
    assert [offered.name for offered in references.layers()] == ["empty"]

    references.take_layer("empty")
    mailbox.follow(workflow)

    assert references.describe() == "empty.tif"


def test_a_layer_in_memory_is_taken_by_its_name(
    workflow, references, viewer, mailbox, sample
):
    viewer.add_image(sample.reference[0], name="blank field")
    viewer.add_image(np.zeros((8, 9)), name="small")
    mailbox.follow(workflow)
    show_recording(viewer, sample.replace(reference=None))
    offered = {one.name: one.problem for one in references.layers()}
    assert offered["blank field"] == ""
    assert "9 × 8 px" in offered["small"]

    references.take_layer("blank field")
    mailbox.follow(workflow)

    np.testing.assert_array_equal(workflow.acquisition.reference, sample.reference)
    assert references.describe() == "blank field"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda frame: frame[:-4], "same camera settings"),
        (lambda frame: frame > 100, "mask"),
        (np.zeros_like, "blank"),
    ],
)
def test_what_does_not_fit_is_told_and_changes_nothing(
    workflow, references, viewer, mailbox, files, told, spoil, words
):
    layer = open_file(viewer, files / "cells.tif")
    np.save(files / "bad.npy", spoil(tifffile.imread(files / "empty.tif")))

    take_file(references, workflow, mailbox, files / "bad.npy")

    assert words in told[0]
    assert "bad.npy" in told[0]
    assert workflow.acquisition.reference is None
    assert not layer.metadata[METADATA_KEY]["has_reference"]


def test_what_is_no_picture_or_gone_is_told(
    workflow, references, viewer, mailbox, files, told
):
    open_file(viewer, files / "cells.tif")
    (files / "notes.txt").write_text("not a picture")

    take_file(references, workflow, mailbox, files / "notes.txt")
    take_file(references, workflow, mailbox, files / "gone.tif")
    references.take_layer("gone")

    assert len(told) == 3
    assert "gone.tif" in told[1]


def test_other_kinds_take_no_reference(workflow, references, viewer, files, told):
    show_recording(viewer, make_recording())

    references.take_file(files / "empty.tif")

    assert not references.is_available
    assert "Only raw frames" in told[0]
    assert workflow.job is None


def test_removing_asks_for_the_phase_again(
    workflow, references, viewer, mailbox, files, memory
):
    open_file(viewer, files / "cells.tif")
    take_file(references, workflow, mailbox, files / "empty.tif")
    workflow.run(StepName.RETRIEVE)
    mailbox.follow(workflow)
    assert workflow.is_done(StepName.RETRIEVE)

    references.remove()

    assert workflow.acquisition.reference is None
    assert workflow.next_step() is StepName.RETRIEVE
    assert memory.recall(workflow.acquisition) is None


def test_another_reference_gives_another_phase(
    workflow, references, viewer, mailbox, files, sample
):
    open_file(viewer, files / "cells.tif")
    take_file(references, workflow, mailbox, files / "empty.tif")
    workflow.run(StepName.RETRIEVE)
    mailbox.follow(workflow)
    first = np.array(viewer.layers["cells phase"].data)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    carrier = workflow.field.phase_map.acquisition.instrument.sideband_cycles_per_px
    bump = 3 * np.exp(-((y - 80) ** 2 + (x - 90) ** 2) / 200)
    fringes = 2 * np.pi * (carrier[0] * y + carrier[1] * x) + bump
    np.save(files / "other.npy", (120 * (1 + 0.8 * np.cos(fringes))).astype(np.uint16))

    take_file(references, workflow, mailbox, files / "other.npy")
    workflow.run(StepName.RETRIEVE)
    mailbox.follow(workflow)

    second = np.array(viewer.layers["cells phase"].data)
    assert np.abs(second - first).max() > 0.5
    record = viewer.layers["cells phase"].metadata[METADATA_KEY]
    steps = [s for s in record["history"] if s["name"] == "reference"]
    assert [step["inputs"]["name"] for step in steps] == ["other.npy"]


@pytest.fixture
def run_all(workflow, mailbox):
    def run():
        workflow.run_all()
        mailbox.follow(workflow)
        table = workflow.field.table
        assert len(table) > 0
        return table.reset_index(drop=True)

    return run


def run_script(text, folder, monkeypatch):
    monkeypatch.chdir(folder)
    names = {}
    exec(compile(text, "copied script", "exec"), names)
    return names["table"].reset_index(drop=True)


def test_the_copied_script_takes_the_same_file(
    workflow, references, viewer, mailbox, files, run_all, tmp_path, monkeypatch
):
    open_file(viewer, files / "cells.tif")
    take_file(references, workflow, mailbox, files / "empty.tif")
    table = run_all()

    script = script_of(workflow.field)

    assert script.note == scripts.COPIED
    assert table.equals(run_script(script.text, tmp_path, monkeypatch))


def test_the_copied_script_removes_the_reference_of_a_sample(
    workflow, references, viewer, sample, run_all, tmp_path, monkeypatch
):
    show_recording(viewer, sample)
    assert references.describe() == "of the sample"
    references.remove()
    table = run_all()

    text = script_of(workflow.field).text

    assert "with_reference(recording, None)" in text
    assert table.equals(run_script(text, tmp_path, monkeypatch))


def test_an_export_keeps_a_reference_that_is_in_no_file(
    workflow, references, viewer, mailbox, files, run_all, tmp_path, monkeypatch
):
    viewer.add_image(tifffile.imread(files / "empty.tif"), name="blank field")
    mailbox.follow(workflow)
    open_file(viewer, files / "cells.tif")
    references.take_layer("blank field")
    mailbox.follow(workflow)
    table = run_all()
    assert scripts.LOOSE_REFERENCE in script_of(workflow.field).note

    workflow.export_table(tmp_path / "out" / "cells")
    mailbox.follow(workflow)

    assert (tmp_path / "out" / "cells.reference.npy").exists()
    text = (tmp_path / "out" / "cells.script.py").read_text()
    assert table.equals(run_script(text, tmp_path, monkeypatch))


def test_the_median_over_time_is_offered_for_series_and_copied(
    workflow, references, viewer, mailbox, run_all, tmp_path, monkeypatch
):
    series = simulate("polarization", n_frames=5, shape=(96, 96)).acquisition
    show_recording(viewer, series)
    assert references.has_median

    references.take_median()
    mailbox.follow(workflow)

    assert references.describe() == "median over time"
    median = np.median([series.read(t) for t in range(5)], axis=0)
    np.testing.assert_array_equal(workflow.acquisition.reference, median)
    table = run_all()
    text = script_of(workflow.field).text
    assert table.equals(run_script(text, tmp_path, monkeypatch))


def test_a_sidecar_already_gives_its_reference(
    workflow, references, viewer, files, run_all
):
    (files / "cells.qpm.yaml").write_text("reference: empty.tif")
    open_file(viewer, files / "cells.tif")
    assert references.describe() == "empty.tif"
    run_all()

    assert "with_reference" not in script_of(workflow.field).text


def test_the_reference_goes_to_the_recording_it_was_chosen_for(
    workflow, references, viewer, mailbox, files, sample
):
    first = open_file(viewer, files / "cells.tif")
    references.take_file(files / "empty.tif")
    show_recording(viewer, make_recording())

    mailbox.follow(workflow)
    assert workflow.acquisition.reference is None
    viewer.layers.selection.active = first

    assert workflow.modality is Modality.OFF_AXIS
    np.testing.assert_array_equal(workflow.acquisition.reference, sample.reference)
