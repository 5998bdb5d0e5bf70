"""Below the Phase step: follow the slider, show what led to the phase, the spectrum."""

from pathlib import Path

from qtpy.QtCore import QSignalBlocker, Qt, QTimer
from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from napari_qpm.acquisition import RELATIVE
from napari_qpm.viewer.frame_maker import Kind
from napari_qpm.viewer.preview import Preview
from napari_qpm.viewer.preview_layers import SHOWN_KINDS, title_of
from napari_qpm.viewer.references import References
from napari_qpm.viewer.settings import StepName
from napari_qpm.viewer.shortcuts import Act, tooltip
from napari_qpm.viewer.sideband import Sideband
from napari_qpm.viewer.spectrum_view import SpectrumView
from napari_qpm.viewer.wording import unwrapping_in_words
from napari_qpm.viewer.workflow import Workflow

__all__ = ["PhaseTools"]

TOOLTIPS = {
    Kind.WRAPPED: "Phase between -pi and pi, as measured; colours run in a circle.",
    Kind.UNWRAPPED: "Phase without 2 pi steps, before the background is subtracted.",
    Kind.BACKGROUND: "The smooth surface that is subtracted.",
    Kind.EMPTY: "Where no cells were found, so that the background was fitted there.",
    Kind.AMPLITUDE: "Brightness of the light that passed the specimen.",
    Kind.QUALITY: "Reliability of the phase, 0 to 1.",
    Kind.OPD: "Optical path difference in nm; needs the wavelength.",
}


class PhaseTools(QWidget):
    """Preview switch, layers on demand, and the spectrum of holograms.

    Parameters
    ----------
    workflow, preview, references
        The view-models.
    """

    def __init__(
        self,
        workflow: Workflow,
        preview: Preview,
        references: References,
        parent: QWidget | None = None,
    ):
        super().__init__(parent)
        self._workflow, self._preview = workflow, preview
        self._references = references
        self.follow = QCheckBox("Follow the slider")
        self.follow.setObjectName("follow_slider")
        self.follow.setToolTip(
            tooltip(
                "Show phase and cells of the frame under the time slider at once, with "
                "the settings of these forms. Frames that were retrieved already stay "
                "as they are.",
                Act.FOLLOW,
            )
        )
        self.menu = QMenu(self)
        self.show_button = QPushButton("Show…")
        self.show_button.setObjectName("show_button")
        self.show_button.setToolTip("Add layers that show how the phase came about.")
        self.show_button.setMenu(self.menu)
        self._actions = {}
        for kind in SHOWN_KINDS:
            action = self.menu.addAction(title_of(kind).capitalize())
            action.setCheckable(True)
            action.setToolTip(TOOLTIPS[kind])
            action.setData(kind.value)
            self._actions[kind] = action
        self.menu.setToolTipsVisible(True)
        self.note = QLabel()
        self.note.setObjectName("preview_note")
        self.note.setWordWrap(True)
        self.note.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.median = QPushButton("Try the median over time")
        self.median.setObjectName("median_button")
        self.median.setToolTip(
            "<p>So little of this frame looks like empty field that its zero is a "
            "guess, and dry mass relative. Where cells move and most places are empty "
            "most of the time, the median over time is the empty field. The next "
            "retrieval says whether it holds cells. Back: Reference, None.</p>"
        )
        self.sideband = Sideband(workflow, preview)
        self.spectrum = SpectrumView(self.sideband, preview)
        self.fold = QCollapsible(
            "Spectrum and sideband", expandedIcon="▾", collapsedIcon="▸"
        )
        self.fold.setObjectName("spectrum_fold")
        self.fold.setDuration(0)
        self.fold.layout().setContentsMargins(0, 0, 0, 0)
        self.fold.addWidget(self.spectrum)
        self.keep = QPushButton("Keep in…")
        self.keep.setObjectName("keep_button")
        self.keep.setToolTip(
            "Choose a folder for the phase of all frames (OME-Zarr). A series that is "
            "cancelled or crashes can then be continued on another day. Otherwise "
            "results are temporary."
        )
        row = QHBoxLayout()
        row.addWidget(self.follow)
        row.addStretch()
        row.addWidget(self.keep)
        row.addWidget(self.show_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(row)
        layout.addWidget(self.note)
        layout.addWidget(self.median)
        layout.addWidget(self.fold)
        self.follow.toggled.connect(self._on_follow)
        self.keep.clicked.connect(self._on_keep)
        self.menu.triggered.connect(self._on_action)
        self.fold.toggled.connect(self._on_fold)
        self.median.clicked.connect(references.take_median)
        preview.changed.connect(self.refresh)
        self.refresh()

    def close_connections(self) -> None:
        """Let go of the preview."""
        self._preview.changed.disconnect(self.refresh)

    def refresh(self) -> None:
        """Show what the preview says now."""
        workflow, preview = self._workflow, self._preview
        is_ready = workflow.availability(StepName.RETRIEVE).is_ready
        self.follow.blockSignals(True)
        self.follow.setChecked(preview.is_following)
        self.follow.blockSignals(False)
        acquisition = workflow.acquisition
        is_series = acquisition is not None and acquisition.n_frames > 1
        self.follow.setVisible(is_series)
        self.keep.setVisible(is_series)
        self.keep.setEnabled(is_ready)
        self.show_button.setEnabled(is_ready)
        for kind, action in self._actions.items():
            action.setChecked(kind in preview.extras)
        told = preview.note or unwrapping_in_words(self._notes())
        folder = workflow.results_folder
        if folder is not None and is_series:
            told = f"{told} All frames are kept in {folder.name}.".strip()
        self.note.setText(told)
        self.note.setVisible(bool(told))
        self.median.setVisible(self._is_median_worth_a_try())
        has_sideband = self.sideband.is_available
        self.fold.setVisible(has_sideband)
        if has_sideband and self.fold.isExpanded():
            self.spectrum.refresh()

    def _is_median_worth_a_try(self) -> bool:
        """Return whether the zero of the shown frame is a guess without a reference."""
        references = self._references
        could = references.is_available and references.has_median
        return could and not references.is_set and bool(self._notes().get(RELATIVE))

    def _notes(self) -> dict[str, object]:
        """Return what was found in the shown frame, previewed or retrieved."""
        field = self._workflow.field
        if self._preview.frame_notes or field is None or field.phase_map is None:
            return self._preview.frame_notes
        notes = field.phase_map.frame_notes
        t = self._workflow.current_frame()
        return notes[t] if t < len(notes) else {}

    def _on_follow(self, is_on: bool) -> None:
        self._preview.is_following = is_on

    def _on_keep(self) -> None:
        known = self._workflow.results_folder
        name = QFileDialog.getExistingDirectory(
            self,
            "Keep the phase of all frames in…",
            "" if known is None else str(known),
        )
        self._workflow.results_folder = Path(name) if name else None
        self.refresh()

    def _on_action(self, action: object) -> None:
        kind = Kind(action.data())  # type: ignore[attr-defined]
        if kind in self._preview.extras:
            self._preview.hide(kind)
        else:
            self._preview.show(kind)

    def _on_fold(self, is_open: bool) -> None:
        if is_open and self.sideband.is_available:
            self._preview.show(Kind.SPECTRUM)
            self.spectrum.refresh()
            # The plot is made at first use; the fold measures its content anew.
            QTimer.singleShot(0, self._fit_fold)
        else:
            self._preview.hide(Kind.SPECTRUM)

    def _fit_fold(self) -> None:
        if self.fold.isExpanded():
            # Told again that it is open, we would measure it again, without end.
            with QSignalBlocker(self.fold):
                self.fold.expand(animate=False)
