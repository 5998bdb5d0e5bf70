"""A batch of specimens: optical path, labels, classes, absorption, and their cells."""

import math
from dataclasses import dataclass, field, fields, replace
from typing import Any

import torch
from torch import Tensor

__all__ = ["CellColumns", "Specimens"]


@dataclass(frozen=True, eq=False)
class CellColumns:
    """One row a cell and image, as ``(M,)`` tensors.

    Parameters
    ----------
    field, label
        Image and number of the cell in its labels.
    cell_class
        A `CellClass`.
    dry_mass_pg
        Of the whole cell, also where the image cuts it off.
    y_um, x_um
        Centre, from the centre of the first pixel.
    parent
        Label of the mother cell, 0 = none; only in a time-lapse.
    """

    field: Tensor
    label: Tensor
    cell_class: Tensor
    dry_mass_pg: Tensor
    y_um: Tensor
    x_um: Tensor
    parent: Tensor

    def __len__(self) -> int:
        return len(self.field)

    def select(self, rows: Tensor) -> "CellColumns":
        """Return some rows."""
        columns = {f.name: getattr(self, f.name)[rows] for f in fields(self)}
        return CellColumns(**columns)

    def rows(self) -> list[dict[str, Any]]:
        """Return plain dictionaries, for a table or JSON."""
        columns = {f.name: getattr(self, f.name).tolist() for f in fields(self)}
        names = list(columns)
        return [
            dict(zip(names, row, strict=True))
            for row in zip(*columns.values(), strict=True)
        ]

    @staticmethod
    def empty(device: torch.device) -> "CellColumns":
        """Return no rows."""
        whole = torch.zeros(0, dtype=torch.long, device=device)
        real = torch.zeros(0, device=device)
        return CellColumns(whole, whole, whole, real, real, real, whole)


@dataclass(frozen=True, eq=False)
class Specimens:
    """What lies under the microscope, with its truth.

    Parameters
    ----------
    opd_um
        ``(N, Y, X)`` float32 optical path difference to the medium [um], positive =
        optically thicker. The same for every wavelength.
    labels
        ``(N, Y, X)`` int32 cell numbers, 0 = background.
    amplitude
        ``(N, Y, X)`` float32 transmitted amplitude, 1 = no absorption.
    pixel_um
        Side of a pixel at the specimen; None for objects without a scale.
    cells
        What is known of each cell.
    """

    opd_um: Tensor
    labels: Tensor
    amplitude: Tensor
    pixel_um: float | None = None
    cells: CellColumns = field(
        default_factory=lambda: CellColumns.empty(torch.device("cpu"))
    )

    def __len__(self) -> int:
        return len(self.opd_um)

    def phase(self, wavelength_nm: float) -> Tensor:
        """Return ``(N, Y, X)`` phase [rad] = ``2 pi OPD / wavelength``."""
        return self.opd_um * (2 * math.pi / (wavelength_nm / 1000))

    def complex_field(self, wavelength_nm: float) -> Tensor:
        """Return ``(N, Y, X)`` complex64 field behind the specimen."""
        return torch.polar(self.amplitude, self.phase(wavelength_nm))

    def class_map(self) -> Tensor:
        """Return ``(N, Y, X)`` uint8 `CellClass` of each pixel, 0 = background."""
        highest = int(self.labels.max()) if self.labels.numel() else 0
        table = torch.zeros(
            len(self), highest + 1, dtype=torch.uint8, device=self.labels.device
        )
        shown = self.cells.label <= highest
        table[self.cells.field[shown], self.cells.label[shown]] = self.cells.cell_class[
            shown
        ].to(torch.uint8)
        table[:, 0] = 0
        images = torch.arange(len(self), device=table.device)[:, None, None]
        return table[images, self.labels.long()]

    def confluence(self) -> Tensor:
        """Return ``(N,)`` share of pixels that a cell covers."""
        return (self.labels > 0).float().mean(dim=(1, 2))

    def to(self, device: torch.device | str) -> "Specimens":
        """Return the batch on a device."""
        columns = {
            f.name: getattr(self.cells, f.name).to(device) for f in fields(self.cells)
        }
        return replace(
            self,
            opd_um=self.opd_um.to(device),
            labels=self.labels.to(device),
            amplitude=self.amplitude.to(device),
            cells=CellColumns(**columns),
        )
