"""Cellpose, where the user has installed it: cells to start from, to be corrected.

Its package is imported when it is used, and it fetches its network by itself the first
time. It is asked for one frame at a time, by one thread.
"""

import functools
import importlib
import math
import threading
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from napari_qpm.acquisition import PhaseMap
from napari_qpm.errors import QPMError
from napari_qpm.jobs import CancelToken
from napari_qpm.parameters import Parameters
from napari_qpm.runtime.devices import DeviceName, cuda_card

__all__ = ["CellposeEngine", "CellposeParameters"]

_turn = threading.Lock()


class CellposeParameters(Parameters):
    """Which network Cellpose takes, and how sure it has to be."""

    model: str = Field(
        "cpsam",
        title="Model",
        description="Network of Cellpose: its own, or the path of one that you "
        "trained.",
    )
    cell_diameter: float | None = Field(
        None,
        gt=0,
        le=10_000,
        title="Cell diameter",
        description="Typical diameter of one cell, in um when the pixel size is known, "
        "else in pixels. Empty: Cellpose takes the frame as it is.",
    )
    flow_threshold: float = Field(
        0.4,
        ge=0,
        le=3,
        title="Flow threshold",
        description="Cells whose shape fits the flows worse are dropped. Higher values "
        "keep more cells.",
    )
    cell_threshold: float = Field(
        0.0,
        ge=-6,
        le=6,
        title="Cell threshold",
        description="Answer from which a pixel belongs to a cell. Higher values draw "
        "tighter outlines.",
    )
    device: DeviceName = Field(
        DeviceName.AUTO,
        title="Device",
        description="Where the network runs. Auto takes a graphics card if it can.",
    )


class CellposeEngine:
    """Cells by Cellpose.

    Parameters
    ----------
    parameters
        See `CellposeParameters`.
    """

    name: ClassVar[str] = "cellpose"
    title: ClassVar[str] = "Cellpose"
    Parameters: ClassVar[type[CellposeParameters]] = CellposeParameters
    companions: ClassVar[tuple[str, ...]] = ()

    def __init__(self, parameters: CellposeParameters | None = None):
        self.parameters = parameters or CellposeParameters()
        self._is_upside_down = False

    def segment(self, phase_map: PhaseMap, token: CancelToken) -> NDArray[np.int32]:
        """Return labels ``(N, Y, X)`` of frames in memory; 0 is background.

        Pixels that are not finite are shown to Cellpose as background.

        Raises
        ------
        QPMError
            Cellpose is not installed, or it failed.
        """
        chosen = self.parameters
        on_card = chosen.device is not DeviceName.CPU and cuda_card() is not None
        pixel, diameter = phase_map.pixel_size_um, chosen.cell_diameter
        pixel_um = 1.0 if pixel is None else math.sqrt(pixel[0] * pixel[1])
        asked = {
            "diameter": None if diameter is None else diameter / pixel_um,
            "flow_threshold": chosen.flow_threshold,
            "cellprob_threshold": chosen.cell_threshold,
        }
        labels = np.zeros(phase_map.shape, np.int32)
        for n in range(phase_map.n_frames):
            token.raise_if_cancelled()
            phase = phase_map.read(n)
            image = np.nan_to_num(phase, posinf=0.0, neginf=0.0)
            with _turn:
                found = _ask(chosen.model, on_card, self._turned(image), asked)
            labels[n] = np.where(np.isfinite(phase), self._turned(found), 0)
        return labels

    def second_opinion(self) -> "CellposeEngine":
        """Return an engine that shows frames to Cellpose upside down."""
        made = CellposeEngine(self.parameters)
        made._is_upside_down = True
        return made

    def _turned(self, image: NDArray[Any]) -> NDArray[Any]:
        is_turned = self._is_upside_down
        return np.ascontiguousarray(image[::-1, ::-1]) if is_turned else image


def _ask(
    model: str, on_card: bool, image: NDArray[Any], asked: dict[str, Any]
) -> NDArray[Any]:
    """Return the masks of one image, or say what is wrong in our words."""
    try:
        masks = _network(model, on_card).eval(image, **asked)[0]
    except QPMError:
        raise
    # Of Cellpose, torch and the network that it downloads: of many kinds.
    except Exception as error:
        raise QPMError(
            f"Cellpose failed ({type(error).__name__}: {error}). Check that it runs by "
            f"itself with the model {model!r}; the first time it needs the internet."
        ) from error
    return np.asarray(masks)


@functools.lru_cache(maxsize=1)
def _network(model: str, on_card: bool) -> Any:
    """Return the network of Cellpose, loaded once."""
    try:
        models = importlib.import_module("cellpose.models")
    except ImportError as error:
        raise QPMError(
            "Cellpose is not installed. Install it with "
            "pip install 'napari-qpm[cellpose]', or choose another method."
        ) from error
    return models.CellposeModel(gpu=on_card, pretrained_model=model)
