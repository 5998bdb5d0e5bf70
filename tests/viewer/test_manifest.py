import importlib
from pathlib import Path

import pytest
from npe2 import PluginManager, PluginManifest

import napari_qpm

# What napari 0.9 offers to plugins; its own list of identifiers is private.
LAYER_MENUS = ("visualize", "annotate", "data", "filter", "measure", "segment")
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


def test_titles_begin_with_a_verb(manifest):
    titles = [command.title for command in manifest.contributions.commands]

    assert {title.replace(",", "").split()[0] for title in titles} == {
        "Open",
        "Retrieve",
        "Save",
    }


def test_napari_knows_every_menu(manifest):
    known = {f"napari/layers/{name}" for name in LAYER_MENUS}

    assert set(manifest.contributions.menus) <= known


def test_every_contribution_uses_a_declared_command(manifest):
    declared = {command.id for command in manifest.contributions.commands}
    given = manifest.contributions
    used = [reader.command for reader in given.readers]
    used += [writer.command for writer in given.writers]
    used += [widget.command for widget in given.widgets]
    used += [sample.command for sample in given.sample_data]
    used += [item.command for items in given.menus.values() for item in items]

    assert set(used) == declared


def test_napari_finds_the_installed_plugin():
    manager = PluginManager()
    manager.discover()

    assert "napari-qpm" in manager
