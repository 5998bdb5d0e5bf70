"""Pages of the documentation, shown beside the step that they explain.

They are the Markdown files in ``docs/``, which a wheel carries as ``help/``; so help
needs no network and always fits the version that runs.
"""

from collections.abc import Callable
from pathlib import Path

from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QDialog, QTextBrowser, QToolButton, QVBoxLayout, QWidget

import napari_qpm
from napari_qpm.acquisition import Modality
from napari_qpm.viewer.settings import StepName

__all__ = [
    "PAGES",
    "RECORDING_PAGE",
    "HelpButton",
    "HelpWindow",
    "help_folder",
    "page_of",
]

RECORDING_PAGE = "recording"
LEARNED_PAGE = "nas-prnet"
PHASE_PAGES = {
    Modality.OFF_AXIS: "off-axis",
    Modality.POLARIZATION: "polarization-camera",
    Modality.PHASE_SHIFTING: "phase-shifting",
    Modality.THROUGH_FOCUS: "tie",
    Modality.CHROMATIC: "tie",
}
STEP_PAGES = {StepName.SEGMENT: "correct-cells", StepName.MEASURE: "measure"}
DEFAULT_PHASE_PAGE = "checks"
PAGES = sorted(
    {
        RECORDING_PAGE,
        LEARNED_PAGE,
        DEFAULT_PHASE_PAGE,
        *PHASE_PAGES.values(),
        *STEP_PAGES.values(),
    }
)
"""Names of the pages that a wheel carries."""
SIZE = (720, 640)


def help_folder() -> Path:
    """Return where the pages are: in the package, or in the source tree."""
    package = Path(napari_qpm.__file__).parent
    installed = package / "help"
    return installed if installed.is_dir() else package.parents[1] / "docs"


def page_of(step: StepName, modality: Modality | None, is_learned: bool) -> str:
    """Return the name of the page that explains a step."""
    if step is not StepName.RETRIEVE:
        return STEP_PAGES[step]
    if is_learned:
        return LEARNED_PAGE
    return (
        DEFAULT_PHASE_PAGE
        if modality is None
        else PHASE_PAGES.get(modality, DEFAULT_PHASE_PAGE)
    )


class HelpButton(QToolButton):
    """A question mark that opens a page.

    Parameters
    ----------
    page
        Returns the name of the page when it is pressed.
    """

    def __init__(self, page: Callable[[], str], parent: QWidget | None = None):
        super().__init__(parent)
        self._page = page
        self.shown: HelpWindow | None = None
        self.setText("?")
        self.setAutoRaise(True)
        self.setToolTip("Show the page of the documentation on this step.")
        self.clicked.connect(self.show_page)

    def show_page(self) -> None:
        """Show the page in a window of its own; the same one every time."""
        if self.shown is None:
            self.shown = HelpWindow(self)
        self.shown.open_page(self._page())
        self.shown.show()
        self.shown.raise_()


class HelpWindow(QDialog):
    """Shows one page; links to others stay here, addresses go to the web browser."""

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self.setWindowTitle("napari-qpm help")
        self.resize(*SIZE)
        self.browser = QTextBrowser()
        self.browser.setOpenLinks(False)
        self.browser.setSearchPaths([str(help_folder())])
        layout = QVBoxLayout(self)
        layout.addWidget(self.browser)
        self.browser.anchorClicked.connect(self._on_link)

    def open_page(self, name: str) -> None:
        """Show a page by name, or say that this installation lacks it."""
        path = help_folder() / f"{name}.md"
        try:
            text = path.read_text("utf-8")
        except OSError:
            text = f"The page *{name}* is not part of this installation."
        self.browser.setMarkdown(text)

    def _on_link(self, url: QUrl) -> None:
        if url.scheme():
            QDesktopServices.openUrl(url)
            return
        name = url.path().removesuffix(".md")
        if name:
            self.open_page(name)
        elif url.fragment():
            self.browser.scrollToAnchor(url.fragment())
