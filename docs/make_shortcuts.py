"""Write the page of keys and commands from the tables that the code uses.

Run again after a change of keys or commands: ``python docs/make_shortcuts.py``.
"""

from pathlib import Path

from npe2 import PluginManifest

import napari_qpm
from napari_qpm.viewer.shortcuts import shortcuts_as_markdown

PAGE = Path(__file__).parent / "shortcuts.md"
HEAD = """# Keys and commands

## Keys

They work while the layer is selected and no text field has the keyboard. napari's own
keys stay as they are; Ctrl+Z takes back what was painted, merged, split or deleted.

"""
MIDDLE = """
With Shift held, a click of *Delete* deletes the cell in all frames that it was followed
through. On layers that you or another plugin made, no keys are bound.

## Commands

napari's command palette finds them by a few letters, followed by *Quantitative phase
microscopy*. Those with a menu are there too.

| command | menu |
| --- | --- |
"""
MENUS = {
    "napari/file/io_utilities": "File > IO Utilities",
    "napari/layers/annotate": "Layers > Annotate",
    "napari/layers/data": "Layers > Data",
    "napari/layers/measure": "Layers > Measure",
    "napari/layers/segment": "Layers > Segment",
    "napari/layers/visualize": "Layers > Visualize",
}


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), "utf-8")


def page() -> str:
    """Return the page."""
    return HEAD + shortcuts_as_markdown() + MIDDLE + commands_as_markdown()


def commands_as_markdown() -> str:
    """Return one row a command, with the menus that it is in."""
    path = Path(napari_qpm.__file__).parent / "napari.yaml"
    given = PluginManifest.from_file(path).contributions
    samples = {sample.command for sample in given.sample_data}
    rows = []
    for command in given.commands:
        if command.id in samples or command.enablement:
            continue
        places = [
            menu.removeprefix("napari/")
            .replace("_", " ")
            .replace("/", " > ")
            .title()
            .replace("Io ", "IO ")
            for menu, items in given.menus.items()
            if command.id in [item.command for item in items]
        ]
        rows.append(f"| {command.title} | {', '.join(places)} |\n")
    return "".join(rows)


if __name__ == "__main__":
    main()
