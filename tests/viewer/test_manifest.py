import importlib
from pathlib import Path

import pytest

# napari's list of the menus that plugins may add to; private, and nowhere else.
from napari._app_model.constants._menus import is_menu_contributable
from npe2 import PluginManager, PluginManifest

import napari_qpm
from napari_qpm.viewer import commands

VERBS = {
    "Adapt",
    "Cancel",
    "Compare",
    "Copy",
    "Delete",
    "Export",
    "Follow",
    "Import",
    "Mark",
    "Measure",
    "Merge",
    "Open",
    "Paint",
    "Plot",
    "Read",
    "Retrieve",
    "Run",
    "Save",
    "Segment",
    "Split",
    "Suggest",
    "Teach",
}
PATH = Path(napari_qpm.__file__).parent / "napari.yaml"


@pytest.fixture(scope="module")
def manifest():
    return PluginManifest.from_file(PATH)


def test_the_manifest_is_valid(manifest):
    assert manifest.name == "napari-qpm"
    assert manifest.display_name == "Quantitative phase microscopy"


def test_every_command_can_be_imported(manifest):
    for command in manifest.contributions.commands:
        module, _, name = command.python_name.partition(":")
        assert callable(getattr(importlib.import_module(module), name)), command.id


def test_titles_begin_with_a_verb_and_are_sentences(manifest):
    titles = [command.title for command in manifest.contributions.commands]

    assert {title.split()[0] for title in titles} == VERBS
    assert len(set(titles)) == len(titles)
    assert not any(title.endswith(".") for title in titles)


def test_napari_lets_us_add_to_every_menu(manifest):
    menus = manifest.contributions.menus

    assert len(menus) >= 6
    assert all(menu.startswith("napari/") for menu in menus)
    assert all(map(is_menu_contributable, menus))


def test_the_palette_offers_no_command_that_needs_a_file(manifest):
    given = manifest.contributions
    disabled = {c.id for c in given.commands if c.enablement}

    assert disabled == {one.command for one in (*given.readers, *given.writers)}


def test_every_contribution_uses_a_declared_command(manifest):
    declared = {command.id for command in manifest.contributions.commands}
    given = manifest.contributions
    used = [reader.command for reader in given.readers]
    used += [writer.command for writer in given.writers]
    used += [widget.command for widget in given.widgets]
    used += [sample.command for sample in given.sample_data]
    used += [item.command for items in given.menus.values() for item in items]

    on_viewer = {
        command.id
        for command in given.commands
        if command.python_name.startswith("napari_qpm.viewer.commands:")
    }
    assert set(used) <= declared
    assert set(used) | on_viewer == declared
    assert {name.partition(".")[2] for name in on_viewer} == set(commands.__all__)


def test_napari_finds_the_installed_plugin():
    manager = PluginManager()
    manager.discover()

    assert "napari-qpm" in manager
