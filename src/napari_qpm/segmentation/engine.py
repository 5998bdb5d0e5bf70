"""The protocol of segmentation engines."""

from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from napari_qpm.acquisition import PhaseMap
from napari_qpm.jobs import CancelToken
from napari_qpm.parameters import Parameters

__all__ = ["SegmentationEngine"]


@runtime_checkable
class SegmentationEngine(Protocol):
    """Turns phase into labels.

    `companions` names the optional arrays of a `PhaseMap` (``"amplitude"``, …) that
    the engine reads; only those are computed for it.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    Parameters: ClassVar[type[Parameters]]
    companions: ClassVar[tuple[str, ...]]

    # Read-only, so that an engine may narrow it to its own model.
    @property
    def parameters(self) -> Any:
        """Frozen `Parameters` this engine was made with."""

    def segment(self, phase_map: PhaseMap, token: CancelToken) -> NDArray[np.int32]:
        """Return labels ``(N, Y, X)`` of frames in memory.

        Labels count 1, 2, … without gaps in each frame; 0 is background. The token is
        checked at every frame.
        """

    def second_opinion(self) -> "SegmentationEngine | None":
        """Return an engine that ought to find the same cells, in another way.

        Where it does not, the cells are in doubt. `None` when there is no other way.
        """
