"""What the user said of the pixels of each frame, for what learns from it; Qt-free.

Cells of an engine are the user's word only where the frame is done; elsewhere only
those that were drawn or corrected are. What is painted as no cell gives way to them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_qpm.viewer.fields import FieldOfView, Role
from napari_qpm.viewer.fills import Outlines, outlines_of
from napari_qpm.viewer.results import present

if TYPE_CHECKING:
    from napari.components import ViewerModel

__all__ = ["Annotation", "Annotations", "annotations_of"]


@dataclass(frozen=True)
class Annotation:
    """What the user said of one frame.

    Parameters
    ----------
    t
        Its number.
    labels
        ``(Y, X)`` cells, 0 = none.
    is_done
        Whether all the rest is background.
    no_cell
        ``(Y, X)`` where else there is no cell, in a frame that is not done.
    """

    t: int
    labels: NDArray[np.int32]
    is_done: bool
    no_cell: NDArray[np.bool_]

    @property
    def is_empty(self) -> bool:
        """Whether the user said nothing of this frame."""
        return not (self.is_done or self.labels.any() or self.no_cell.any())


@dataclass(frozen=True)
class Annotations:
    """What the user said of a recording, to be read on any thread.

    Parameters
    ----------
    labels
        ``(T, Y, X)`` cells as their layer shows them.
    outlines
        For each frame, the cells as an engine made them.
    done
        Frames that are done.
    no_cells
        ``(T, Y, X)``, not 0 where the user painted that there is no cell.
    """

    labels: Any
    outlines: dict[int, Outlines]
    done: frozenset[int]
    no_cells: Any = None

    def frame(self, t: int) -> Annotation:
        """Return what the user said of frame `t`."""
        labels = np.asarray(self.labels[t], np.int32)
        is_done = t in self.done
        if not is_done:
            labels = _by_hand(labels, self.outlines.get(t, {}))
        no_cell = np.zeros(labels.shape, np.bool_)
        if self.no_cells is not None and not is_done:
            no_cell = (np.asarray(self.no_cells[t]) != 0) & (labels == 0)
        return Annotation(t, labels, is_done, no_cell)

    def __iter__(self) -> Iterator[Annotation]:
        """Yield the frames that the user said anything of."""
        for t in range(len(self.labels)):
            found = self.frame(t)
            if not found.is_empty:
                yield found


def annotations_of(viewer: "ViewerModel", field: FieldOfView) -> Annotations | None:
    """Return what the user said of a field's frames; `None` while it has no cells."""
    cells = present(viewer, field, Role.CELLS)
    if cells is None or cells.ndim != 3:
        return None
    layer = present(viewer, field, Role.NO_CELLS)
    fits = layer is not None and layer.data.shape == cells.data.shape
    return Annotations(
        cells.data,
        dict(field.outlines),
        field.annotated_frames,
        layer.data if layer is not None and fits else None,
    )


def _by_hand(labels: NDArray[np.int32], made: Outlines) -> NDArray[np.int32]:
    """Return the cells that differ from what an engine made."""
    drawn = [n for n, cell in outlines_of(labels).items() if made.get(n) != cell]
    return np.where(np.isin(labels, drawn), labels, 0).astype(np.int32)
