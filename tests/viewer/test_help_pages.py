import tomllib

import pytest
from qtpy.QtCore import QUrl

from napari_qpm.acquisition import Modality
from napari_qpm.viewer.help_pages import (
    PAGES,
    HelpButton,
    HelpWindow,
    help_folder,
    page_of,
)
from napari_qpm.viewer.settings import StepName


def test_every_step_of_every_kind_has_a_page_that_exists():
    for step in StepName:
        for modality in (None, *Modality):
            for is_learned in (False, True):
                page = page_of(step, modality, is_learned)
                assert page in PAGES
                assert (help_folder() / f"{page}.md").is_file()


def test_a_wheel_carries_all_pages(project_root):
    build = tomllib.loads((project_root / "pyproject.toml").read_text("utf-8"))
    files = build["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert files == {f"docs/{page}.md": f"napari_qpm/help/{page}.md" for page in PAGES}


@pytest.mark.gui
def test_the_button_shows_the_page_of_the_moment(qtbot):
    pages = iter(["measure", "off-axis"])
    button = HelpButton(lambda: next(pages))
    qtbot.addWidget(button)

    button.click()
    window = button.shown
    first = window.browser.toPlainText()
    button.click()

    assert window is button.shown
    assert window.isVisible()
    assert first.strip()
    assert window.browser.toPlainText() != first


@pytest.mark.gui
def test_links_between_pages_stay_and_missing_ones_are_told(qtbot):
    window = HelpWindow()
    qtbot.addWidget(window)

    window.browser.anchorClicked.emit(QUrl("measure.md#growth"))
    assert window.browser.toPlainText().startswith("Measuring cells")
    window.browser.anchorClicked.emit(QUrl("nowhere.md"))
    assert "not part of this installation" in window.browser.toPlainText()
