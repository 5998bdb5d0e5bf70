"""Recordings of every format open in napari: with our reader, and by drag and drop."""

import numpy as np
import pytest
from napari._qt.dialogs.qt_reader_dialog import QtReaderDialog
from napari._qt.qt_viewer import QtViewer
from napari.errors import ReaderPluginError
from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent
from qtpy.QtWidgets import QApplication

from napari_qpm.io import is_ours, open_acquisition
from napari_qpm.viewer.fields import field_of, unwrap
from napari_qpm.viewer.reader import PICTURES

COLOURED = {"rgb"}
"""Anybody's colour pictures, which napari opens and the dock takes over."""


@pytest.fixture(scope="module")
def samples(corpus, tmp_path_factory):
    written = corpus.write_corpus(tmp_path_factory.mktemp("corpus"), 64, 2)
    # One of each format is enough here: number types are the readers' affair.
    return list({sample.kind: sample for sample in written}.values())


def test_napari_offers_us_for_every_recording(samples, plugins):
    unknown = {
        sample.name
        for sample in samples
        if "napari-qpm"
        not in {r.plugin_name for r in plugins.iter_compatible_readers([sample.path])}
    }
    assert not unknown


def test_every_recording_opens_as_a_live_layer_of_the_same_pixels(
    samples, plugins, viewer
):
    wrong = {}
    for sample in samples:
        if sample.name in COLOURED:
            assert not is_ours(sample.path)
            continue
        layer = viewer.open(sample.path, plugin="napari-qpm")[0]
        if layer.source.reader_plugin != "napari-qpm" or field_of(layer) is None:
            wrong[sample.name] = "not ours"
        if sample.frames is None or sample.modality is not None:
            continue
        shown = np.asarray(layer.data)
        shown = shown if shown.ndim == 4 else shown[None]
        if not np.array_equal(shown, np.moveaxis(sample.frames, 1, 0)):
            wrong[sample.name] = shown.shape
    assert not wrong


REAL = (
    "dofp-imx250mzr",
    "inline-plankton-timelapse",
    "oah-glioblastoma",
    "oah-hl60-reference",
    "oah-rbc-nontelecentric",
    "oah-star-target",
    "psi-fresnel-4frame",
    "qlsi-bead-reference",
    "qpi-a2780-masks",
    "qpi-series-hl60-rotation",
    "tie-cell-throughfocus",
)
TEXTS = {".md", ".csv", ".txt"}
OURS, BUILTINS = "Quantitative phase microscopy", "napari builtins"


def drop(viewer, path):
    """Drop a file on the window, as its user would."""
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path))])
    event = QDropEvent(
        QPointF(9, 9),
        Qt.DropAction.CopyAction,
        mime,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    shown = [
        widget
        for window in QApplication.topLevelWidgets()
        for widget in window.findChildren(QtViewer)
        if widget.viewer is unwrap(viewer)
    ]
    shown[0].dropEvent(event)


@pytest.fixture
def choose(monkeypatch):
    """Answer napari's question which reader to take."""

    def answer(title: str) -> None:
        monkeypatch.setattr(
            QtReaderDialog, "get_user_choices", lambda dialog: (title, False)
        )

    return answer


@pytest.mark.parametrize("name", REAL)
def test_every_real_recording_is_dropped_and_taken_up_by_the_dock(
    name, shared_data, make_napari_viewer_proxy, plugins, choose, qtbot
):
    viewer = make_napari_viewer_proxy()
    _, dock = viewer.window.add_plugin_dock_widget("napari-qpm", "QPM")
    files = [
        path
        for path in sorted((shared_data / name).iterdir())
        if path.suffix.lower() not in TEXTS and not path.name.startswith("LICENSE")
    ]
    assert files
    seen_by_napari = set()
    for path in files:
        read = open_acquisition(path)
        readers = [OURS]
        if path.suffix in PICTURES and path.suffix not in seen_by_napari:
            readers.append(BUILTINS)
            seen_by_napari.add(path.suffix)
        for reader in readers:
            viewer.layers.clear()
            choose(reader)

            drop(viewer, path)

            # Layers of napari's reader are examined by a job.
            qtbot.waitUntil(lambda read=read: shape_in(dock) == read.shape)
            taken = dock.workflow.acquisition.read(0)
            assert np.array_equal(taken, read.read(0), equal_nan=True), (path, reader)


def shape_in(dock):
    """Return the shape of the recording that a dock works on."""
    acquisition = dock.workflow.acquisition
    return None if acquisition is None else acquisition.shape


def test_an_archive_that_is_dropped_is_refused_with_a_remedy(
    shared_data, make_napari_viewer_proxy, plugins, choose
):
    viewer = make_napari_viewer_proxy()
    choose(OURS)

    with pytest.raises(ReaderPluginError, match="Unpack it"):
        drop(viewer, shared_data / "field-hl60-defocused" / "HL60_field.zip")

    assert not viewer.layers
