"""The Recording step as a user works it: type, choose, look, drop and undo."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from napari.qt import get_stylesheet
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QFileDialog
from tests.viewer.conftest import cells_phase, show_recording

import napari_qpm as qpm
from napari_qpm.specimens.samples import simulate
from napari_qpm.viewer.angles import Angles
from napari_qpm.viewer.channel_choice import ChannelChoice
from napari_qpm.viewer.dock import MINIMUM_WIDTH
from napari_qpm.viewer.recording_box import RecordingBox
from napari_qpm.viewer.recording_facts import RecordingFacts
from napari_qpm.viewer.references import References

pytestmark = pytest.mark.gui

SHAPE = (128, 160)
SCROLL_BAR_AND_MARGINS = 40


@pytest.fixture
def box(workflow, mailbox, qtbot):
    """A Recording step without the rest of the dock."""
    facts = RecordingFacts(workflow, post=mailbox.post)
    angles = Angles(facts)
    channels = ChannelChoice(facts)
    references = References(workflow, facts.memory)
    made = RecordingBox(facts, references, angles, channels)
    qtbot.addWidget(made)
    workflow.changed.connect(made.refresh)
    made.show()
    made.refresh()
    yield made
    workflow.changed.disconnect(made.refresh)
    channels.close()
    angles.close()
    facts.close()


@pytest.fixture
def holograms(tmp_path):
    """Two holograms and an empty field, as a microscope leaves them in a folder."""
    sample = simulate("off-axis", shape=SHAPE).acquisition
    for name in ("cells 1.tif", "cells 2.tif"):
        tifffile.imwrite(tmp_path / name, sample.read(0)[0])
    tifffile.imwrite(tmp_path / "empty.tif", sample.reference[0])
    return tmp_path


def open_file(viewer, mailbox, path, modality="off-axis"):
    layer = show_recording(viewer, qpm.open(path, modality=modality))
    mailbox.deliver()
    return layer


def dropped(*paths):
    content = QMimeData()
    content.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    return content


def enter(widget, content):
    event = QDragEnterEvent(
        QPoint(5, 5),
        Qt.DropAction.CopyAction,
        content,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    widget.dragEnterEvent(event)
    return event.isAccepted()


def drop(widget, content):
    event = QDropEvent(
        QPointF(5, 5),
        Qt.DropAction.CopyAction,
        content,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    widget.dropEvent(event)


def type_numbers(box, text):
    box.setText(text)
    box.editingFinished.emit()


def entries(box):
    """Return the texts that the menu of the reference offers, and the actions."""
    box.reference.fill_menu()
    actions = [a for a in box.reference.menu.actions() if not a.isSeparator()]
    return {action.text(): action for action in actions}


def test_gaps_are_named_and_filled_in_place(box, viewer, workflow, mailbox, tmp_path):
    np.save(tmp_path / "dish.npy", cells_phase(3))
    layer = open_file(viewer, mailbox, tmp_path / "dish.npy", "phase")
    missing = box.missing.text()
    assert missing.startswith("Missing: ")
    assert "the pixel size (for lengths, areas and dry mass)" in missing
    assert "the frame interval (for times and rates)" in missing

    box.unit.setCurrentIndex(box.unit.findText("Radians"))
    box.unit.activated.emit(box.unit.currentIndex())
    box.wavelength.setValue(532)
    box.pixel_size.setValue(0.5)
    box.aperture.setValue(0.8)
    box.interval.setValue(600)

    instrument = workflow.acquisition.instrument
    assert instrument.phase_unit == "rad"
    assert instrument.numerical_aperture == 0.8
    assert box.missing.isHidden()
    assert box.duration.text() == "6 frames/h; 3 frames in 20 min"
    assert tuple(layer.scale) == (600.0, 0.5, 0.5)
    assert box.findChild(type(box.title), "pixel_size_um_origin").text() == "yours"


def test_what_the_folder_gave_is_said_and_undone(box, viewer, mailbox, holograms):
    open_file(viewer, mailbox, holograms / "cells 1.tif")
    assert box.recalled_row.isHidden()
    box.wavelength.setValue(532)

    open_file(viewer, mailbox, holograms / "cells 2.tif")
    assert box.recalled.text().startswith("Filled in as for 'cells 1' in this folder")
    assert box.wavelength.value() == 532
    assert box.recalled.text() not in box.notes.text()

    box.undo.click()
    assert box.wavelength.text() == "unknown"
    assert box.recalled_row.isHidden()


def test_a_stack_becomes_planes_whose_places_are_typed(
    box, viewer, workflow, mailbox, tmp_path
):
    for name in ("stack 1.npy", "stack 2.npy"):
        np.save(tmp_path / name, cells_phase(5))
    layer = open_file(viewer, mailbox, tmp_path / "stack 1.npy", "phase")
    assert not box.focus.isVisible()

    told = "The file counts its 5 images along Z, not along time; they are shown as"
    workflow.field.acquisition = workflow.acquisition.with_note(f"{told} frames.")
    box.kind.setCurrentIndex(box.kind.findText("Through-focus stack"))
    box.kind.activated.emit(box.kind.currentIndex())
    assert not any(note.startswith(told) for note in workflow.acquisition.notes)
    assert workflow.acquisition.shape == (1, 5, *cells_phase(1).shape[1:])
    assert layer.data.shape == (5, 1, *cells_phase(1).shape[1:])
    assert box.focus.isVisible()
    assert "the focus positions" in box.missing.text()
    type_numbers(box.focus, "−4 to 4")
    box.medium.setValue(1.337)

    assert workflow.acquisition.instrument.focus_um == (-4, -2, 0, 2, 4)
    assert box.focus.text() == "-4 to 4"
    assert box.findChild(type(box.title), "focus_um_origin").text() == "yours"
    assert "focus" not in box.missing.text()
    type_numbers(box.focus, "1, 2")
    assert "2 numbers for 5 images" in workflow.failure.message
    assert box.focus.text() == "-4 to 4"

    open_file(viewer, mailbox, tmp_path / "stack 2.npy", "through-focus")
    assert workflow.acquisition.instrument.focus_um == (-4, -2, 0, 2, 4)
    assert "the focus positions -4 to 4 µm" in box.recalled.text()
    assert box.medium.value() == 1.337


def test_phase_steps_are_typed_or_left_to_the_images(
    box, viewer, workflow, mailbox, tmp_path
):
    np.save(tmp_path / "steps.npy", cells_phase(4))
    open_file(viewer, mailbox, tmp_path / "steps.npy", "phase-shifting")
    assert box.steps.placeholderText() == "found in the images"
    type_numbers(box.steps, "0, 49, 107, 173")
    assert workflow.acquisition.instrument.phase_steps_deg == (0, 49, 107, 173)
    type_numbers(box.steps, "")
    assert workflow.acquisition.instrument.phase_steps_deg is None


def test_grey_pictures_that_napari_read_as_colours_are_steps(
    box, viewer, workflow, mailbox
):
    grey = (20 * cells_phase(4)).astype(np.uint8)
    viewer.add_image(np.repeat(grey[..., None], 3, axis=-1), rgb=True)
    mailbox.follow(workflow)
    assert workflow.acquisition.shape[:2] == (4, 1)
    box.kind.setCurrentIndex(box.kind.findText("Phase-shifting interferograms"))
    box.kind.activated.emit(box.kind.currentIndex())
    np.testing.assert_array_equal(workflow.acquisition.read(0), grey)


def test_the_channel_is_chosen_and_remembered_for_the_folder(
    box, viewer, workflow, mailbox, holograms
):
    hologram = tifffile.imread(holograms / "cells 1.tif")
    both = np.stack([hologram // 9, hologram])[None]
    names = {"axes": "TCYX", "Channel": {"Name": ["one", "two"]}}
    for name in ("mixed 1.ome.tif", "mixed 2.ome.tif"):
        tifffile.imwrite(
            holograms / name, both, photometric="minisblack", metadata=names
        )
    layer = open_file(viewer, mailbox, holograms / "mixed 1.ome.tif", None)
    # Both look like holograms, so neither is taken.
    assert [box.channel.itemText(i) for i in range(2)] == ["one", "two"]
    assert box.channel.currentIndex() == -1
    assert layer.data.shape == (2, 1, *SHAPE)

    box.channel.setCurrentIndex(1)
    box.channel.activated.emit(1)
    mailbox.follow(workflow)
    assert layer.data.shape == (1, *SHAPE)
    np.testing.assert_array_equal(np.asarray(layer.data[0]), hologram)
    assert workflow.modality == "off-axis"
    assert box.channel.currentText() == "two"
    box.wavelength.setValue(532)

    layer = open_file(viewer, mailbox, holograms / "mixed 2.ome.tif", None)
    mailbox.follow(workflow)
    assert box.channel.currentText() == "two"
    np.testing.assert_array_equal(np.asarray(layer.data[0]), hologram)
    assert box.wavelength.value() == 532
    box.channel.setCurrentIndex(0)
    box.channel.activated.emit(0)
    mailbox.follow(workflow)
    assert box.channel.currentText() == "one"
    assert box.findChild(type(box.title), "wavelength_nm_origin").text() == "folder"

    (holograms / "mixed 2.qpm.yaml").write_text("channel: one")
    open_file(viewer, mailbox, holograms / "mixed 2.ome.tif", None)
    mailbox.follow(workflow)
    assert box.channel.currentText() == "one"


def test_a_damaged_memory_is_told(box, viewer, mailbox, holograms, tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "folders.json").write_text("{")

    open_file(viewer, mailbox, holograms / "cells 1.tif")
    box.refresh()

    assert "begun anew" in box.notes.text()


def test_a_dropped_file_becomes_the_reference(
    box, viewer, workflow, mailbox, holograms
):
    open_file(viewer, mailbox, holograms / "cells 1.tif")
    content = dropped(holograms / "empty.tif")
    assert enter(box.reference, content)
    assert box.reference.name.text() == "Drop it here"

    drop(box.reference, content)
    mailbox.follow(workflow)

    assert box.reference.name.text() == "empty.tif"
    assert "with reference" in box.summary.text()


def test_what_is_no_single_file_is_not_taken_as_reference(
    box, viewer, mailbox, holograms
):
    np.save(holograms / "dish.npy", cells_phase(1))
    open_file(viewer, mailbox, holograms / "dish.npy", "phase")
    assert box.reference.isHidden()
    open_file(viewer, mailbox, holograms / "cells 1.tif")

    assert not box.reference.isHidden()
    both = dropped(holograms / "empty.tif", holograms / "cells 2.tif")
    assert not enter(box.reference, both)
    assert not enter(box.reference, QMimeData())
    assert box.reference.name.text() == "none"


def test_a_reference_is_chosen_removed_and_offered_again(
    box, viewer, workflow, mailbox, holograms, monkeypatch
):
    open_file(viewer, mailbox, holograms / "empty.tif")
    open_file(viewer, mailbox, holograms / "cells 1.tif")
    assert list(entries(box)) == ["File…", "Layer empty", "None"]
    assert not entries(box)["None"].isEnabled()
    asked = []
    monkeypatch.setattr(
        QFileDialog,
        "getOpenFileName",
        lambda _, title, folder: (
            asked.append(folder) or str(holograms / "empty.tif"),
            "",
        ),
    )

    entries(box)["File…"].trigger()
    mailbox.follow(workflow)
    assert [Path(folder) for folder in asked] == [holograms]
    assert box.reference.name.text() == "empty.tif"

    open_file(viewer, mailbox, holograms / "cells 2.tif")
    entries(box)["empty.tif (used in this folder)"].trigger()
    mailbox.follow(workflow)
    assert box.reference.name.text() == "empty.tif"

    entries(box)["None"].trigger()
    assert box.reference.name.text() == "none"
    entries(box)["Layer empty"].trigger()
    mailbox.follow(workflow)
    assert box.reference.name.text() == "empty.tif"


@pytest.fixture
def polarization():
    return simulate("polarization", n_frames=2, shape=SHAPE).acquisition


def test_angles_are_looked_at_and_chosen(box, viewer, workflow, mailbox, polarization):
    wrong = polarization.with_instrument(polarization_layout=(0, 45, 90, 135))
    show_recording(viewer, wrong)
    mailbox.deliver()
    assert box.panel.isHidden()

    box.check_angles.click()
    mailbox.follow(workflow)

    assert box.panel.isVisible()
    assert [caption.text() for caption in box.panel.captions] == [
        "0°",
        "45°",
        "90°",
        "135°",
    ]
    assert "does not fit" in box.panel.verdict.text()
    assert all(not picture.pixmap().isNull() for picture in box.panel.pictures)
    orders = box.panel.orders
    assert orders.topLevelItemCount() == 24
    first = orders.topLevelItem(0)
    assert first.text(0) == "90° 45° / 135° 0°"
    assert first.text(1).startswith("yes")
    assert orders.currentItem().text(2) == "chosen"

    orders.itemClicked.emit(first, 0)

    assert workflow.acquisition.instrument.polarization_layout == (90, 45, 135, 0)
    assert box.layout_choice.currentText() == "90° 45° / 135° 0°"
    assert box.panel.captions[0].text() == "90°"
    assert box.panel.verdict.text().startswith("The order fits")
    assert orders.currentItem().text(0) == "90° 45° / 135° 0°"

    box.panel.add.click()
    assert "polarization-sample 135°" in viewer.layers
    box.check_angles.click()
    assert box.panel.isHidden()


def test_the_panel_of_angles_is_for_the_recording_it_was_opened_for(
    box, viewer, workflow, mailbox, polarization, holograms
):
    show_recording(viewer, polarization)
    box.check_angles.click()
    mailbox.follow(workflow)
    assert box.panel.isVisible()

    open_file(viewer, mailbox, holograms / "cells 1.tif")

    assert box.panel.isHidden()
    assert box.check_angles.isHidden()
    assert not box.check_angles.isChecked()


def test_the_dock_stays_narrow(box, viewer, workflow, mailbox, polarization):
    layer = show_recording(viewer, polarization.with_instrument(phase_sign=-1))
    layer.name = "a recording with a very long name that goes on and on"
    box.setStyleSheet(get_stylesheet("dark"))
    box.check_angles.click()
    mailbox.follow(workflow)

    assert box.minimumSizeHint().width() <= MINIMUM_WIDTH - SCROLL_BAR_AND_MARGINS


def test_without_a_recording_it_says_how_to_open_one(box):
    assert "Open a recording" in box.summary.text()
    assert box.panel.isHidden()
    assert box.recalled_row.isHidden()
