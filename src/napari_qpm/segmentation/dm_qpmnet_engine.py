"""DM-QPMNet: cells by a trained network, from angles and phase or from phase alone.

Two engines differ in what they need: one the four images of a polarization camera
besides the phase, the other phase of any microscope.
"""

import itertools
import math
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from napari_qpm.acquisition import PhaseMap
from napari_qpm.jobs import CancelToken
from napari_qpm.parameters import Parameters
from napari_qpm.runtime.devices import DeviceName
from napari_qpm.runtime.opening import RuntimeName
from napari_qpm.segmentation.cell_input import cell_input
from napari_qpm.segmentation.cell_models import (
    cell_models,
    channels_of,
    find_cell_model,
    require_angles,
)
from napari_qpm.segmentation.instances import part_cells
from napari_qpm.segmentation.network_grid import grid_step, images_on_grid, pixel_um

if TYPE_CHECKING:
    from napari_qpm.runtime import Session

__all__ = ["DMQPMNetEngine", "DMQPMNetPhaseEngine", "labels_by_session"]

Image = NDArray[np.float32]
LEAST_TILE_PX = 128
Views = tuple[tuple[bool, ...], ...]
AS_IT_IS: Views = ((False, False),)
UPSIDE_DOWN: Views = ((True, True),)
ALL_VIEWS: Views = tuple(itertools.product((False, True), repeat=2))
FAST_OVERLAP, THOROUGH_OVERLAP = 0.25, 0.5


class DMQPMNetPhaseParameters(Parameters):
    """Which network runs where, and how touching cells are parted."""

    needs_angles: ClassVar[bool] = False
    model: str = Field(
        "dm-qpmnet-phase",
        title="Model",
        description="Trained network that finds cells: those that come with "
        "napari-qpm, and yours.",
    )
    cell_diameter: float | None = Field(
        None,
        gt=0,
        le=10_000,
        title="Cell diameter",
        description="Typical diameter of one cell; cells larger than the model knows "
        "them are made smaller for it. In um when the pixel size is known, else in "
        "pixels. Empty: estimated in each frame.",
    )
    threshold: float = Field(
        0.5,
        ge=0.05,
        le=0.95,
        title="Threshold",
        description="Probability from which a pixel belongs to a cell. Higher values "
        "draw tighter outlines.",
    )
    separation: float = Field(
        0.1,
        ge=0,
        le=1,
        title="Separation",
        description="How clearly two cells are two. Higher values part fewer cells.",
    )
    minimum_area: float | None = Field(
        None,
        ge=0,
        title="Minimum area",
        description="Smaller objects are dropped. In um^2 when the pixel size is "
        "known, else in pixels. Empty: a seventh of the median area.",
    )
    thorough: bool = Field(
        False,
        title="Thorough",
        description="Average four mirrored answers of tiles that overlap by half: "
        "about eight times slower, and a little better.",
    )
    runtime: RuntimeName = Field(
        RuntimeName.AUTO,
        title="Runtime",
        description="ONNX Runtime is faster on most processors; both give the same "
        "cells.",
    )
    device: DeviceName = Field(
        DeviceName.AUTO,
        title="Device",
        description="Where the network runs. Auto takes a graphics card if it can.",
    )

    @classmethod
    def choices(cls, name: str) -> list[tuple[str, str]] | None:
        """Return ``(value, title)`` of the installed models."""
        if name != "model":
            return None
        return [(spec.name, spec.title) for spec in cell_models(cls.needs_angles)]


class DMQPMNetParameters(DMQPMNetPhaseParameters):
    """The same for models that see the angles, too."""

    needs_angles: ClassVar[bool] = True
    model: str = Field(
        "dm-qpmnet",
        title="Model",
        description="Trained network that finds cells in the four images of a "
        "polarization camera and their phase.",
    )


