from pathlib import Path

import pytest
from app_model.types import KeyBinding
from napari.layers import Image, Labels
from napari.utils.shortcuts import default_shortcuts

from napari_qpm.viewer.shortcuts import (
    SHORTCUTS,
    Act,
    shortcuts_as_markdown,
    tooltip,
)

WHILE_A_TOOL_IS_CHOSEN = {Act.STOP}
OTHER_LAYERS = (
    "points",
    "shape",
    "vertex",
    "vectors",
    "surface",
    "tracks",
    "select_all",
)


def naparis_keys():
    """Return napari's keys for the viewer and for images and labels, as text."""
    found = set()
    for name, keys in default_shortcuts.items():
        if not any(word in name for word in OTHER_LAYERS):
            found |= {str(key) for key in keys}
    for layer_class in (Image, Labels):
        found |= {str(key) for key in layer_class.class_keymap}
    return found


def test_every_act_has_a_key_of_its_own():
    assert set(SHORTCUTS) == set(Act)
    assert len({one.key for one in SHORTCUTS.values()}) == len(Act)


@pytest.mark.parametrize("act", sorted(set(Act) - WHILE_A_TOOL_IS_CHOSEN))
def test_keys_shadow_none_of_naparis(act):
    key = str(KeyBinding.from_str(SHORTCUTS[act].key))

    assert key == SHORTCUTS[act].shown
    assert key not in naparis_keys()


def test_tooltips_tell_the_key():
    assert tooltip("Click a cell.", Act.MERGE).endswith("<p><b>Shift+M</b></p>")


def test_the_docs_show_the_table(project_root: Path):
    page = (project_root / "docs" / "shortcuts.md").read_text("utf-8")

    assert shortcuts_as_markdown() in page, "run docs/make_shortcuts.py"
