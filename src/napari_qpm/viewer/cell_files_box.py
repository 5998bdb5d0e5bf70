"""Below the Cells step: take cells from a file, or write them into one."""

from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QPushButton, QWidget

from napari_qpm.viewer.cell_files import CellFiles

__all__ = ["CellFilesBox"]

INSIDE_ZARR = ("zarr.json", ".zattrs", ".zgroup")
OPEN_FILTER = (
    "Cells (*_seg.npy *.tif *.tiff *.png *.npy *.npz *.h5 *.hdf5 "
    f"{' '.join(INSIDE_ZARR)});;All (*)"
)
SAVE_FILTER = "Masks (*.tif);;Cellpose (*_seg.npy)"
IMPORT_TOOLTIP = (
    "Take cells that were outlined elsewhere: masks as TIFF, PNG, NPY or HDF5, "
    "_seg.npy of Cellpose (also dropped here), or OME-Zarr (choose the zarr.json in "
    "its folder)."
)
EXPORT_TOOLTIP = "Write the cells as masks (.tif), or for Cellpose (_seg.npy)."


class CellFilesBox(QWidget):
    """Two buttons that ask for a file.

    Parameters
    ----------
    files
        The view-model.
    """

    def __init__(self, files: CellFiles, parent: QWidget | None = None):
        super().__init__(parent)
        self._files = files
        self.load = QPushButton("Import cells…")
        self.load.setObjectName("import_cells_button")
        self.save = QPushButton("Export cells…")
        self.save.setObjectName("export_cells_button")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addStretch()
        layout.addWidget(self.load)
        layout.addWidget(self.save)
        self.load.clicked.connect(self.choose_import)
        self.save.clicked.connect(self.choose_export)
        self.refresh()

    def refresh(self) -> None:
        """Show what can be done now."""
        obstacle = self._files.obstacle_to_import()
        self.load.setEnabled(not obstacle)
        self.load.setToolTip(f"<p>{obstacle or IMPORT_TOOLTIP}</p>")
        obstacle = self._files.obstacle_to_export()
        self.save.setEnabled(not obstacle)
        self.save.setToolTip(obstacle or EXPORT_TOOLTIP)

    def choose_import(self) -> None:
        """Ask which file to take cells from, and take them."""
        name, _ = QFileDialog.getOpenFileName(self, "Import cells", "", OPEN_FILTER)
        if name:
            path = Path(name)
            is_inside = path.name in INSIDE_ZARR
            self._files.import_cells(path.parent if is_inside else path)

    def choose_export(self) -> None:
        """Ask where to write the cells, and write them."""
        name, chosen = QFileDialog.getSaveFileName(
            self, "Export cells", "cells.tif", SAVE_FILTER
        )
        if name:
            self._files.export_cells(_named(Path(name), chosen))


def _named(path: Path, chosen: str) -> Path:
    """Return a path whose name says the chosen format, where it says none."""
    from napari_qpm.io.label_files import SEG_SUFFIX, is_seg_file

    if is_seg_file(path) or path.suffix.lower() in (".tif", ".tiff"):
        return path
    return path.with_name(path.stem + (SEG_SUFFIX if SEG_SUFFIX in chosen else ".tif"))