class DMQPMNetPhaseEngine:
    """Cells by a network that sees the phase.

    Parameters
    ----------
    parameters
        See `DMQPMNetPhaseParameters`.
    """

    name: ClassVar[str] = "dm-qpmnet-phase"
    title: ClassVar[str] = "DM-QPMNet, phase only (learned)"
    Parameters: ClassVar[type[Parameters]] = DMQPMNetPhaseParameters
    companions: ClassVar[tuple[str, ...]] = ()

    def __init__(self, parameters: DMQPMNetPhaseParameters | None = None):
        made: Any = parameters or self.Parameters()
        self.parameters: DMQPMNetPhaseParameters = made
        self._views: Views | None = None

    def segment(self, phase_map: PhaseMap, token: CancelToken) -> NDArray[np.int32]:
        """Return labels ``(N, Y, X)`` of frames in memory; 0 is background.

        Pixels that are not finite are background.

        Raises
        ------
        UnknownNameError
            There is no such model; the message says how to get one.
        ModalityError
            The model needs angles that the recording lacks, or gives something else.
        """
        from napari_qpm.runtime import session_for

        model = find_cell_model(self.parameters.model)
        require_angles(model.spec, phase_map.acquisition)
        session = session_for(
            model,
            runtime=self.parameters.runtime.value,
            device=self.parameters.device.value,
        )
        return labels_by_session(
            session, phase_map, self.parameters, token, self._views
        )

    def second_opinion(self) -> "DMQPMNetPhaseEngine":
        """Return an engine whose network sees the frame upside down."""
        made = type(self)(self.parameters)
        made._views = UPSIDE_DOWN
        return made


class DMQPMNetEngine(DMQPMNetPhaseEngine):
    """Cells by a network that sees the four angles and the phase.

    Parameters
    ----------
    parameters
        See `DMQPMNetParameters`.
    """

    name: ClassVar[str] = "dm-qpmnet"
    title: ClassVar[str] = "DM-QPMNet (learned)"
    Parameters: ClassVar[type[Parameters]] = DMQPMNetParameters


def labels_by_session(
    session: "Session",
    phase_map: PhaseMap,
    parameters: DMQPMNetPhaseParameters,
    token: CancelToken,
    views: Views | None = None,
) -> NDArray[np.int32]:
    """Return labels ``(N, Y, X)`` by a network that is ready to run.

    Parameters
    ----------
    session
        The network, with the spec of its model.
    phase_map
        Frames in memory.
    parameters
        How cells are parted.
    token
        Checked at every frame and tile.
    views
        Axes ``(y, x)`` that are mirrored for the network, each a view whose answers
        are averaged; by default what the parameters say.
    """
    chosen = views or (ALL_VIEWS if parameters.thorough else AS_IT_IS)
    overlap = THOROUGH_OVERLAP if parameters.thorough else FAST_OVERLAP
    spec, least = session.model.spec, parameters.minimum_area
    labels = np.zeros(phase_map.shape, np.int32)
    for t in range(phase_map.n_frames):
        token.raise_if_cancelled()
        images = cell_input(phase_map, t, channels_of(spec))
        step = grid_step(phase_map, t, spec, parameters.cell_diameter)
        answers = _answers(session, images, step, chosen, overlap, token)
        answers[0, ~np.isfinite(phase_map.read(t))] = -np.inf
        labels[t] = part_cells(
            answers,
            threshold=parameters.threshold,
            separation=parameters.separation,
            least_area_px=None if least is None else least / pixel_um(phase_map) ** 2,
        )
    return labels


def _answers(
    session: "Session",
    images: Image,
    step: int,
    views: Views,
    overlap: float,
    token: CancelToken,
) -> Image:
    """Return the network's answers ``(1 or 3, Y, X)`` on the grid of the images."""
    from napari_qpm.runtime import run_tiled

    shape = images.shape[1:]
    given = images_on_grid(images, step)
    side = _tile_side(session.model.spec, max(given.shape[1:]))
    total: Image | None = None
    for flip in views:
        axes = tuple(n for n, is_flipped in enumerate(flip, start=1) if is_flipped)
        found = run_tiled(
            session,
            np.flip(given, axes)[None],
            tile_px=side,
            overlap_px=round(overlap * side),
            sliding_window=True,
            token=token,
        )[0]
        turned = np.flip(found, axes)
        total = turned.copy() if total is None else total + turned
    assert total is not None
    answers = total / np.float32(len(views))
    if step > 1:
        answers = _enlarged(answers, step)[:, : shape[0], : shape[1]]
    return np.ascontiguousarray(answers, np.float32)


def _tile_side(spec: Any, longest: int) -> int:
    """Return the side of tiles [px]: no larger than a frame needs, unless it is fixed.

    A network with attention answers right only for the size that it was trained with.
    """
    side = int(spec.tile_px or LEAST_TILE_PX)
    if spec.tile.get("fixed", False):
        return side
    step = int(spec.multiple_px)
    whole = math.ceil(longest / step) * step
    return max(min(side, whole), LEAST_TILE_PX)


def _enlarged(answers: Image, step: int) -> Image:
    from scipy import ndimage

    large: Image = ndimage.zoom(
        answers, (1, step, step), order=1, mode="nearest", grid_mode=True
    )
    return large
