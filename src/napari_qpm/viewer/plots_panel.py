"""The dock "QPM plots": cells in one tab, profiles and regions in another."""

from qtpy.QtWidgets import QTabWidget, QVBoxLayout, QWidget

from napari_qpm.viewer.docked_widget import DockedWidget
from napari_qpm.viewer.plots import CellPlotBox
from napari_qpm.viewer.profile_box import ProfileBox
from napari_qpm.viewer.workflow import Workflow

__all__ = ["PlotsPanel"]

HEIGHT = 196


class PlotsPanel(DockedWidget):
    """Plots of one QPM dock.

    Parameters
    ----------
    workflow
        The view-model of that dock.
    """

    def __init__(self, workflow: Workflow, parent: QWidget | None = None):
        super().__init__(parent)
        self._is_open = True
        self.cells = CellPlotBox(workflow)
        self.profile = ProfileBox(workflow)
        self.tabs = QTabWidget()
        self.tabs.setObjectName("plot_tabs")
        self.tabs.addTab(self.cells, "Cells")
        self.tabs.addTab(self.profile, "Profile and regions")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.tabs)
        self.setMinimumHeight(HEIGHT)
        if workflow.field is not None and workflow.field.table is None:
            self.tabs.setCurrentWidget(self.profile)

    def close_connections(self) -> None:
        """Let go of viewer and view-model."""
        if self._is_open:
            self._is_open = False
            self.cells.close_connections()
            self.profile.close_connections()
