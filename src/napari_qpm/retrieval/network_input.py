"""From a camera frame to what a network sees, the same for retrieval and for training.

The classical front end does what it does exactly: a coarser grid, and curvature or a
reference taken out of the mixed fringes. torch loads when an input is made.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_qpm.acquisition import Acquisition
from napari_qpm.retrieval.empty_surface import surface_of_frame, surface_of_reference
from napari_qpm.retrieval.fringe_rewriting import (
    Carrier,
    lossless_step,
    rewrite_fringes,
)
from napari_qpm.retrieval.object_size import object_size_px
from napari_qpm.retrieval.off_axis_engine import fill_nan

if TYPE_CHECKING:
    from napari_qpm.networks import Octant
    from napari_qpm.runtime import ModelSpec

__all__ = [
    "FrontEnd",
    "NetworkFrame",
    "carrier_of",
    "comfortable_px",
    "network_step",
    "turned_back",
]

RAW = "raw"
DEFAULT_SAMPLE_PX = (256, 256)
COMFORTABLE_SHARE = 1.0
"""Of a sample's side: of larger cells, no sample showed the whole. At 0.25, crowded
cells counted as large ones: the coarser grid cost the held-out set 8 dB."""
SMALLEST_SIDE_PX = 96
"""Of a frame on the network's grid."""
FloatImage = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class NetworkFrame:
    """A hologram on the network's grid.

    Parameters
    ----------
    hologram
        ``(y, x)`` counts.
    carrier
        ``(fy, fx)`` of the sideband on that grid [cycles/px].
    surface
        ``(y, x)`` [rad]: what the sideband of an empty field holds beside the carrier;
        `None` if that is left to the network.
    """

    hologram: FloatImage
    carrier: Carrier
    surface: FloatImage | None = None


class FrontEnd:
    """Prepares the frames of one recording.

    Parameters
    ----------
    acquisition
        With its sideband known; a reference hologram replaces the fit of curvature.
    step
        Camera pixels per pixel of the network's grid.
    takes_out_curvature
        Whether tilt and curvature are fitted where there is no reference.
    kind
        Input of the network: ``"heterodyne"`` or ``"raw"``. A raw input has no mixed
        fringes, so a reference is divided out of the frame's own.
    """

    def __init__(
        self,
        acquisition: Acquisition,
        step: int,
        *,
        takes_out_curvature: bool = True,
        kind: str = "heterodyne",
    ):
        self.step, self.kind = step, kind
        self._carrier = carrier_of(acquisition)
        self._sign = acquisition.instrument.phase_sign or 1
        self._fits = takes_out_curvature and kind != RAW
        self._reference: FloatImage | None = None
        self._surface: FloatImage | None = None
        if acquisition.reference is None:
            return
        reference = fill_nan(acquisition.reference)[0].astype(np.float32)
        self._fits = False
        if kind == RAW:
            self._reference = reference
            return
        empty, carrier = rewrite_fringes(reference, self._carrier, step)
        self._surface = surface_of_reference(empty[0], carrier)

    def frame(self, hologram: FloatImage) -> NetworkFrame:
        """Return a hologram ``(Y, X)`` without NaN on the network's grid."""
        rewritten, carrier = rewrite_fringes(
            hologram[None], self._carrier, self.step, self._reference
        )
        surface = self._surface
        if self._fits:
            surface = surface_of_frame(rewritten[0], carrier)
        return NetworkFrame(rewritten[0], carrier, surface)

    def input(self, frame: NetworkFrame) -> tuple[FloatImage, "Octant | None"]:
        """Return the input ``(1, C, y, x)``, and how a raw frame was turned for it."""
        import torch

        from napari_qpm.networks import Octant, heterodyne, normalise_frames

        image = torch.from_numpy(np.ascontiguousarray(frame.hologram, np.float32))
        with torch.inference_mode():
            if self.kind != RAW:
                frequency = torch.tensor(frame.carrier, dtype=torch.float32)
                surface = frame.surface
                known = None if surface is None else torch.from_numpy(surface)
                mixed = heterodyne(image[None, None], frequency, self._sign, known)
                return mixed.numpy(), None
            # cos(k r - phase) = cos(-k r + phase): the octant holds the sign.
            fy, fx = (self._sign * f for f in frame.carrier)
            octant = Octant.of((fy, fx))
            turned = normalise_frames(octant.apply(image[None, None]))
        return turned.contiguous().numpy(), octant


def turned_back(answer: FloatImage, octant: "Octant | None") -> FloatImage:
    """Return a network's answer ``(y, x)`` as its frame lies."""
    if octant is None:
        return answer
    import torch

    return np.ascontiguousarray(octant.undo(torch.from_numpy(answer)).numpy())


def comfortable_px(spec: "ModelSpec") -> float:
    """Return the largest cells [px] that a network sees whole in its samples."""
    domain = spec.training.get("config", {}).get("domain", {})
    shape = domain.get("shape") or DEFAULT_SAMPLE_PX
    return COMFORTABLE_SHARE * min(shape)


def network_step(
    acquisition: Acquisition, scale: int | None = None, spec: "ModelSpec | None" = None
) -> int:
    """Return camera pixels per pixel of the network's grid.

    As asked; else as the model was adapted. Else as coarse as the fringes allow without
    loss, or coarser, until the cells of the first frame are as small as the model knows
    them whole.
    """
    adapted = None if spec is None else spec.preprocessing.get("scale")
    if scale or adapted:
        return int(scale or adapted or 1)
    lossless = lossless_step(carrier_of(acquisition))
    if spec is None:
        return lossless
    wanted = math.ceil(object_size_px(acquisition) / comfortable_px(spec))
    most = min(acquisition.shape[2:]) // SMALLEST_SIDE_PX
    return max(lossless, min(wanted, most))


def carrier_of(acquisition: Acquisition) -> Carrier:
    """Return the sideband ``(fy, fx)`` [cycles/px] of a recording that knows it.

    Raises
    ------
    MissingMetadataError
        It is not known.
    """
    found: Any = acquisition.instrument.require(
        "sideband_cycles_per_px", "NAS-PRNet", acquisition.name
    )
    return float(found[0]), float(found[1])
