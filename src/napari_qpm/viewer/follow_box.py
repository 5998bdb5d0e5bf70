"""How cells are followed over time: the folded parameters of linking."""

from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget
from superqt import QCollapsible

from napari_qpm.errors import QPMError
from napari_qpm.measurement import LinkingParameters
from napari_qpm.viewer.forms import ParameterForm
from napari_qpm.viewer.workflow import Workflow

__all__ = ["FollowBox"]


class FollowBox(QWidget):
    """Parameters of linking, for recordings of more than one frame.

    Parameters
    ----------
    workflow
        The view-model.
    """

    def __init__(self, workflow: Workflow, parent: QWidget | None = None):
        super().__init__(parent)
        self._workflow = workflow
        self.folded = QCollapsible(
            "Follow cells over time", expandedIcon="▾", collapsedIcon="▸"
        )
        self.folded.setObjectName("follow_advanced")
        self.folded.layout().setContentsMargins(0, 0, 0, 0)
        self.form = ParameterForm(LinkingParameters, workflow.settings.link_values)
        self.form.values_changed.connect(self._on_values)
        reset = QPushButton("Restore defaults")
        reset.clicked.connect(self.form.reset)
        self.form.layout().addRow(reset)
        self.folded.addWidget(self.form)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.folded)

    def refresh(self) -> None:
        """Show the parameters where there is something to follow."""
        acquisition = self._workflow.acquisition
        self.setVisible(acquisition is not None and acquisition.n_frames > 1)
        self.folded.setEnabled(self._workflow.job is None)

    def _on_values(self, values: dict[str, object]) -> None:
        try:
            self._workflow.settings.set_link_values(values)
        except QPMError as error:
            self._workflow.fail(error)
